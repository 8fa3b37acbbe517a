// SPDX-License-Identifier: GPL-2.0

//! An ops and its filter: from when it is registered with ftrace until nobody is in it.

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

/// How an ops is registered and taken off again.
pub(super) trait Kind: 'static {
    /// Registers `ops`, whose filter is set.
    ///
    /// # Safety
    ///
    /// `ops` points at a `struct ftrace_ops` that is not registered, which stays in its place
    /// until [`Kind::unregister`] has returned. What it has called is right for its functions.
    unsafe fn register(ops: *mut bindings::ftrace_ops) -> Result;

    /// Takes `ops` off. When this has succeeded, no CPU and no preempted task can still be in
    /// what it has called. May sleep. The filter is left.
    ///
    /// # Errors
    ///
    /// `ENODEV`: ftrace has switched itself off after a fault of its own. The functions still
    /// call what they have called.
    ///
    /// # Safety
    ///
    /// [`Kind::register`] has registered it.
    unsafe fn unregister(ops: *mut bindings::ftrace_ops) -> Result;
}

/// An ops whose callback is called through ftrace's trampoline, or one of its own.
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

/// Waits until no CPU and no preempted task is any more where a trampoline may have taken it
/// before.
pub(super) fn synchronize() {
    // SAFETY: The callers may sleep. It waits until each task that was preempted has been
    // scheduled by its own will, which none does in a hook, and, by a `synchronize_rcu()` of
    // its own, for all that has preemption or interrupts disabled.
    unsafe { bindings::synchronize_rcu_tasks() };
}

/// What has become of an ops that was to be registered.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Registered {
    /// It is registered.
    Yes,
    /// ftrace has switched itself off meanwhile, after a fault of its own. Some of the functions
    /// may call what the ops has called, until reboot.
    Stuck,
}

/// Sets the filter of `ops` to the functions at `addresses`, and registers it.
///
/// # Errors
///
/// Those of ftrace. There is no filter then, and nothing calls the ops.
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
            // `change_filter` fails if ftrace is switched off before.
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

/// Waits until reboot: the functions of an ops go on to call what the caller would free.
///
/// objtool wants to be told of each function that never returns, and knows none of other modules.
/// So this one looks as if it could return.
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
/// Those of ftrace. The filter is as it was.
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
    // SAFETY: By the function's requirements; there are `count` addresses. It does not reset
    // the filter.
    to_result(unsafe {
        bindings::ftrace_set_filter_ips(ops, addresses.as_mut_ptr(), count, remove.into(), 0)
    })
}

/// Takes `ops` off as [`Kind::unregister`], and frees its filter.
///
/// # Errors
///
/// As [`Kind::unregister`]. The filter is left.
///
/// # Safety
///
/// [`register`] has registered it, as this kind.
pub(super) unsafe fn unregister<K: Kind>(ops: *mut bindings::ftrace_ops) -> Result {
    // SAFETY: By the function's requirements; then nobody uses the filter.
    unsafe {
        K::unregister(ops)?;
        free_filter(ops);
    }
    Ok(())
}

/// As [`Kind::unregister`] of a [`Plain`] ops with a trampoline of ours, but does not wait: a CPU
/// or a preempted task may still be in the trampoline and the callback, and ftrace's list
/// function may still read the filter. The caller waits by [`synchronize`], once for many ops,
/// and then frees the filters ([`free_filter`]).
///
/// # Errors
///
/// As [`Kind::unregister`].
///
/// # Safety
///
/// As for [`unregister`]. Nobody else uses `ops`.
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
/// It is not registered, and nobody is any more where it may have been used.
pub(super) unsafe fn free_filter(ops: *mut bindings::ftrace_ops) {
    // SAFETY: By the function's requirements.
    unsafe { bindings::ftrace_free_filter(ops) };
}

/// What an ops is made from, each time that it is registered.
pub(super) struct Plan {
    pub(super) func: bindings::ftrace_func_t,
    pub(super) private: *mut c_void,
    pub(super) flags: c_uint,
}

impl Plan {
    /// The plan of an ops that ftrace sets up by itself.
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

/// An ops on one function, which it leaves when the function's module goes, and returns to
/// when the module comes again.
///
/// # Invariants
///
/// `ops` is registered, as a `K`, while `address` is not 0.
#[pin_data(PinnedDrop)]
pub(super) struct SingleOps<K: Kind> {
    plan: Plan,
    /// Of the function's entry; changed by [`follow`] alone, under its lock. Not the kernel's
    /// type, whose loads are calls.
    address: AtomicUsize,
    #[pin]
    ops: Opaque<bindings::ftrace_ops>,
    _kind: PhantomData<fn() -> K>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: ftrace's functions may be called from any thread; `SingleOps::new` wants the same of
// what the ops has called.
unsafe impl<K: Kind> Send for SingleOps<K> {}
// SAFETY: Whoever uses `ops` has taken the lock of `follow`.
unsafe impl<K: Kind> Sync for SingleOps<K> {}

impl<K: Kind> SingleOps<K> {
    /// Creates an initialiser that registers an ops made by `plan` for the function `target`.
    /// `code` is the address of a function that it has called.
    ///
    /// # Errors
    ///
    /// Those of [`follow::attach_single`].
    ///
    /// # Safety
    ///
    /// What the ops has called is right for each function that `target` names, on any thread,
    /// until this has been dropped.
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

    /// Creates an initialiser of an ops that is on no function. Somebody else attaches it, as a
    /// [`Single`] of their own.
    ///
    /// # Safety
    ///
    /// What the ops has called is right for each function that it is put on, on any thread,
    /// until it is off.
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

    /// Returns the address of the function's entry; 0 while its module is missing.
    #[inline]
    pub(super) fn address(&self) -> usize {
        self.address.load(Ordering::Relaxed)
    }

    /// Returns the same, for what the ops has called.
    ///
    /// # Safety
    ///
    /// A task is in what the ops has called for its function.
    #[inline]
    pub(super) unsafe fn address_in_use(&self) -> usize {
        // SAFETY: It is changed only when the function's module goes or comes. No task is in
        // what the function calls then.
        unsafe { *self.address.as_ptr() }
    }
}

impl<K: Kind> Single for SingleOps<K> {
    fn arm(&self, address: usize) -> Result {
        if self.address() != 0 {
            return Ok(());
        }
        let ops = self.ops.get();
        // SAFETY: By the type invariants it is not registered, and `follow` calls one at a
        // time, so that nobody uses it. It is pinned until `drop`.
        unsafe { ops.write(self.plan.ops()) };
        // Before it is called: who is in a replacement looks here.
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
