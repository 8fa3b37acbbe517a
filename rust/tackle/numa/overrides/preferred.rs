// SPDX-License-Identifier: GPL-2.0

//! Implements the override of `sched_setnuma()`, which sets the preferred node of a task.
//!
//! C source: `kernel/sched/core.c`

use super::{
    super::{policy::Choice, Policy, Task},
    CONTROLLER, HAS_OPS, POLICY,
};
use crate::{
    bindings,
    call_at::call_at,
    ftrace::{Arguments, Call, OverrideHandler},
    function::{Function, Replaceable},
    symbol::Unexported,
    task,
};
use core::ptr::NonNull;
use kernel::{bindings::task_struct, ffi::c_int, prelude::*};

/// `sched_setnuma()`.
pub(super) struct SchedSetnuma;

// SAFETY: `void sched_setnuma(struct task_struct *p, int nid)`, of `kernel/sched/sched.h`.
unsafe impl Function for SchedSetnuma {
    type Prototype = unsafe extern "C" fn(*mut task_struct, c_int);
    const NAME: &'static CStr = c"sched_setnuma";
}

// SAFETY: The function only changes the preferred node. If it is skipped, the old value remains
// valid: `numa_migrate_preferred()` checks the value before it uses it.
unsafe impl Replaceable for SchedSetnuma {}

/// Replaces the kernel's choice with the policy's, and skips a change that the controller refuses.
pub(super) struct OnSetnuma;

impl OverrideHandler<SchedSetnuma> for OnSetnuma {
    fn entry<'a>(&self, call: &'a Call, arguments: Arguments<'a, SchedSetnuma>) -> Option<()> {
        let (task, node) = arguments;
        let task = NonNull::new(task.as_ptr())?;
        // SAFETY: NUMA balancing passes the current task. `set_preferred_node` passes a task to
        // which its caller has a reference.
        let task = unsafe { Task::new(task) };
        let kernel = usize::try_from(node).ok();
        // NUMA balancing passes the current task. If this is another task, a module has called
        // `set_preferred_node`, and the policy is not to change that node.
        let is_balancing = !HAS_OPS && task.address() == task::current_address();
        let policy = POLICY.get(call).filter(|_| is_balancing);
        let wanted = policy.map_or(kernel, |policy| {
            wish(policy, &Choice::new(task, kernel, false))
        });
        if !is_allowed(call, task, wanted) {
            return Some(());
        }
        if wanted == kernel {
            return None;
        }
        if wanted != task.preferred_node() {
            set(task, wanted);
        }
        Some(())
    }
}

/// Returns the node that the policy chooses. Returns the kernel's choice if the policy chooses
/// none, or one on which the task cannot run.
pub(super) fn wish(policy: &dyn Policy, choice: &Choice<'_>) -> Option<usize> {
    match policy.preferred_node(choice) {
        Some(node) if choice.task().can_run_on(node) => Some(node),
        _ => choice.kernel(),
    }
}

/// Returns whether the controller allows `node` as the preferred node of `task`.
pub(super) fn is_allowed(call: &Call, task: Task<'_>, node: Option<usize>) -> bool {
    let controller = CONTROLLER.get(call);
    controller.is_none_or(|controller| controller.may_prefer(task, node))
}

static SCHED_SETNUMA: Unexported = Unexported::new(SchedSetnuma::NAME);

/// Finds the address of `sched_setnuma()`, which [`set`] calls.
///
/// # Errors
///
/// - `ENOENT`: the kernel has no `sched_setnuma()`.
/// - `ENOMEM`: there is no memory for the look-up.
///
/// # Context
///
/// May sleep.
pub(in super::super) fn find() -> Result {
    SCHED_SETNUMA.find().map(|_| ())
}

/// Sets the preferred node of a task. Does nothing if [`find`] has not found the function. The
/// caller must not hold the lock of a run queue: the function takes that of the task's.
pub(in super::super) fn set(task: Task<'_>, node: Option<usize>) {
    let Ok(function) = SCHED_SETNUMA.address() else {
        return;
    };
    // CAST: At most 1024; the function takes an `int`.
    let node = node.unwrap_or(bindings::NUMA_NO_NODE as usize);
    // SAFETY: `void sched_setnuma(struct task_struct *p, int nid)` takes a valid task, and an
    // online node or `NUMA_NO_NODE`. The caller holds no lock of a run queue.
    unsafe {
        call_at(
            function,
            [task.as_ptr().expose_provenance(), node, 0, 0, 0, 0],
        )
    };
}
