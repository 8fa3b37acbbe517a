// SPDX-License-Identifier: GPL-2.0

//! Implements the policy functions of `include/tackle/numa.h` for C modules.

use super::{
    node::index,
    overrides::{self, Decider, Role},
    Choice, Page, Policy, Task, Verdict,
};
use crate::bindings::{self, tackle_numa_policy};
use core::ptr::{self, NonNull};
use kernel::{ffi::c_int, prelude::*, sync::Arc};

/// A policy in C.
///
/// # Invariants
///
/// The policy stays valid and in its place until it is unregistered. Its callbacks may be called as
/// the header describes.
struct CPolicy(NonNull<tackle_numa_policy>);

// SAFETY: By the header, the callbacks may be called on any CPU.
unsafe impl Send for CPolicy {}
// SAFETY: By the header, the callbacks may be called on many CPUs at once.
unsafe impl Sync for CPolicy {}

impl CPolicy {
    fn get(&self) -> &tackle_numa_policy {
        // SAFETY: By the type invariants it is valid. Its owner does not change it while it is
        // registered.
        unsafe { self.0.as_ref() }
    }
}

impl Policy for CPolicy {
    fn enabled(&self, task: Task<'_>) -> bool {
        let callback = self.get().enabled;
        // SAFETY: By the type invariants.
        callback.is_none_or(|callback| unsafe { callback(self.0.as_ptr(), task.as_ptr()) })
    }

    fn sees_bound(&self, task: Task<'_>) -> bool {
        let callback = self.get().sees_bound;
        // SAFETY: By the type invariants.
        callback.is_some_and(|callback| unsafe { callback(self.0.as_ptr(), task.as_ptr()) })
    }

    fn scan_period(&self, task: Task<'_>, period: u32) -> u32 {
        match self.get().scan_period {
            // SAFETY: By the type invariants.
            Some(callback) => unsafe { callback(self.0.as_ptr(), task.as_ptr(), period) },
            None => period,
        }
    }

    fn preferred_node(&self, choice: &Choice<'_>) -> Option<usize> {
        match self.get().preferred_node {
            Some(callback) => {
                // SAFETY: By the type invariants. The choice has the layout of its C struct.
                let node = unsafe { callback(self.0.as_ptr(), ptr::from_ref(choice).cast()) };
                index(node)
            }
            None => choice.kernel(),
        }
    }

    #[inline]
    fn migrate(&self, page: &Page<'_>) -> Verdict {
        let Some(callback) = self.get().migrate else {
            return Verdict::Defer;
        };
        // SAFETY: By the type invariants. The page has the layout of its C struct.
        match unsafe { callback(self.0.as_ptr(), ptr::from_ref(page).cast()) } {
            verdict if verdict == bindings::TACKLE_NUMA_ALLOW as c_int => Verdict::Allow,
            verdict if verdict == bindings::TACKLE_NUMA_DENY as c_int => Verdict::Deny,
            _ => Verdict::Defer,
        }
    }
}

/// See `include/tackle/numa.h`.
///
/// # Safety
///
/// `policy` is a policy as described there.
#[no_mangle]
unsafe extern "C" fn tackle_numa_register_policy(policy: *mut tackle_numa_policy) -> c_int {
    // SAFETY: By the function's requirements.
    match unsafe { register(policy) } {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}

/// # Safety
///
/// As for [`tackle_numa_register_policy`].
unsafe fn register(policy: *mut tackle_numa_policy) -> Result {
    let policy = NonNull::new(policy).ok_or(EINVAL)?;
    // SAFETY: By the function's requirements.
    let fields = unsafe { policy.as_ref() };
    let decides = fields.enabled.is_some()
        || fields.sees_bound.is_some()
        || fields.scan_period.is_some()
        || fields.preferred_node.is_some()
        || fields.migrate.is_some();
    if fields.size != size_of::<tackle_numa_policy>() || fields.owner.is_null() || !decides {
        return Err(EINVAL);
    }
    // INVARIANT: By the function's requirements.
    let shared = Arc::new(CPolicy(policy), GFP_KERNEL)?;
    // SAFETY: By the function's requirements.
    unsafe { overrides::add(fields.owner, Decider::Policy(shared)) }?;
    // SAFETY: By the function's requirements. Any pointer that is not null does: `registration`
    // only shows that the policy is registered.
    unsafe { (*policy.as_ptr()).registration = policy.as_ptr().cast() };
    Ok(())
}

/// See `include/tackle/numa.h`. Does nothing if `policy` is not registered: then its field
/// `registration` is null. Another policy that is registered remains.
///
/// # Safety
///
/// `policy` is a policy as described there.
#[no_mangle]
unsafe extern "C" fn tackle_numa_unregister_policy(policy: *mut tackle_numa_policy) {
    // SAFETY: By the function's requirements.
    if unsafe { (*policy).registration }.is_null() {
        return;
    }
    // SAFETY: As above.
    unsafe { (*policy).registration = ptr::null_mut() };
    overrides::remove(Role::Policy);
}
