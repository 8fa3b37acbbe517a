// SPDX-License-Identifier: GPL-2.0

//! Implements the event `placement`: the kernel changes a task's preferred node, or moves or swaps
//! tasks for NUMA balancing.
//!
//! C source: `sched_setnuma()`, `migrate_task_to()` and `migrate_swap()` in
//! `kernel/sched/core.c`. Of the kernel only NUMA balancing (`kernel/sched/fair.c`) calls
//! the latter two; [`move_to_node`](super::move_to_node) calls `migrate_task_to()`.

use super::{node, node::index, registration::Shared, Observer, Task};
use crate::{
    bindings,
    ftrace::{Call, ExitHandler, Return},
};
use core::ptr::{self, NonNull};
use kernel::{bindings::task_struct, ffi::c_int, prelude::*, sync::Arc};

/// How a task is placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum PlacementKind {
    /// `sched_setnuma()` has changed the task's preferred node.
    Preferred = bindings::TACKLE_NUMA_PREFERRED as i32,
    /// `migrate_task_to()` has returned.
    Moved = bindings::TACKLE_NUMA_MOVED as i32,
    /// `migrate_swap()` has returned.
    Swapped = bindings::TACKLE_NUMA_SWAPPED as i32,
}

/// A placement of a task.
#[repr(C)]
pub struct Placement<'a> {
    size: usize,
    task: Task<'a>,
    other: Option<Task<'a>>,
    kind: PlacementKind,
    source: c_int,
    target: c_int,
    error: c_int,
}

same_layout!(
    Placement, tackle_numa_placement:
    size, task, other, kind, source, target, error
);

impl<'a> Placement<'a> {
    /// Returns the task.
    #[inline]
    pub fn task(&self) -> Task<'a> {
        self.task
    }

    /// Returns the task with which the kernel was to swap [`Placement::task`]; [`None`] unless this
    /// is a swap.
    #[inline]
    pub fn other(&self) -> Option<Task<'a>> {
        self.other
    }

    /// Returns how the task was placed.
    #[inline]
    pub fn kind(&self) -> PlacementKind {
        self.kind
    }

    /// Returns the task's old preferred node, if it had one. For a move or a swap, returns the node
    /// of the CPU that the task was on.
    #[inline]
    pub fn source(&self) -> Option<usize> {
        index(self.source)
    }

    /// Returns the task's new preferred node, if it has one. For a move or a swap, returns the node
    /// of the CPU to which the kernel was to move the task.
    #[inline]
    pub fn target(&self) -> Option<usize> {
        index(self.target)
    }

    /// Returns the result of the kernel function.
    ///
    /// # Errors
    ///
    /// The error that `migrate_task_to()` or `migrate_swap()` has returned, for instance `EAGAIN`.
    /// A change of the preferred node does not fail.
    #[inline]
    pub fn result(&self) -> Result {
        kernel::error::to_result(self.error)
    }
}

/// Converts an argument of a kernel function to a task; [`None`] if it is null.
///
/// # Safety
///
/// `address` is null, or the address of a task that is valid and has a reference during `'a`.
unsafe fn task<'a>(address: usize) -> Option<Task<'a>> {
    let task = NonNull::new(ptr::with_exposed_provenance_mut::<task_struct>(address))?;
    // SAFETY: By the function's requirements.
    Some(unsafe { Task::new(task) })
}

/// Returns the node of the CPU whose number is in a register, as a C `int`; -1 if there is no such
/// CPU.
fn node_of(cpu: usize) -> c_int {
    // CAST: An `int` is the lower 32 bits of its register.
    let node = node::node_of_cpu(cpu as u32).map(c_int::try_from);
    node.and_then(core::result::Result::ok).unwrap_or(-1)
}

/// The hook for `void sched_setnuma(struct task_struct *p, int node)`.
pub(super) struct OnPreferred<T>(pub(super) Arc<Shared<T>>);

