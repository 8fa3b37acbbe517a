// SPDX-License-Identifier: GPL-2.0

//! Implements the lifetime of an ops (`struct ftrace_ops`) and its filter: from when it is
//! registered with ftrace until no task executes its callback or trampoline any more.

use super::follow::{self, Single};
use crate::{bindings, fault};
use core::{
    marker::{PhantomData, PhantomPinned},
    sync::atomic::{AtomicUsize, Ordering},
};
use kernel::{
    error::to_result,
    ffi::{c_ulong, c_void},
    prelude::*,
    time::{delay::fsleep, Delta},
    types::Opaque,
};

/// The way in which an ops is registered and unregistered.
pub(super) trait Kind: 'static {
    /// Registers `ops`, whose filter is set.
    ///
    /// # Safety
    ///
    /// `ops` points at a `struct ftrace_ops` that is not registered. It stays in its place until
    /// [`Kind::unregister`] has returned. The code that it makes its functions call is right for
    /// these functions.
    unsafe fn register(ops: *mut bindings::ftrace_ops) -> Result;

    /// Unregisters `ops`. When this has succeeded, no CPU and no preempted task can still execute
    /// the code that the ops has made its functions call. May sleep. The filter is left.
    ///
    /// # Errors
    ///
    /// `ENODEV`: ftrace has switched itself off after a fault of its own. The functions still
    /// call the same code as before.
    ///
    /// # Safety
    ///
    /// [`Kind::register`] has registered `ops`.
    unsafe fn unregister(ops: *mut bindings::ftrace_ops) -> Result;
}

/// An ops whose callback is called by ftrace's trampoline, or that has a trampoline of the library.
pub(super) struct Plain;

impl Kind for Plain {
    unsafe fn register(ops: *mut bindings::ftrace_ops) -> Result {
        fault::REGISTER_FTRACE_FUNCTION.check()?;
        // SAFETY: By the function's requirements.
        to_result(unsafe { bindings::register_ftrace_function(ops) })
    }

    unsafe fn unregister(ops: *mut bindings::ftrace_ops) -> Result {
        // SAFETY: By the function's requirements. ftrace waits until neither its trampoline
        // nor its callback is in use any more: the ops is not core kernel data, hence dynamic
        // (`FTRACE_OPS_FL_DYNAMIC`).
        to_result(unsafe { bindings::unregister_ftrace_function(ops) })
    }
}

/// Waits until no CPU and no preempted task still executes a trampoline that it entered before the
/// call, or code that this trampoline has called.
///
/// It waits until each preempted task has scheduled voluntarily, which no task does in a handler.
/// It also calls `synchronize_rcu()`, which waits for all code that runs with preemption or
/// interrupts disabled.
pub(super) fn synchronize() {
    // SAFETY: It may be called in any context that may sleep, and the callers may sleep.
    unsafe { bindings::synchronize_rcu_tasks() };
}

/// The result of registering an ops.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Registered {
    /// The ops is registered.
    Yes,
    /// ftrace has switched itself off during the registration, after a fault of its own. Some of
    /// the functions may call the code of the ops until reboot.
    Stuck,
}

/// Sets the filter of `ops` to the functions at `addresses`, and registers it.
///
/// # Errors
///
/// The errors of ftrace. The ops then has no filter, and nothing calls its code.
///
/// # Safety
///
/// As for [`Kind::register`].
pub(super) unsafe fn register<K: Kind>(
    ops: *mut bindings::ftrace_ops,
    addresses: &mut [usize],
) -> Result<Registered> {
    // SAFETY: By the function's requirements.
    unsafe { register_by(ops, addresses, || K::register(ops)) }
}

/// As [`register`], where `register` does what [`Kind::register`] does.
///
/// # Errors
///
/// As [`register`].
///
/// # Safety
///
/// As for [`Kind::register`].
pub(super) unsafe fn register_by(
    ops: *mut bindings::ftrace_ops,
    addresses: &mut [usize],
    register: impl FnOnce() -> Result,
) -> Result<Registered> {
    // SAFETY: By the function's requirements.
    let filter = unsafe { change_filter(ops, addresses, false) };
    let result = match filter {
        Ok(()) => match register() {
            // If ftrace had been switched off before, `change_filter` would have failed. So it was
            // switched off by the registration.
            Err(ENODEV) => return Ok(Registered::Stuck),
            result => result,
        },
        Err(error) => Err(error),
    };
    if result.is_err() {
        // SAFETY: `ops` is not registered, so that its filter is not used.
        unsafe { free_filter(ops) };
    }
    result.map(|()| Registered::Yes)
}

