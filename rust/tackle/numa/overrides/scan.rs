// SPDX-License-Identifier: GPL-2.0

//! Implements the override of `task_numa_work()`: whether a task scans, and when it scans next.
//!
//! C source: `kernel/sched/fair.c`

use super::{super::Task, CONTROLLER, HAS_OPS, POLICY};
use crate::{
    ftrace::{Arguments, Call, OverrideHandler},
    function::{Function, Replaceable},
};
use kernel::{bindings::callback_head, prelude::*};

/// `task_numa_work()`, which scans the address space of the current task.
pub(super) struct TaskNumaWork;

// SAFETY: `static void task_numa_work(struct callback_head *work)`.
unsafe impl Function for TaskNumaWork {
    type Prototype = unsafe extern "C" fn(*mut callback_head);
    const NAME: &'static CStr = c"task_numa_work";
}

// SAFETY: The function marks page table entries, and no caller depends on that. `OnWork` resets
// `work->next` itself. If it did not, no more work would be queued: `task_tick_numa()` compares
// `work->next` with `work` and does not dereference it.
unsafe impl Replaceable for TaskNumaWork {}

/// Skips a scan that the controller or the policy refuses, and sets the policy's scan period.
pub(super) struct OnWork;

impl OverrideHandler<TaskNumaWork> for OnWork {
    fn entry<'a>(&self, call: &'a Call, arguments: Arguments<'a, TaskNumaWork>) -> Option<()> {
        if CONTROLLER
            .get(call)
            .is_none_or(|controller| controller.may_scan(call))
            && may_scan(call)
        {
            return None;
        }
        let work = arguments.0.as_ptr();
        // As `task_numa_work()` does first: the work can be queued again.
        // SAFETY: This is a call of `task_numa_work()`. `task_work_run()` has removed the work from
        // its list, has read `next`, and does not use the work after the call.
        unsafe { (&raw mut (*work).next).write_volatile(work) };
        Some(())
    }
}

/// Asks the policy, if the kernel does not ask it itself.
fn may_scan(call: &Call) -> bool {
    let Some(policy) = POLICY.get(call).filter(|_| !HAS_OPS) else {
        return true;
    };
    // SAFETY: The handler, and so the current task, outlives this `Task`.
    let task = unsafe { Task::current() };
    if task.is_exiting() || !task.has_mm() {
        return true;
    }
    if !policy.enabled(task) {
        return false;
    }
    // The function adds the period to the current time. So the period counts from here on.
    let period = task.scan_period();
    // 0 is a task that has not scanned yet: the kernel chooses its first period.
    if period != 0 {
        let wanted = policy.scan_period(task, period).max(1);
        if wanted != period {
            // SAFETY: `task` is the current one, and only the task itself writes its period.
            unsafe { task.set_scan_period(wanted) };
        }
    }
    true
}
