// SPDX-License-Identifier: GPL-2.0

//! Implements [`Control`], [`set_preferred_node`] and [`move_to_node`]. By these a module changes
//! the balancing of single tasks.
//!
//! C source: `task_numa_work()` in `kernel/sched/fair.c`, `sched_setnuma()` and `migrate_task_to()`
//! in `kernel/sched/core.c`

use super::{
    node::{cpus, is_online},
    overrides::{self, Decider, Role},
    Task,
};
use crate::{bindings, call_at::call_at, ftrace::Call, symbol::Unexported, task};
use core::ptr::NonNull;
use kernel::{
    error::to_result,
    ffi::{c_int, c_void},
    prelude::*,
    sync::Arc,
};

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
    let (task, _) = check(task, node)?;
    overrides::find_setnuma()?;
    overrides::set_preferred(task, Some(node));
    Ok(())
}

/// Checks that a task may run on a node. Returns the task, and the node's number as a C `int`. The
/// errors are `ENXIO`, `ENODEV`, `EPERM` and `ESRCH`, as those of [`set_preferred_node`].
fn check(task: &kernel::task::Task, node: usize) -> Result<(Task<'_>, c_int)> {
    if !is_online(node) {
        return Err(ENXIO);
    }
    if cpus(node) == 0 {
        return Err(ENODEV);
    }
    let node = c_int::try_from(node).map_err(|_| ENXIO)?;
    // SAFETY: The task is valid, and the node is online.
    to_result(unsafe { bindings::task_may_run_on(task.as_ptr(), node) })?;
    let task = NonNull::new(task.as_ptr()).ok_or(ESRCH)?;
    // SAFETY: The caller has a reference to the task, as long as the argument is borrowed.
    Ok((unsafe { Task::new(task) }, node))
}

/// `int migrate_task_to(struct task_struct *p, int target_cpu)`
static MIGRATE_TASK_TO: Unexported = Unexported::new(c"migrate_task_to");
/// `int idle_cpu(int cpu)`
static IDLE_CPU: Unexported = Unexported::new(c"idle_cpu");

/// Moves a task that is runnable to an idle CPU of a node, or to the CPU of the caller. Does
/// nothing if it is on the node.
///
/// The kernel moves a task to its preferred node at the task's next hinting fault, with checks of
/// the load balance. This function is for tasks whose memory takes no hinting faults, and has no
/// such checks. CPUs that are isolated from load balancing (`isolcpus=`) are left out. The load
/// balancer of the scheduler may move the task again at any time.
///
/// # Errors
///
/// - `ENXIO`, `ENODEV`, `EPERM` and `ESRCH`: as [`set_preferred_node`].
/// - `EAGAIN`: the task sleeps, or could not be moved at this moment.
/// - `EBUSY`: none of the node's CPUs on which the task may run is idle or that of the caller.
/// - `ENOENT`: the kernel has no `migrate_task_to()` or no `idle_cpu()`, or the CPU of the task has
///   just gone offline.
/// - `EINVAL`: the CPUs on which the task may run have just changed.
/// - `ENOMEM`: there is no memory for the look-up of the functions.
///
/// # Context
///
/// May sleep.
pub fn move_to_node(task: &kernel::task::Task, node: usize) -> Result {
    let (task, id) = check(task, node)?;
    let (migrate, is_idle) = (MIGRATE_TASK_TO.find()?, IDLE_CPU.find()?);
    if task.node() == node {
        return Ok(());
    }
    if !task.is_runnable() {
        return Err(EAGAIN);
    }
    let cpu = free_cpu(task, id, is_idle)?;
    let address = task.as_ptr().expose_provenance();
    // SAFETY: The function takes a task to which the caller has a reference, and the number of a
    // possible CPU. It may sleep, as may this function.
    // CAST: An `int` is the lower 32 bits of its register.
    to_result(unsafe { call_at(migrate, [address, cpu, 0, 0, 0, 0]) } as c_int)?;
    // The function also returns 0 if the task has left its CPU, or cannot leave it now.
    if task.node() == node {
        Ok(())
    } else {
        Err(EAGAIN)
    }
}

/// Returns a CPU of an online node on which the task may run. The CPU is idle or that of the
/// caller. `idle_cpu` is the address of `idle_cpu()`.
///
/// # Errors
///
/// `EBUSY`: there is no such CPU.
fn free_cpu(task: Task<'_>, node: c_int, idle_cpu: *mut c_void) -> Result<usize> {
    let mut cpu = -1;
    loop {
        // SAFETY: The task is valid, and the node is online.
        cpu = unsafe { bindings::next_cpu_of(task.as_ptr(), node, cpu) };
        // The helper returns -1 if there is no other CPU.
        let number = usize::try_from(cpu).map_err(|_| EBUSY)?;
        // SAFETY: The function takes the number of a possible CPU, and may be called in any
        // context.
        // CAST: An `int` is the lower 32 bits of its register.
        let is_idle = unsafe { call_at(idle_cpu, [number, 0, 0, 0, 0, 0]) } as c_int != 0;
        // The CPU of the caller is not idle, but may have no other work.
        if is_idle || number == task::cpu() as usize {
            return Ok(number);
        }
    }
}
