// SPDX-License-Identifier: GPL-2.0

//! Implements `struct numa_balancing_ops`, through which a patched kernel calls the policy.
//!
//! C header: `include/linux/sched/numa_balancing.h`, with the series in `scripts/patches`

use super::{
    super::{
        policy::{Choice, Page},
        Task, Verdict,
    },
    preferred, POLICY,
};
use crate::bindings::{
    self, numa_balancing_ops, numa_migrate_verdict, numa_migrate_verdict_NUMA_MIGRATE_ALLOW,
    numa_migrate_verdict_NUMA_MIGRATE_DEFER, numa_migrate_verdict_NUMA_MIGRATE_DENY,
};
use core::ptr::NonNull;
use kernel::{
    bindings::task_struct, error::to_result, ffi::c_int, prelude::*, sync::rcu, types::Opaque,
};

/// The operations, registered until this is dropped.
///
/// # Invariants
///
/// `ops` is registered.
pub(super) struct Registered(KBox<Opaque<numa_balancing_ops>>);

// SAFETY: The operations may be unregistered by any thread.
unsafe impl Send for Registered {}

impl Registered {
    /// # Errors
    ///
    /// - `EBUSY`: another module has registered operations.
    /// - `ENOMEM`: there is no memory for the operations.
    pub(super) fn new() -> Result<Self> {
        let ops = numa_balancing_ops {
            owner: &raw mut kernel::bindings::__this_module,
            enabled: Some(enabled),
            scan_period: Some(scan_period),
            preferred_node: Some(preferred_node),
            migrate: Some(migrate),
        };
        let ops = KBox::new(Opaque::new(ops), GFP_KERNEL)?;
        // SAFETY: The operations are complete. The box keeps them at their address until they are
        // unregistered in `drop`.
        to_result(unsafe { bindings::numa_balancing_register_ops(ops.get()) })?;
        // INVARIANT: The operations were registered just now.
        Ok(Self(ops))
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // SAFETY: By the type invariants.
        unsafe { bindings::numa_balancing_unregister_ops(self.0.get()) };
    }
}

/// # Safety
///
/// `task` is null or a valid task, and an RCU read section outlives `'a`.
unsafe fn task<'a>(task: *mut task_struct) -> Option<Task<'a>> {
    // SAFETY: By the function's requirements.
    NonNull::new(task).map(|task| unsafe { Task::new(task) })
}

/// # Safety
///
/// Only the kernel calls this, with the current task.
unsafe extern "C" fn enabled(p: *mut task_struct) -> bool {
    let section = rcu::read_lock();
    // SAFETY: By the function's requirements.
    let (Some(policy), Some(task)) = (POLICY.read(&section), unsafe { task(p) }) else {
        return true;
    };
    policy.enabled(task)
}

/// # Safety
///
/// As for [`enabled`].
unsafe extern "C" fn scan_period(p: *mut task_struct, period: u32) -> u32 {
    let section = rcu::read_lock();
    // SAFETY: By the function's requirements.
    let (Some(policy), Some(task)) = (POLICY.read(&section), unsafe { task(p) }) else {
        return period;
    };
    policy.scan_period(task, period).max(1)
}

/// # Safety
///
/// As for [`enabled`].
unsafe extern "C" fn preferred_node(p: *mut task_struct, nid: c_int) -> c_int {
    let section = rcu::read_lock();
    // SAFETY: By the function's requirements.
    let (Some(policy), Some(task)) = (POLICY.read(&section), unsafe { task(p) }) else {
        return nid;
    };
    let choice = Choice::new(task, usize::try_from(nid).ok(), false);
    let wanted = preferred::wish(policy, &choice);
    // CAST: At most 1024.
    wanted.map_or(bindings::NUMA_NO_NODE, |node| node as c_int)
}

/// # Safety
///
/// As for [`enabled`]; `folio` is a folio that cannot be freed during the call.
unsafe extern "C" fn migrate(
    p: *mut task_struct,
    folio: *mut bindings::folio,
    source: c_int,
    target: c_int,
) -> numa_migrate_verdict {
    let section = rcu::read_lock();
    // SAFETY: By the function's requirements.
    let (Some(policy), Some(task)) = (POLICY.read(&section), unsafe { task(p) }) else {
        return numa_migrate_verdict_NUMA_MIGRATE_DEFER;
    };
    match policy.migrate(&Page::new(task, folio.cast(), source, target)) {
        Verdict::Defer => numa_migrate_verdict_NUMA_MIGRATE_DEFER,
        Verdict::Allow => numa_migrate_verdict_NUMA_MIGRATE_ALLOW,
        Verdict::Deny => numa_migrate_verdict_NUMA_MIGRATE_DENY,
    }
}