impl<T> OnPreferred<T> {
    pub(super) const FUNCTION: &'static CStr = c"sched_setnuma";
}

impl<T: Observer> ExitHandler for OnPreferred<T> {
    type Data = Before;

    #[inline]
    fn entry(&self, call: &Call) -> Option<Before> {
        let address = call.argument(0)?;
        // SAFETY: The callers have a reference to the task.
        let task = unsafe { task(address) }?;
        Some(Before {
            task: address,
            other: 0,
            source: preferred(task),
            target: -1,
        })
    }

    #[inline]
    fn exit(&self, _ret: &Return, before: Before) {
        // SAFETY: The callers have a reference to the task until the function has returned.
        let Some(task) = (unsafe { task(before.task) }) else {
            return;
        };
        // An override may have skipped the function, or changed the node.
        let target = preferred(task);
        if target != before.source {
            let before = Before { target, ..before };
            before.report(&self.0, PlacementKind::Preferred, 0);
        }
    }
}

/// Returns the preferred node of a task as a C `int`; -1 if it has none.
fn preferred(task: Task<'_>) -> c_int {
    // CAST: At most 1024.
    task.preferred_node().map_or(-1, |node| node as c_int)
}

/// The data that a hook passes from the function's entry to its exit.
#[derive(Clone, Copy)]
pub(super) struct Before {
    task: usize,
    other: usize,
    source: c_int,
    target: c_int,
}

impl Before {
    fn report<T: Observer>(self, shared: &Shared<T>, kind: PlacementKind, error: c_int) {
        let Some(observer) = shared.active() else {
            return;
        };
        // SAFETY: The caller of the hooked function has references to both tasks, and keeps them
        // until the function has returned.
        let (Some(task), other) = (unsafe { (task(self.task), task(self.other)) }) else {
            return;
        };
        observer.placement(&Placement {
            size: size_of::<Placement<'_>>(),
            task,
            other,
            kind,
            source: self.source,
            target: self.target,
            error,
        });
    }
}

/// The hook for `int migrate_task_to(struct task_struct *p, int target_cpu)`.
pub(super) struct OnMove<T>(pub(super) Arc<Shared<T>>);

impl<T> OnMove<T> {
    pub(super) const FUNCTION: &'static CStr = c"migrate_task_to";
}

impl<T: Observer> ExitHandler for OnMove<T> {
    type Data = Before;

    #[inline]
    fn entry(&self, call: &Call) -> Option<Before> {
        let address = call.argument(0)?;
        // SAFETY: The callers have a reference to the task.
        let task = unsafe { task(address) }?;
        Some(Before {
            task: address,
            other: 0,
            // CAST: At most 1024.
            source: task.node() as c_int,
            target: node_of(call.argument(1)?),
        })
    }

    #[inline]
    fn exit(&self, ret: &Return, before: Before) {
        // CAST: An `int` is the lower 32 bits of its register.
        before.report(&self.0, PlacementKind::Moved, ret.value() as c_int);
    }
}

/// The hook for `int migrate_swap(struct task_struct *cur, struct task_struct *p, int target_cpu,
/// int curr_cpu)`.
pub(super) struct OnSwap<T>(pub(super) Arc<Shared<T>>);

impl<T> OnSwap<T> {
    pub(super) const FUNCTION: &'static CStr = c"migrate_swap";
}

impl<T: Observer> ExitHandler for OnSwap<T> {
    type Data = Before;

    #[inline]
    fn entry(&self, call: &Call) -> Option<Before> {
        Some(Before {
            task: call.argument(0)?,
            other: call.argument(1)?,
            source: node_of(call.argument(3)?),
            target: node_of(call.argument(2)?),
        })
    }

    #[inline]
    fn exit(&self, ret: &Return, before: Before) {
        // CAST: An `int` is the lower 32 bits of its register.
        before.report(&self.0, PlacementKind::Swapped, ret.value() as c_int);
    }
}
