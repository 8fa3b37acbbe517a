// SPDX-License-Identifier: GPL-2.0

//! What a module can change about the balancing of tasks.
//!
//! C source: `task_numa_work()` in `kernel/sched/fair.c`, `sched_setnuma()` in
//! `kernel/sched/core.c`

use super::{
    node::{cpus, is_online},
    Task,
};
use crate::{
    bindings,
    call_at::call_at,
    ftrace::{Arguments, Call, OverrideHandler, OverrideHook},
    function::{Function, Replaceable},
    symbol::Unexported,
};
use core::ptr::NonNull;
use kernel::{
    bindings::{callback_head, task_struct},
    ffi::c_int,
    prelude::*,
    sync::Arc,
};

/// Decides about the balancing of tasks, for a [`Control`].
///
/// # Context
///
/// Preemption is disabled and RCU watches. The code must not sleep; a lock of its own must disable
/// interrupts.
pub trait Controller: Send + Sync + 'static {
    /// Returns whether the current task may do its part of the scan of its address space. A task
    /// that may not is asked again after its scan period. `call` is for
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
/// As long as it exists, a live patch or another override of either function is refused. When it
/// is dropped, the kernel balances all tasks as before. `drop` may sleep.
pub struct Control<T: Controller> {
    _scans: Pin<KBox<OverrideHook<TaskNumaWork, OnWork<T>>>>,
    _preferences: Pin<KBox<OverrideHook<SchedSetnuma, OnSetnuma<T>>>>,
    controller: Arc<T>,
}

impl<T: Controller> Control<T> {
    /// Overrides the two functions; `controller` decides which calls are skipped.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: one of the functions is overridden or live patched.
    /// - `ENOMEM`, and those of [`EntryHook::new`](crate::ftrace::EntryHook::new).
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn new(controller: T) -> Result<Self> {
        let controller = Arc::new(controller, GFP_KERNEL)?;
        let scans = OverrideHook::new(OnWork(controller.clone()));
        let preferences = OverrideHook::new(OnSetnuma(controller.clone()));
        Ok(Self {
            _scans: KBox::pin_init(scans, GFP_KERNEL)?,
            _preferences: KBox::pin_init(preferences, GFP_KERNEL)?,
            controller,
        })
    }

    /// Returns the controller.
    pub fn controller(&self) -> &T {
        &self.controller
    }
}

/// `task_numa_work()`, which scans the address space of the current task.
struct TaskNumaWork;

// SAFETY: `static void task_numa_work(struct callback_head *work)`.
unsafe impl Function for TaskNumaWork {
    type Prototype = unsafe extern "C" fn(*mut callback_head);
    const NAME: &'static CStr = c"task_numa_work";
}

// SAFETY: The function marks page table entries, and no caller depends on that. `OnWork` resets
// `work->next` itself. If it did not, no more work would be queued: `task_tick_numa()` compares
// `work->next` with `work` and does not dereference it.
unsafe impl Replaceable for TaskNumaWork {}

/// Skips a scan if [`Controller::may_scan`] returns false.
struct OnWork<T>(Arc<T>);

impl<T: Controller> OverrideHandler<TaskNumaWork> for OnWork<T> {
    fn entry<'a>(&self, call: &'a Call, arguments: Arguments<'a, TaskNumaWork>) -> Option<()> {
        if self.0.may_scan(call) {
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

/// `sched_setnuma()`, which sets the preferred node of a task.
struct SchedSetnuma;

// SAFETY: `void sched_setnuma(struct task_struct *p, int nid)`, of `kernel/sched/sched.h`.
unsafe impl Function for SchedSetnuma {
    type Prototype = unsafe extern "C" fn(*mut task_struct, c_int);
    const NAME: &'static CStr = c"sched_setnuma";
}

// SAFETY: The function only changes the preferred node, and the old value remains valid.
// `numa_migrate_preferred()` checks the value before use.
unsafe impl Replaceable for SchedSetnuma {}

/// Skips a change of the preferred node if [`Controller::may_prefer`] returns false.
struct OnSetnuma<T>(Arc<T>);

impl<T: Controller> OverrideHandler<SchedSetnuma> for OnSetnuma<T> {
    fn entry<'a>(&self, _call: &'a Call, arguments: Arguments<'a, SchedSetnuma>) -> Option<()> {
        let (task, node) = arguments;
        let task = NonNull::new(task.as_ptr())?;
        // SAFETY: Balancing passes the current task, and `set_preferred_node` one to which there is
        // a reference.
        let task = unsafe { Task::new(task) };
        let node = usize::try_from(node).ok();
        (!self.0.may_prefer(task, node)).then_some(())
    }
}

static SCHED_SETNUMA: Unexported = Unexported::new(SchedSetnuma::NAME);

/// Sets the preferred node of a task.
///
/// The kernel may choose another node each time a scan window of the task closes.
///
/// # Errors
///
/// - `ENXIO`: the node is not online.
/// - `ENODEV`: it has no CPU.
/// - `EPERM`: the task may not run on its CPUs.
/// - `ESRCH`: the task has no address space: it is a kernel thread, or has ended.
/// - `ENOENT`: the kernel has no `sched_setnuma()`.
/// - `ENOMEM`.
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
    let function = SCHED_SETNUMA.find()?;
    let task = task.as_ptr();
    // SAFETY: The task is valid, and the node is online.
    match unsafe { bindings::task_may_run_on(task, id) } {
        0 => {}
        errno => return Err(Error::from_errno(errno)),
    }
    // SAFETY: `void sched_setnuma(struct task_struct *p, int nid)` takes a task to which there is a
    // reference, and a node that is online. No lock is held.
    unsafe { call_at(function, [task.expose_provenance(), node, 0, 0, 0, 0]) };
    Ok(())
}
