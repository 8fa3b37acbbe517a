// SPDX-License-Identifier: GPL-2.0

//! Implements policies, by which a module decides about the balancing of all tasks.
//!
//! The kernel calls a [`Policy`] when a task scans, when a scan window closes, and when a hinting
//! fault could migrate a folio. If the policy leaves a decision to the kernel, the kernel's own
//! rules apply. The kernel's load balancer and the checks of `task_numa_migrate()` always apply.
//!
//! ```ignore
//! struct Home;
//!
//! impl Policy for Home {
//!     fn preferred_node(&self, choice: &Choice<'_>) -> Option<usize> {
//!         Some(0)
//!     }
//! }
//!
//! let registration = PolicyRegistration::new(Home)?;
//! ```
//!
//! C modules register a policy with `struct tackle_numa_policy` of `include/tackle/numa.h`.

use super::{
    node::{index, nodes},
    overrides::{self, Decider, Role},
    Task,
};
use crate::bindings;
use kernel::{
    ffi::{c_int, c_void},
    prelude::*,
    sync::Arc,
};

/// The decision of a policy about the migration of a folio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Verdict {
    /// The kernel's own rules decide.
    Defer = bindings::TACKLE_NUMA_DEFER as i32,
    /// The fault migrates the folio.
    Allow = bindings::TACKLE_NUMA_ALLOW as i32,
    /// The fault leaves the folio where it is.
    Deny = bindings::TACKLE_NUMA_DENY as i32,
}

/// Decides about the balancing of tasks, for a [`PolicyRegistration`].
///
/// # Context
///
/// Each callback runs in an RCU read section and must not sleep. If hooks call it
/// ([`PolicyRegistration`]), preemption is disabled as well. A callback must not take a lock that a
/// caller of the scheduler or of the memory management can hold. A lock of its own must disable
/// interrupts. It runs on many CPUs at once. The task that it gets is the current task. The default
/// of each callback leaves the decision to the kernel.
pub trait Policy: Send + Sync + 'static {
    /// Returns whether `task` may scan its address space now. If this returns false, it is called
    /// again for the task after the task's scan period.
    ///
    /// Called at the entry of `task_numa_work()`, about once in a scan period.
    fn enabled(&self, _task: Task<'_>) -> bool {
        true
    }

    /// Returns whether scans of `task` include memory whose memory policy forbids migration
    /// (`mbind()` without `MPOL_MF_LAZY`). The hinting faults then show on which nodes that memory
    /// is. They never migrate it.
    ///
    /// Called for each VMA that a scan reaches, with `mmap_lock` held for reading.
    fn sees_bound(&self, _task: Task<'_>) -> bool {
        false
    }

    /// Returns the scan period of `task` in ms. `period` is the current one, as the kernel's rules
    /// have chosen it. A result of 0 is taken as 1.
    ///
    /// Hooks call this in two places. At the entry of a scan, the result becomes the period. When a
    /// scan window closes, this is called before the kernel's rules change the period, and a result
    /// above `period` is ignored.
    fn scan_period(&self, _task: Task<'_>, period: u32) -> u32 {
        period
    }

    /// Returns the preferred node for the task. The kernel's choice is used instead if this returns
    /// [`None`] or a node on which the task cannot run.
    ///
    /// Called when a scan window of the task closes. Hooks can call this twice for a window: before
    /// the kernel chooses ([`Choice::is_closing`]), and after that if the kernel has chosen another
    /// node than the preferred one.
    fn preferred_node(&self, choice: &Choice<'_>) -> Option<usize> {
        choice.kernel()
    }

    /// Decides whether a hinting fault migrates a folio to the node of the CPU.
    ///
    /// Called for each hinting fault whose memory policy allows migration, with the page table lock
    /// held. It should take only a few instructions.
    fn migrate(&self, _page: &Page<'_>) -> Verdict {
        Verdict::Defer
    }
}

/// A choice of the preferred node of a task.
#[repr(C)]
pub struct Choice<'a> {
    size: usize,
    task: Task<'a>,
    node: c_int,
    closing: bool,
    nodes: u32,
    faults: *const usize,
    group: c_int,
}

same_layout!(
    Choice, tackle_numa_choice:
    size, task, node, closing, nodes, faults, group
);

impl<'a> Choice<'a> {
    #[inline]
    pub(super) fn new(task: Task<'a>, kernel: Option<usize>, closing: bool) -> Self {
        Self {
            size: size_of::<Self>(),
            task,
            // CAST: At most 1024.
            node: kernel.map_or(bindings::NUMA_NO_NODE, |node| node as c_int),
            closing,
            // CAST: At most 1024.
            nodes: nodes() as u32,
            faults: task.faults(),
            group: task.group(),
        }
    }

