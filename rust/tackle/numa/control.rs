// SPDX-License-Identifier: GPL-2.0

//! What a module can change about the balancing of a task.

use super::node::{cpus, is_online};
use crate::{bindings, call_at::call_at, ftrace::Call, function::Pointer, symbol::Unexported};
use kernel::{bindings::callback_head, prelude::*, task::Task};

/// Makes a scan that is skipped ready to be queued again: to be called by a handler of
/// [`OverrideHook<TaskNumaWork, _>`](crate::function::targets::TaskNumaWork) that skips the call.
///
/// The kernel queues the work of a task again after the task's scan period. A work that is skipped
/// without this is never queued again.
pub fn skip_scan<'a>(work: Pointer<'a, *mut callback_head>, _call: &'a Call) {
    let work = work.as_ptr();
    // SAFETY: The work is part of the current task, which is about to execute it. As
    // `task_numa_work()` does.
    unsafe { (&raw mut (*work).next).write_volatile(work) };
}

static SCHED_SETNUMA: Unexported = Unexported::new(c"sched_setnuma");

/// Sets the preferred node of a task.
///
/// The kernel chooses another one when a scan window of the task closes.
///
/// # Errors
///
/// - `ENXIO`: the node is not online.
/// - `ENODEV`: it has no CPU.
/// - `EPERM`: the task may not run on its CPUs.
/// - `ESRCH`: the task has no address space: it is a kernel thread, or has ended.
/// - `ENOENT`: the kernel has no `sched_setnuma()`.
///
/// # Context
///
/// May sleep.
pub fn set_preferred_node(task: &Task, node: usize) -> Result {
    if !is_online(node) {
        return Err(ENXIO);
    }
    if cpus(node) == 0 {
        return Err(ENODEV);
    }
    let node = i32::try_from(node).map_err(|_| ENXIO)?;
    let function = SCHED_SETNUMA.find()?;
    let task = task.as_ptr();
    // SAFETY: The task is valid, and the node is online.
    match unsafe { bindings::task_may_run_on(task, node) } {
        0 => {}
        errno => return Err(Error::from_errno(errno)),
    }
    // SAFETY: `void sched_setnuma(struct task_struct *p, int nid)` takes a task to which there is a
    // reference, without locks held.
    // CAST: Not negative.
    unsafe {
        call_at(
            function,
            [task.expose_provenance(), node as usize, 0, 0, 0, 0],
        )
    };
    Ok(())
}
