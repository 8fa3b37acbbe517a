// SPDX-License-Identifier: GPL-2.0

//! An ops and its filter: from when it is registered until nobody is in it any more.

use super::modules::{self, Tie};
use crate::{bindings, fault};
use core::marker::{PhantomData, PhantomPinned};
use kernel::{
    error::to_result,
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
    types::Opaque,
};

/// How an ops is registered and taken off again.
pub(super) trait Kind: 'static {
    /// Registers `ops`, whose filter is set.
    ///
    /// # Safety
    ///
    /// `ops` points at a `struct ftrace_ops` that is not registered, which stays in its place
    /// until [`Kind::unregister`] has returned. What it has called is right for its functions.
    unsafe fn register(ops: *mut bindings::ftrace_ops) -> Result;

    /// Takes `ops` off. When this returns, no CPU and no preempted task can still be in what
    /// it has called. May sleep. The filter is left.
    ///
    /// # Safety
    ///
    /// [`Kind::register`] has registered it.
    unsafe fn unregister(ops: *mut bindings::ftrace_ops);
}

/// An ops whose callback is called through ftrace's trampoline, or one of its own.
pub(super) struct Plain;

impl Kind for Plain {
    unsafe fn register(ops: *mut bindings::ftrace_ops) -> Result {
        fault::REGISTER_FTRACE_FUNCTION.check()?;
        // SAFETY: By the function's requirements.
        to_result(unsafe { bindings::register_ftrace_function(ops) })
    }

    unsafe fn unregister(ops: *mut bindings::ftrace_ops) {
        // SAFETY: By the function's requirements. ftrace waits until neither its trampoline
        // nor its callback is in use any more: the ops is not core kernel data, hence dynamic
        // (`FTRACE_OPS_FL_DYNAMIC`).
        unsafe { bindings::unregister_ftrace_function(ops) };
    }
}

/// Waits until no CPU and no preempted task is any more where a trampoline may have taken it
/// before.
pub(super) fn synchronize() {
    // SAFETY: The callers may sleep. It waits until each task that was preempted has been
    // scheduled by its own will, which none does in a hook, and, by a `synchronize_rcu()` of
    // its own, for all that has preemption or interrupts disabled.
    unsafe { bindings::synchronize_rcu_tasks() };
}

/// Sets the filter of `ops` to the functions at `addresses`, and registers it.
///
/// # Errors
///
/// Those of ftrace. There is no filter then.
///
/// # Safety
///
/// As for [`Kind::register`].
pub(super) unsafe fn register<K: Kind>(
    ops: *mut bindings::ftrace_ops,
    addresses: &mut [usize],
) -> Result {
    let count = c_uint::try_from(addresses.len())?;
    let result = fault::FTRACE_SET_FILTER
        .check()
        .and_then(|()| {
            // SAFETY: By the function's requirements; there are `count` addresses. Neither
            // removes nor resets a filter.
            to_result(unsafe {
                bindings::ftrace_set_filter_ips(ops, addresses.as_mut_ptr(), count, 0, 0)
            })
        })
        .and_then(|()| {
            // SAFETY: By the function's requirements.
            unsafe { K::register(ops) }
        });
    if result.is_err() {
        // SAFETY: `ops` is not registered, so nobody uses its filter.
        unsafe { bindings::ftrace_free_filter(ops) };
    }
    result
}

/// Takes `ops` off as [`Kind::unregister`], and frees its filter.
///
/// # Safety
///
/// [`register`] has registered it, as this kind.
pub(super) unsafe fn unregister<K: Kind>(ops: *mut bindings::ftrace_ops) {
    // SAFETY: By the function's requirements; then nobody uses the filter.
    unsafe {
        K::unregister(ops);
        bindings::ftrace_free_filter(ops);
    }
}

/// An ops on one function, which lets go of that for good when its module goes.
///
/// # Invariants
///
/// `ops` is registered, as a `K`, while `armed` is set.
#[pin_data(PinnedDrop)]
pub(super) struct TiedOps<K: Kind> {
    armed: Atomic<bool>,
    #[pin]
    ops: Opaque<bindings::ftrace_ops>,
    _kind: PhantomData<fn() -> K>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: ftrace's functions may be called from any thread; `TiedOps::new` wants the same of
// what the ops has called.
unsafe impl<K: Kind> Send for TiedOps<K> {}
// SAFETY: A shared reference gives access to `disarm`, of which one does its work.
unsafe impl<K: Kind> Sync for TiedOps<K> {}

impl<K: Kind> TiedOps<K> {
    /// Creates an initialiser that registers `ops` for the function at the address that
    /// `target` returns.
    ///
    /// # Errors
    ///
    /// Those of `target`, `ENODEV` without the library, `ENOMEM`, and what ftrace returns.
    ///
    /// # Safety
    ///
    /// What `ops` has called is right for that function, on any thread, until this has been
    /// dropped.
    pub(super) unsafe fn new(
        ops: bindings::ftrace_ops,
        target: impl FnOnce() -> Result<usize>,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            armed: Atomic::new(false),
            ops: Opaque::new(ops),
            _kind: PhantomData,
            _pin: PhantomPinned,
        } ? Error)
        .pin_chain(move |this| {
            let address = target()?;
            let this = this.as_ref().get_ref();
            let arm = || {
                // SAFETY: The ops is not registered, and pinned until `drop`. The rest is the
                // function's requirement.
                unsafe { register::<K>(this.ops.get(), &mut [address]) }?;
                // INVARIANT: Just registered.
                this.armed.store(true, Relaxed);
                Ok(())
            };
            // SAFETY: `this` is pinned, and `drop` unties it.
            unsafe { modules::tie(address, this, arm) }
        })
    }

    /// Takes the ops off, if it is on its function still. When this returns, no CPU and no
    /// preempted task can still be in what it has called. May sleep.
    pub(super) fn release(&self) {
        modules::untie(self);
        self.disarm();
    }
}

impl<K: Kind> Tie for TiedOps<K> {
    fn disarm(&self) {
        if self.armed.xchg(false, Relaxed) {
            // SAFETY: By the type invariants, and `armed` lets one do this.
            unsafe { unregister::<K>(self.ops.get()) };
        }
    }
}

#[pinned_drop]
impl<K: Kind> PinnedDrop for TiedOps<K> {
    fn drop(self: Pin<&mut Self>) {
        self.release();
    }
}
