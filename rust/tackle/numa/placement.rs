// SPDX-License-Identifier: GPL-2.0

//! The event `placement`: the kernel places a task.
//!
//! C source: `sched_setnuma()`, `migrate_task_to()` and `migrate_swap()` in
//! `kernel/sched/core.c`. Only `kernel/sched/fair.c` calls the latter two, for balancing.

use super::{node, node::index, registration::Shared, Observer, Task};
use crate::{
    bindings,
    ftrace::{Call, EntryHandler, ExitHandler, Return},
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

    /// Returns the node that will be preferred, or that of the CPU where the task was to go.
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

impl<T: Observer> EntryHandler for OnPreferred<T> {
    #[inline]
    fn entry(&self, call: &Call) {
        let [Some(address), Some(target)] = [0, 1].map(|n| call.argument(n)) else {
            return;
        };
        let Some(observer) = self.0.active() else {
            return;
        };
        // SAFETY: Balancing calls it for the current task.
        let Some(task) = (unsafe { task(address) }) else {
            return;
        };
        let source = task.preferred_node();
        observer.placement(&Placement {
            size: size_of::<Placement<'_>>(),
            task,
            other: None,
            kind: PlacementKind::Preferred,
            // CAST: At most 1024.
            source: source.map_or(-1, |node| node as c_int),
            // CAST: An `int` is the lower 32 bits of its register.
            target: target as c_int,
            error: 0,
        });
    }
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
    fn report<T: Observer>(self, shared: &Shared<T>, kind: PlacementKind, ret: &Return) {
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
            // CAST: An `int` is the lower 32 bits of its register.
            error: ret.value() as c_int,
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
        before.report(&self.0, PlacementKind::Moved, ret);
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
        before.report(&self.0, PlacementKind::Swapped, ret);
    }
}
