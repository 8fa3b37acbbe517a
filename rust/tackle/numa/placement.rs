// SPDX-License-Identifier: GPL-2.0

//! The event `placement`: the kernel places a task.
//!
//! C source: `sched_setnuma()`, `migrate_task_to()` and `migrate_swap()` in
//! `kernel/sched/core.c`. Only `kernel/sched/fair.c` calls the latter two, for balancing.

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
    /// `sched_setnuma()`: its preferred node changes.
    Preferred = bindings::TACKLE_NUMA_PREFERRED as i32,
    /// `migrate_task_to()` has returned.
    Moved = bindings::TACKLE_NUMA_MOVED as i32,
    /// `migrate_swap()` has returned.
    Swapped = bindings::TACKLE_NUMA_SWAPPED as i32,
}

/// A task is placed.
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

    /// Returns the task with which it was to be swapped.
    #[inline]
    pub fn other(&self) -> Option<Task<'a>> {
        self.other
    }

    /// Returns how it is placed.
    #[inline]
    pub fn kind(&self) -> PlacementKind {
        self.kind
    }

    /// Returns the node that was preferred, if any, or that of the CPU where the task was.
    #[inline]
    pub fn source(&self) -> Option<usize> {
        index(self.source)
    }

    /// Returns the node that is preferred, or that of the CPU where the task was to go.
    #[inline]
    pub fn target(&self) -> Option<usize> {
        index(self.target)
    }

    /// Returns the error of the function.
    ///
    /// # Errors
    ///
    /// What `migrate_task_to()` or `migrate_swap()` has returned, for instance `EAGAIN`. A change of
    /// the preferred node does not fail.
    #[inline]
    pub fn result(&self) -> Result {
        kernel::error::to_result(self.error)
    }
}

/// Reads the argument `n` as a task.
///
/// # Safety
///
/// It is a valid task with a reference, during `'a`.
unsafe fn task<'a>(address: usize) -> Option<Task<'a>> {
    let task = NonNull::new(ptr::with_exposed_provenance_mut::<task_struct>(address))?;
    // SAFETY: By the function's requirements.
    Some(unsafe { Task::new(task) })
}

/// Returns the node of a CPU in a register, as C has it.
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
        // SAFETY: The callers still have the reference.
        let Some(task) = (unsafe { task(before.task) }) else {
            return;
        };
        // The function may have been skipped.
        let target = preferred(task);
        if target != before.source {
            let before = Before { target, ..before };
            before.report(&self.0, PlacementKind::Preferred, 0);
        }
    }
}

/// Returns the preferred node of a task as C has it.
fn preferred(task: Task<'_>) -> c_int {
    // CAST: At most 1024.
    task.preferred_node().map_or(-1, |node| node as c_int)
}

/// What is carried from the entry to the exit.
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
        // SAFETY: The current task, and the one that it is swapped with, to which the caller has a
        // reference until after the call.
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
        Some(Before {
            task: call.argument(0)?,
            other: 0,
            source: node::this_node(),
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
