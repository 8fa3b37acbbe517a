// SPDX-License-Identifier: GPL-2.0

//! Implements the event `exit`: a task has ended, or executes another program.
//!
//! C source: `task_numa_free()` in `kernel/sched/fair.c`

use super::{registration::Shared, EndingTask, Observer};
use crate::{
    bindings,
    ftrace::{Call, EntryHandler},
};
use core::ptr::{self, NonNull};
use kernel::{ffi::c_int, prelude::*, sync::Arc};

/// A call of `task_numa_free()`: the kernel is about to free a task's statistics, or to clear them
/// since the task executes another program.
///
/// The kernel makes this call for each task, also for a task without statistics.
///
/// # Context
///
/// The task can be another one than the current task. The context can be a softirq.
#[repr(C)]
pub struct Exit<'a> {
    size: usize,
    task: EndingTask<'a>,
    ended: bool,
    last: bool,
    group: c_int,
}

same_layout!(Exit, tackle_numa_exit: size, task, ended, last, group);

impl<'a> Exit<'a> {
    /// Returns the task. If it has ended, its reference count is 0: do not take a reference.
    #[inline]
    pub fn task(&self) -> EndingTask<'a> {
        self.task
    }

    /// Returns whether the task has ended; false if it executes another program.
    #[inline]
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Returns whether no thread of the task's process is alive any more.
    #[inline]
    pub fn is_last(&self) -> bool {
        self.last
    }

    /// Returns the ID of its NUMA group, 0 without one.
    #[inline]
    pub fn group(&self) -> i32 {
        self.group
    }
}

/// The hook for `void task_numa_free(struct task_struct *p, bool final)`.
pub(super) struct OnExit<T>(pub(super) Arc<Shared<T>>);

impl<T> OnExit<T> {
    pub(super) const FUNCTION: &'static CStr = c"task_numa_free";
}

impl<T: Observer> EntryHandler for OnExit<T> {
    #[inline]
    fn entry(&self, call: &Call) {
        let [Some(task), Some(is_final)] = [0, 1].map(|n| call.argument(n)) else {
            return;
        };
        let task = NonNull::new(ptr::with_exposed_provenance_mut(task));
        let (Some(observer), Some(task)) = (self.0.active(), task) else {
            return;
        };
        // SAFETY: The function's argument is a valid task. The function does not free the task, and
        // has not freed the task's statistics yet.
        let task = unsafe { EndingTask::new(task) };
        observer.exit(&Exit {
            size: size_of::<Exit<'_>>(),
            task,
            // CAST: A `bool` is the lower eight bits of its register.
            ended: is_final as u8 != 0,
            // SAFETY: The `signal_struct` of a process outlives the tasks of the process.
            last: !unsafe { bindings::process_lives(task.as_ptr()) },
            group: task.group(),
        });
    }
}
