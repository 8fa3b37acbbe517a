// SPDX-License-Identifier: GPL-2.0

//! Implements a hook on many functions of the kernel proper, which can skip or replace a call of
//! each.

use super::{
    context::Inside,
    divert::{diverting, go_on_at},
    ops::{self, Plain, Registered},
    skip::LastStub,
    Call,
};
use crate::{bindings, library};
use core::marker::PhantomPinned;
use kernel::{ffi::c_ulong, prelude::*, types::Opaque};

/// The decision of a handler about one call.
pub(crate) enum Verdict {
    /// The function runs.
    GoOn,
    /// The function is skipped, and returns this register.
    Return(usize),
    /// The function at this address runs instead.
    Instead(usize),
}

/// Decides about calls of many functions.
///
/// # Safety
///
/// Each function may be skipped with the register that `entry` returns for it, or be replaced by
/// the function that it returns, which has the same prototype.
pub(crate) unsafe trait ManyHandler: Send + Sync + 'static {
    /// Returns whether the handler has nothing to decide, so that it need not run. Unlike
    /// [`Self::entry`], it is called without preemption being disabled for it.
    fn is_idle(&self) -> bool;

    /// Decides about a call.
    ///
    /// # Context
    ///
    /// That of [`EntryHandler::entry`](super::EntryHandler::entry).
    fn entry(&self, call: &Call) -> Verdict;

    /// Counts a call that came from within a handler.
    fn missed(&self);
}

/// A hook on functions of the kernel proper, from when it is initialised until it is dropped.
///
/// All functions share an `ftrace_ops` with `FTRACE_OPS_FL_IPMODIFY`. `tackle_ftrace.ko`, which
/// contains the handler, stays loaded until the hook is dropped.
///
/// # Invariants
///
/// `ops` is registered.
#[pin_data(PinnedDrop)]
pub(crate) struct ManyHook<H: ManyHandler> {
    handler: H,
    stub: LastStub,
    #[pin]
    ops: Opaque<bindings::ftrace_ops>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: The handler is `Send` and `Sync`, and only `new` and `drop` use the ops.
unsafe impl<H: ManyHandler> Send for ManyHook<H> {}
// SAFETY: As above.
unsafe impl<H: ManyHandler> Sync for ManyHook<H> {}

impl<H: ManyHandler> ManyHook<H> {
    /// Creates an initialiser that hooks the functions whose entries are at `addresses`.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: a live patch or another hook redirects one of them; see [`is_redirected`].
    /// - Those of [`EntryHook::new`](super::EntryHook::new).
    ///
    /// # Context
    ///
    /// The initialiser may sleep.
    pub(crate) fn new<'a>(
        addresses: &'a mut [usize],
        handler: H,
    ) -> impl PinInit<Self, Error> + 'a {
        try_pin_init!(&this in Self {
            handler,
            stub: LastStub::new(),
            ops <- Opaque::try_ffi_init(move |ops: *mut bindings::ftrace_ops| {
                library::ready()?;
                library::keep();
                let plan = diverting(Self::callback, this.as_ptr().cast());
                // SAFETY: `ops` points at pinned memory for an ops. `handler` and `stub` are
                // initialised, and valid until `drop` has unregistered the ops. By the
                // requirements of `ManyHandler` the callback is right for the functions.
                let result = unsafe {
                    ops.write(plan.ops());
                    ops::register::<Plain>(ops, addresses)
                };
                match result {
                    Ok(Registered::Yes) => Ok(()),
                    Ok(Registered::Stuck) => Err(ops::wait_for_reboot()),
                    Err(error) => {
                        library::release();
                        Err(error)
                    }
                }
            }),
            _pin: PhantomPinned,
        })
    }

    /// # Safety
    ///
    /// Called by ftrace alone, with an ops whose `private` is the address of a hook of this type.
    unsafe extern "C" fn callback(
        ip: c_ulong,
        parent_ip: c_ulong,
        ops: *mut bindings::ftrace_ops,
        fregs: *mut bindings::ftrace_regs,
    ) {
        // SAFETY: By the function's requirements.
        let this = unsafe { (*ops).private.cast::<Self>() };
        // SAFETY: By the function's requirements `this` is a hook. Other threads use it, too, so
        // this makes shared references. Both fields are initialised.
        let (handler, stub) = unsafe { (&(*this).handler, &(*this).stub) };
        if handler.is_idle() {
            return;
        }
        let Ok(_inside) = Inside::enter() else {
            return handler.missed();
        };
        // SAFETY: ftrace passes the registers of the function's entry.
        let call = unsafe { Call::from_regs(ip, parent_ip, fregs) };
        match handler.entry(&call) {
            Verdict::GoOn => {}
            // SAFETY: The registers are this callback's to change (`IPMODIFY`). By the
            // requirements of `ManyHandler` the function may be skipped.
            Verdict::Return(register) => unsafe {
                if !stub.skip(fregs, register) {
                    handler.missed();
                }
            },
            // SAFETY: As above.
            Verdict::Instead(function) => unsafe { go_on_at(fregs, function) },
        }
    }
}

#[pinned_drop]
impl<H: ManyHandler> PinnedDrop for ManyHook<H> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants.
        if unsafe { ops::unregister::<Plain>(self.ops.get()) }.is_err() {
            ops::wait_for_reboot();
        }
        library::release();
    }
}

/// A callback that does nothing, so that the function runs.
///
/// # Safety
///
/// None: it does nothing.
unsafe extern "C" fn go_on(
    _ip: c_ulong,
    _parent_ip: c_ulong,
    _ops: *mut bindings::ftrace_ops,
    _fregs: *mut bindings::ftrace_regs,
) {
}

/// Returns whether a live patch or another hook redirects the function whose entry is at
/// `address`, so that a [`ManyHook`] on it would fail. To find out, it registers an ops for a
/// moment.
///
/// # Context
///
/// May sleep.
pub(crate) fn is_redirected(address: usize) -> bool {
    let plan = diverting(go_on, core::ptr::null_mut());
    let probe = KBox::pin_init(
        Opaque::ffi_init(|ops: *mut bindings::ftrace_ops| {
            // SAFETY: `ops` points at memory for an ops.
            unsafe { ops.write(plan.ops()) }
        }),
        GFP_KERNEL,
    );
    let Ok(probe) = probe else {
        return false;
    };
    let ops = probe.get();
    // SAFETY: The ops stays in its place until it is unregistered below. Its callback does nothing,
    // so it is right for any function.
    match unsafe { ops::register::<Plain>(ops, &mut [address]) } {
        Ok(Registered::Yes) => {
            // SAFETY: The ops was registered just now.
            if unsafe { ops::unregister::<Plain>(ops) }.is_err() {
                ops::wait_for_reboot();
            }
            false
        }
        Ok(Registered::Stuck) => {
            ops::wait_for_reboot();
            false
        }
        Err(error) => error == EBUSY,
    }
}
