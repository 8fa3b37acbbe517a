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

// SAFETY: The function only changes the preferred node, and the old value remains valid.
// `numa_migrate_preferred()` checks the value before use.
unsafe impl Replaceable for SchedSetnuma {}

/// Lets the policy choose another node, and skips a change that the controller refuses.
pub(super) struct OnSetnuma;

impl OverrideHandler<SchedSetnuma> for OnSetnuma {
    fn entry<'a>(&self, call: &'a Call, arguments: Arguments<'a, SchedSetnuma>) -> Option<()> {
        let (task, node) = arguments;
        let task = NonNull::new(task.as_ptr())?;
        // SAFETY: Balancing passes the current task, and `set_preferred_node` one to which there is
        // a reference.
        let task = unsafe { Task::new(task) };
        let kernel = usize::try_from(node).ok();
        // Another task than the current one: a module sets the node.
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

/// Returns the node that the policy chooses, or the kernel's choice if the task cannot run on that.
pub(super) fn wish(policy: &dyn Policy, choice: &Choice<'_>) -> Option<usize> {
    match policy.preferred_node(choice) {
        Some(node) if choice.task().can_run_on(node) => Some(node),
        _ => choice.kernel(),
    }
}

/// Returns whether the controller allows this preferred node.
pub(super) fn is_allowed(call: &Call, task: Task<'_>, node: Option<usize>) -> bool {
    let controller = CONTROLLER.get(call);
    controller.is_none_or(|controller| controller.may_prefer(task, node))
}

static SCHED_SETNUMA: Unexported = Unexported::new(SchedSetnuma::NAME);

/// Finds the function for [`set`].
///
/// # Errors
///
/// `ENOENT`: the kernel does not have it. `ENOMEM`.
///
/// # Context
///
/// May sleep.
pub(in super::super) fn find() -> Result {
    SCHED_SETNUMA.find().map(|_| ())
}

/// Sets the preferred node of a task, if [`find`] has found the function. The lock of a run queue
/// must not be held.
pub(in super::super) fn set(task: Task<'_>, node: Option<usize>) {
    let Ok(function) = SCHED_SETNUMA.address() else {
        return;
    };
    // CAST: At most 1024; the function takes an `int`.
    let node = node.unwrap_or(bindings::NUMA_NO_NODE as usize);
    // SAFETY: `void sched_setnuma(struct task_struct *p, int nid)` takes a task that is valid and a
    // node that is online, or `NUMA_NO_NODE`. No lock of a run queue is held.
    unsafe {
        call_at(
            function,
            [task.as_ptr().expose_provenance(), node, 0, 0, 0, 0],
        )
    };
}