/// Waits until reboot. The functions of an ops continue to call code or data that the caller would
/// otherwise free.
///
/// objtool has a fixed list of functions that never return, without those of external modules. So
/// this function has a return path, which is never taken.
#[inline(never)]
pub(super) fn wait_for_reboot() -> Error {
    while core::hint::black_box(true) {
        pr_emerg!(
            "ftrace has switched itself off: a hook stays, and this task waits until reboot\n"
        );
        fsleep(Delta::from_secs(3600));
    }
    ENODEV
}

/// Adds the functions at `addresses` to the filter of `ops`, or removes them from it. If `ops`
/// is registered, it is on the functions of the filter when this returns.
///
/// # Errors
///
/// The errors of ftrace. The filter is unchanged.
///
/// # Safety
///
/// `ops` points at a `struct ftrace_ops`. If it is registered, other functions remain in its
/// filter.
pub(super) unsafe fn change_filter(
    ops: *mut bindings::ftrace_ops,
    addresses: &mut [usize],
    remove: bool,
) -> Result {
    fault::FTRACE_SET_FILTER.check()?;
    let count = c_uint::try_from(addresses.len())?;
    // SAFETY: By the function's requirements, and `addresses` has `count` elements. The last
    // argument says not to reset the filter.
    to_result(unsafe {
        bindings::ftrace_set_filter_ips(ops, addresses.as_mut_ptr(), count, remove.into(), 0)
    })
}

/// Unregisters `ops` as [`Kind::unregister`] does, and frees its filter.
///
/// # Errors
///
/// As [`Kind::unregister`]. The filter is left.
///
/// # Safety
///
/// [`register`] has registered it, as this kind.
pub(super) unsafe fn unregister<K: Kind>(ops: *mut bindings::ftrace_ops) -> Result {
    // SAFETY: By the function's requirements. After `K::unregister` nothing uses the filter.
    unsafe {
        K::unregister(ops)?;
        free_filter(ops);
    }
    Ok(())
}

/// Unregisters a [`Plain`] ops that has a trampoline of the library, without waiting. A CPU
/// or a preempted task may still execute the trampoline and the callback, and ftrace's list
/// function may still read the filter. The caller waits by [`synchronize`], once for many ops,
/// and then frees the filters ([`free_filter`]).
///
/// # Errors
///
/// As [`Kind::unregister`].
///
/// # Safety
///
/// As for [`unregister`]. No other thread uses `ops` at the same time.
pub(super) unsafe fn unregister_without_waiting(ops: *mut bindings::ftrace_ops) -> Result {
    // SAFETY: By the function's requirements.
    unsafe {
        forbid_waiting(ops);
        Plain::unregister(ops)
    }
}

/// Makes ftrace not wait when `ops` is unregistered. The caller waits by [`synchronize`], once for
/// many ops, before it frees the filter and the ops.
///
/// # Safety
///
/// `ops` is registered and has no trampoline that ftrace has made. No other thread registers,
/// changes or unregisters it at the same time.
pub(super) unsafe fn forbid_waiting(ops: *mut bindings::ftrace_ops) {
    // SAFETY: By the function's requirements ftrace does not change the flags at the same time.
    // Without this flag ftrace neither waits nor frees a trampoline.
    unsafe { (*ops).flags &= !(bindings::FTRACE_OPS_FL_DYNAMIC as c_ulong) };
}

/// Frees the filter of `ops`.
///
/// # Safety
///
/// `ops` is not registered, and no CPU executes code of ftrace any more that may read the filter.
pub(super) unsafe fn free_filter(ops: *mut bindings::ftrace_ops) {
    // SAFETY: By the function's requirements.
    unsafe { bindings::ftrace_free_filter(ops) };
}

/// The values from which an ops is initialised before each registration.
pub(super) struct Plan {
    pub(super) func: bindings::ftrace_func_t,
    pub(super) private: *mut c_void,
    pub(super) flags: c_uint,
}

impl Plan {
    /// Returns the plan of an ops whose callback ftrace sets by itself.
    pub(super) const fn empty() -> Self {
        Self {
            func: None,
            private: core::ptr::null_mut(),
            flags: 0,
        }
    }

    pub(super) fn ops(&self) -> bindings::ftrace_ops {
        bindings::ftrace_ops {
            func: self.func,
            private: self.private,
            // CAST: Bits of a long.
            flags: self.flags as c_ulong,
            ..pin_init::zeroed()
        }
    }
}

