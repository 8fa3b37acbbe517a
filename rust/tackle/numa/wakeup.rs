// SPDX-License-Identifier: GPL-2.0

//! The event `wakeup`: a task or an interrupt wakes a task.
//!
//! C source: `try_to_wake_up()` in `kernel/sched/core.c`, which reports this with the tracepoint
//! `sched_waking` (`rust/tackle/numa/probe.rs`).

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

/// A task is woken up.
///
/// # Context
///
/// Interrupts are disabled, and `pi_lock` of the task that is woken up is held (unless a task wakes
/// itself), which is a raw spinlock. The code may take raw spinlocks of its own alone
/// ([`RawSpinLock`](crate::lock::RawSpinLock)), and must not wake a task. It can be an interrupt.
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

    /// Returns the task that wakes it: the current task. [`None`] for an interrupt.
    #[inline]
    pub fn waker(&self) -> Option<Task<'a>> {
        self.waker
    }

    /// Returns the node of the CPU on which the task was last. The kernel may place it on another
    /// one.
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

    /// What the probe is registered with: each observer has a registration of its own.
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
        // For another observer.
        if data != self.data().addr() {
            return;
        }
        let wakee = NonNull::new(ptr::with_exposed_provenance_mut::<task_struct>(wakee));
        let (Some(observer), Some(wakee)) = (self.0.active(), wakee) else {
            return;
        };
        // SAFETY: It is asleep, or about to sleep, and its `pi_lock` is held, or it is the current
        // task: it has not ended, which takes its last reference.
        let (task, node) = unsafe { (Task::new(wakee), bindings::task_node(wakee.as_ptr())) };
        // SAFETY: Reads this CPU's preemption count.
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
