// SPDX-License-Identifier: GPL-2.0

//! Implements [`Control`] and [`set_preferred_node`], by which a module changes the balancing of
//! single tasks.
//!
//! C source: `task_numa_work()` in `kernel/sched/fair.c`, `sched_setnuma()` in
//! `kernel/sched/core.c`

use super::{
    node::{cpus, is_online},
    overrides::{self, Decider, Role},
    Task,
};
use crate::{bindings, ftrace::Call};
use core::ptr::NonNull;
use kernel::{prelude::*, sync::Arc};

/// Decides about the balancing of tasks, for a [`Control`].
///
/// # Context
///
/// Preemption is disabled, and RCU is watching. A controller must not sleep. A lock of its own must
/// disable interrupts.
pub trait Controller: Send + Sync + 'static {
    /// Returns whether the current task may scan a part of its address space now. If this returns
    /// false, it is called again for the task after the task's scan period. `call` is for
    /// [`Filter::passes`](crate::filter::Filter::passes).
    fn may_scan(&self, _call: &Call) -> bool {
        true
    }

    /// Returns whether the preferred node of `task` may change to `node`; [`None`] is no node.
    fn may_prefer(&self, _task: Task<'_>, _node: Option<usize>) -> bool {
        true
    }
}

/// Overrides `task_numa_work()` and `sched_setnuma()` with the decisions of a [`Controller`].
///
/// One `Control` can exist at a time. A [`Policy`](super::Policy) can be registered at the same
/// time. While a `Control` exists, a live patch or another override of either function is refused.
/// When the `Control` is dropped, the kernel balances all tasks as before. `drop` may sleep. If it
/// is never dropped (`mem::forget`), the library removes it when the controller's module is
/// unloaded.
pub struct Control<T: Controller>(Arc<T>);

impl<T: Controller> Control<T> {
    /// Overrides the two functions; `controller` decides which calls are skipped.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: a controller is registered already, or one of the functions is overridden or live
    ///   patched.
    /// - `ENOMEM`: there is no memory for the controller.
    /// - Those of [`EntryHook::new`](crate::ftrace::EntryHook::new).
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn new(controller: T) -> Result<Self> {
        let controller = Arc::new(controller, GFP_KERNEL)?;
        let owner = &raw mut kernel::bindings::__this_module;
        // SAFETY: A generic function is compiled into the module that calls it, so `owner` is the
        // module of the caller, which contains the controller's code.
        unsafe { overrides::add(owner, Decider::Controller(controller.clone())) }?;
        Ok(Self(controller))
    }

    /// Returns the controller.
    pub fn controller(&self) -> &T {
        &self.0
    }
}

impl<T: Controller> Drop for Control<T> {
    fn drop(&mut self) {
        overrides::remove(Role::Controller);
    }
}

/// Sets the preferred node of a task.
///
/// The kernel may choose another node each time a scan window of the task closes.
///
/// # Errors
///
/// - `ENXIO`: the node is not online.
/// - `ENODEV`: the node has no CPU.
/// - `EPERM`: the task may not run on the node's CPUs.
/// - `ESRCH`: the task has no address space: it is a kernel thread, or has ended.
/// - `ENOENT`: the kernel has no `sched_setnuma()`.
/// - `ENOMEM`: there is no memory for the look-up of `sched_setnuma()`.
///
/// # Context
///
/// May sleep.
pub fn set_preferred_node(task: &kernel::task::Task, node: usize) -> Result {
    if !is_online(node) {
        return Err(ENXIO);
    }
    if cpus(node) == 0 {
        return Err(ENODEV);
    }
    let id = i32::try_from(node).map_err(|_| ENXIO)?;
    overrides::find_setnuma()?;
    // SAFETY: The task is valid, and the node is online.
    match unsafe { bindings::task_may_run_on(task.as_ptr(), id) } {
        0 => {}
        errno => return Err(Error::from_errno(errno)),
    }
    let task = NonNull::new(task.as_ptr()).ok_or(ESRCH)?;
    // SAFETY: The caller has a reference to the task.
    let task = unsafe { Task::new(task) };
    overrides::set_preferred(task, Some(node));
    Ok(())
}