    /// Returns the current task.
    #[inline]
    pub fn task(&self) -> Task<'a> {
        self.task
    }

    /// Returns the node that the kernel has chosen. If the kernel has not chosen yet
    /// ([`Choice::is_closing`]), returns the current preferred node.
    #[inline]
    pub fn kernel(&self) -> Option<usize> {
        index(self.node)
    }

    /// Returns whether the window is just closing, so that the kernel has not chosen yet.
    #[inline]
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// Returns the average of the private or the shared faults on `node`, including the window that
    /// closes.
    #[inline]
    pub fn faults(&self, node: usize, private: bool) -> u64 {
        let average = self.task.average(node, private);
        if !self.closing {
            return average;
        }
        // The computation that `task_numa_placement()` is about to make.
        average - average / 2 + self.task.in_window(node, private)
    }

    /// Returns the ID of the task's NUMA group, 0 without one.
    #[inline]
    pub fn group(&self) -> i32 {
        self.group
    }
}

/// A folio that a hinting fault could migrate.
#[repr(C)]
pub struct Page<'a> {
    size: usize,
    task: Task<'a>,
    folio: *mut c_void,
    source: c_int,
    target: c_int,
}

same_layout!(Page, tackle_numa_page: size, task, folio, source, target);

impl<'a> Page<'a> {
    #[inline]
    pub(super) fn new(task: Task<'a>, folio: *mut c_void, source: c_int, target: c_int) -> Self {
        Self {
            size: size_of::<Self>(),
            task,
            folio,
            source,
            target,
        }
    }

    /// Returns the current task.
    #[inline]
    pub fn task(&self) -> Task<'a> {
        self.task
    }

    /// Returns the node of the folio.
    #[inline]
    pub fn source(&self) -> Option<usize> {
        index(self.source)
    }

    /// Returns the node of the CPU, to which the fault can migrate the folio.
    #[inline]
    pub fn target(&self) -> Option<usize> {
        index(self.target)
    }

    /// Returns whether the last fault on the folio was by the same task. The kernel records only
    /// the lower eight bits of the task's ID, so another task can match. The result has no meaning
    /// in tiering mode for memory on slow nodes: there the kernel records times instead.
    #[inline]
    pub fn is_private(&self) -> bool {
        // SAFETY: The folio is mapped, and the page table lock is held. The task is valid.
        unsafe { bindings::folio_accessed_by(self.folio, self.task.as_ptr()) }
    }

    /// Returns how many pages the folio has.
    #[inline]
    pub fn pages(&self) -> u64 {
        // SAFETY: The folio is mapped, and the page table lock is held.
        1 << unsafe { bindings::folio_order(self.folio) }
    }
}

/// The registration of a policy. The policy is called until the registration is dropped.
///
/// One policy can be registered at a time. A kernel with `struct numa_balancing_ops`
/// (`scripts/patches`) calls the policy through these operations. On other kernels hooks call it,
/// and a live patch or another override of `task_numa_work()`, `sched_setnuma()`,
/// `should_numa_migrate_memory()` or `vma_policy_mof()` is refused. A [`Control`](super::Control)
/// can be registered at the same time. It can refuse a decision of the policy.
///
/// After `drop` has returned, no CPU executes the policy, and the kernel balances as before. `drop`
/// may sleep for tens of milliseconds. If it is never dropped (`mem::forget`), the library removes
/// it when the policy's module is unloaded.
pub struct PolicyRegistration<T: Policy>(Arc<T>);

impl<T: Policy> PolicyRegistration<T> {
    /// Registers a policy.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: a policy is registered already, or another user redirects one of the functions.
    /// - `ENOENT`: the kernel lacks one of the functions; the log names it.
    /// - `ENOMEM`: there is no memory for the policy or its hooks.
    /// - Those of [`EntryHook::new`](crate::ftrace::EntryHook::new).
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn new(policy: T) -> Result<Self> {
        Self::share(Arc::new(policy, GFP_KERNEL)?)
    }

    /// As [`PolicyRegistration::new`], for a policy to which the caller keeps a reference.
    ///
    /// # Errors
    ///
    /// Those of [`PolicyRegistration::new`].
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn share(policy: Arc<T>) -> Result<Self> {
        let owner = &raw mut kernel::bindings::__this_module;
        // SAFETY: A generic function is compiled into the module that calls it, so `owner` is the
        // module of the caller, which contains the policy's code.
        unsafe { overrides::add(owner, Decider::Policy(policy.clone())) }?;
        Ok(Self(policy))
    }

    /// Returns the policy.
    pub fn policy(&self) -> &T {
        &self.0
    }
}

impl<T: Policy> Drop for PolicyRegistration<T> {
    fn drop(&mut self) {
        overrides::remove(Role::Policy);
    }
}
