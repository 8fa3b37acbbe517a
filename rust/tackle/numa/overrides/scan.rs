// SPDX-License-Identifier: GPL-2.0

//! Implements the override of `task_numa_work()`, which decides whether a task scans now, and when
//! it scans next.
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

// SAFETY: The function makes page table entries fault, and no caller depends on that. A skipped
// call does not reset `work->next`, so `OnWork` does. Without that, the task would only not scan
// again: `task_tick_numa()` compares `work->next` with `work` and does not dereference it.
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
        // As `task_numa_work()` does first, so that the work can be queued again.
        // SAFETY: `work` is the argument of a call of `task_numa_work()`. Its caller
        // `task_work_run()` has removed the work from its list, has read `next`, and does not use
        // the work after the call.
        unsafe { (&raw mut (*work).next).write_volatile(work) };
        Some(())
    }
}

/// Returns whether the policy allows the scan, and sets the policy's scan period. Returns true if
/// the kernel itself calls the policy (`HAS_OPS`).
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
    // `task_numa_work()` adds the period to the current time, so the new period applies at once.
    let period = task.scan_period();
    // The period is 0 if the task has not scanned yet. The kernel then chooses the first period.
    if period != 0 {
        let wanted = policy.scan_period(task, period).max(1);
        if wanted != period {
            // SAFETY: `task` is the current one, and only the task itself writes its period.
            unsafe { task.set_scan_period(wanted) };
        }
    }
    true
}