/// An ops on one function. It is unregistered when the function's module is unloaded, and
/// registered again when the module is loaded again.
///
/// # Invariants
///
/// `ops` is registered, as a `K`, while `address` is not 0.
#[pin_data(PinnedDrop)]
pub(super) struct SingleOps<K: Kind> {
    plan: Plan,
    /// The address of the function's `call __fentry__`, or 0. Only [`follow`] changes it, under its
    /// lock. Not the kernel's atomic type, whose loads are calls.
    address: AtomicUsize,
    #[pin]
    ops: Opaque<bindings::ftrace_ops>,
    _kind: PhantomData<fn() -> K>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: ftrace's functions may be called from any thread. `SingleOps::new` and `idle` require
// the same of the code that the ops makes its function call.
unsafe impl<K: Kind> Send for SingleOps<K> {}
// SAFETY: `ops` is used only under the lock of `follow`, and `address` is atomic.
unsafe impl<K: Kind> Sync for SingleOps<K> {}

impl<K: Kind> SingleOps<K> {
    /// Creates an initialiser that registers an ops made by `plan` for the function `target`.
    /// `code` is the address of a function that the ops makes `target` call.
    ///
    /// # Errors
    ///
    /// Those of [`follow::attach_single`].
    ///
    /// # Safety
    ///
    /// The code that the ops makes its function call is right for each function that `target`
    /// names, on any thread, until this has been dropped.
    pub(super) unsafe fn new<'a>(
        plan: Plan,
        code: usize,
        target: impl Into<super::Target<'a>> + 'a,
    ) -> impl PinInit<Self, Error> + 'a {
        // SAFETY: By the function's requirements.
        unsafe { Self::idle(plan) }.pin_chain(move |this| {
            // SAFETY: `this` is pinned, and `drop` detaches it.
            unsafe { follow::attach_single(target.into(), this.as_ref().get_ref(), code) }
        })
    }

    /// Creates an initialiser of an ops that is on no function. The caller makes it part of a
    /// [`Single`] of its own, and attaches that.
    ///
    /// # Safety
    ///
    /// The code that the ops makes its function call is right for each function that it is put
    /// on, on any thread, until it is taken off.
    pub(super) unsafe fn idle(plan: Plan) -> impl PinInit<Self, Error> {
        // INVARIANT: The address is 0.
        try_pin_init!(Self {
            plan,
            address: AtomicUsize::new(0),
            ops: Opaque::uninit(),
            _kind: PhantomData,
            _pin: PhantomPinned,
        } ? Error)
    }

    /// Returns the address of the function's `call __fentry__`; 0 while its module is not loaded.
    #[inline]
    pub(super) fn address(&self) -> usize {
        self.address.load(Ordering::Relaxed)
    }

    /// Returns the same as [`Self::address`], for use in code that the ops has called.
    ///
    /// # Safety
    ///
    /// The calling task is in code that the ops has made its function call.
    #[inline]
    pub(super) unsafe fn address_in_use(&self) -> usize {
        // SAFETY: The address is changed only when the function's module is loaded or unloaded. No
        // task executes a function of the module then, nor the code that is called in its place:
        // the module's users see to that.
        unsafe { *self.address.as_ptr() }
    }
}

impl<K: Kind> Single for SingleOps<K> {
    fn arm(&self, address: usize) -> Result {
        if self.address() != 0 {
            return Ok(());
        }
        let ops = self.ops.get();
        // SAFETY: By the type invariants the ops is not registered, and `follow` makes one call at
        // a time, so nothing else uses the ops. It is pinned until `drop`.
        unsafe { ops.write(self.plan.ops()) };
        // Before the ops is registered, since a replacement reads the address.
        self.address.store(address, Ordering::Relaxed);
        // SAFETY: As above, and by the requirements of `new`.
        match unsafe { register::<K>(ops, &mut [address]) } {
            Ok(Registered::Yes) => Ok(()),
            Ok(Registered::Stuck) => Err(wait_for_reboot()),
            Err(error) => {
                self.address.store(0, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    fn disarm(&self) {
        if self.address() == 0 {
            return;
        }
        // SAFETY: By the type invariants.
        if unsafe { unregister::<K>(self.ops.get()) }.is_err() {
            wait_for_reboot();
        }
        self.address.store(0, Ordering::Relaxed);
    }
}

#[pinned_drop]
impl<K: Kind> PinnedDrop for SingleOps<K> {
    fn drop(self: Pin<&mut Self>) {
        follow::detach_single(self.as_ref().get_ref());
    }
}
