// SPDX-License-Identifier: GPL-2.0

//! Implements the event `wakeup`: a task or an interrupt wakes a task.
//!
//! C source: `try_to_wake_up()` in `kernel/sched/core.c`, which reports a wakeup with the
//! tracepoint `sched_waking` (`rust/tackle/numa/probe.rs`).

use super::{
    node::{index, this_node},
    probe::Point,
    registration::Shared,
    Observer, Task,
};
use crate::{
    bindings,
    ftrace::{Call, EntryHandler},
};
use core::ptr::{self, NonNull};
use kernel::{
    bindings::task_struct,
    ffi::{c_int, c_void},
    prelude::*,
    sync::Arc,
};

/// A wakeup of a task.
///
/// # Context
///
/// Interrupts are disabled. Unless a task wakes itself, the raw spinlock `pi_lock` of the task that
/// is woken up is held. The observer may take only raw spinlocks of its own
/// ([`RawSpinLock`](crate::lock::RawSpinLock)), and must not wake a task. The context can be an
/// interrupt.
#[repr(C)]
pub struct Wakeup<'a> {
    size: usize,
    task: Task<'a>,
    waker: Option<Task<'a>>,
    node: c_int,
    waker_node: c_int,
}

same_layout!(Wakeup, tackle_numa_wakeup: size, task, waker, node, waker_node);

impl<'a> Wakeup<'a> {
    /// Returns the task that is woken up.
    #[inline]
    pub fn task(&self) -> Task<'a> {
        self.task
    }

    /// Returns the task that wakes [`Wakeup::task`]: the current task. [`None`] if an interrupt
    /// wakes it.
    #[inline]
    pub fn waker(&self) -> Option<Task<'a>> {
        self.waker
    }

    /// Returns the node of the CPU on which the task ran last. The kernel may wake it on another
    /// CPU.
    #[inline]
    pub fn node(&self) -> Option<usize> {
        index(self.node)
    }

    /// Returns the node of the CPU that wakes the task.
    #[inline]
    pub fn waker_node(&self) -> Option<usize> {
        index(self.waker_node)
    }

    /// Returns whether both nodes are the same.
    #[inline]
    pub fn is_local(&self) -> bool {
        self.node == self.waker_node
    }
}

/// The hook for `tackle_numa_waking_probe(void *data, struct task_struct *wakee)`.
pub(super) struct OnWakeup<T>(pub(super) Arc<Shared<T>>);

impl<T> OnWakeup<T> {
    pub(super) const POINT: Point = Point::Waking;

    /// Returns the data with which the probe is registered. It identifies the observer: each
    /// observer has a registration of its own.
    pub(super) fn data(&self) -> *mut c_void {
        Arc::as_ptr(&self.0).cast_mut().cast()
    }
}

impl<T: Observer> EntryHandler for OnWakeup<T> {
    #[inline]
    fn entry(&self, call: &Call) {
        let [Some(data), Some(wakee)] = [0, 1].map(|n| call.argument(n)) else {
            return;
        };
        // The probe was called for the registration of another observer.
        if data != self.data().addr() {
            return;
        }
        let wakee = NonNull::new(ptr::with_exposed_provenance_mut::<task_struct>(wakee));
        let (Some(observer), Some(wakee)) = (self.0.active(), wakee) else {
            return;
        };
        // SAFETY: The task is the current one, or it sleeps or is about to sleep and its `pi_lock`
        // is held. In both cases it has not ended, so it has a reference: the end of a task drops
        // the last one.
        let (task, node) = unsafe { (Task::new(wakee), bindings::task_node(wakee.as_ptr())) };
        // SAFETY: The helper only reads this CPU's preemption count.
        let waker = unsafe { bindings::in_task() }.then(|| {
            // SAFETY: The handler, and so the current task, outlives this `Task`.
            unsafe { Task::current() }
        });
        observer.wakeup(&Wakeup {
            size: size_of::<Wakeup<'_>>(),
            task,
            waker,
            node,
            waker_node: this_node(),
        });
    }
}
