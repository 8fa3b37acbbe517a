// SPDX-License-Identifier: GPL-2.0

//! Hooks that decide whether their function is called at all.

use super::{
    context::Inside,
    modules::{self, Tie},
    Arguments, Call, Target,
};
use crate::{
    bindings, fault,
    function::{Function, Prototype, Value},
};
use core::marker::{PhantomData, PhantomPinned};
use kernel::{
    error::to_result,
    ffi::{c_ulong, c_void},
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
    types::Opaque,
};

/// What a call of `F` returns, as Rust code sees it.
pub type Returned<'a, F> = <<<F as Function>::Prototype as Prototype>::Return as Value>::View<'a>;

/// Decides about calls of `F`: a type that implements this.
pub trait Override<F: Function>: Send + Sync + 'static {
    /// Called at each entry of the function. With a value, the function is not called, and its
    /// caller gets the value as what it returns; with [`None`], it goes on.
    ///
    /// Whoever skips a function has to do what its callers rely on. That is why the kernel
    /// lists those for which an errno will do (`ALLOW_ERROR_INJECTION`); nothing here checks
    /// that a function is among them.
    ///
    /// # Context
    ///
    /// That of [`Handler::entry`](super::Handler::entry). Calls that come from within a
    /// handler go on.
    fn entry<'a>(&self, call: &'a Call, arguments: Arguments<'a, F>) -> Option<Returned<'a, F>>;
}

extern "C" {
    /// Returns to the caller of the function in whose place it runs; see `trampolines.S`.
    fn tackle_ftrace_just_return();
}

/// A hook on `F` that can skip it, from when it is initialised until it is dropped.
///
/// It has an `ftrace_ops` of its own, with `FTRACE_OPS_FL_IPMODIFY`: there can be one such
/// on a function, live patches included. While it is there, ftrace cannot be switched off.
///
/// When the function's module goes, the hook lets go of it for good.
///
/// Dropping it returns only when no CPU and no preempted task can still be in the handler. It
/// may sleep, for tens of milliseconds.
///
/// # Invariants
///
/// Once initialised, `diversion` is registered for `F`.
#[pin_data]
pub struct Overriding<F: Function, H: Override<F>> {
    // Dropped in this order.
    #[pin]
    diversion: Diversion,
    handler: H,
    _function: PhantomData<fn() -> F>,
    #[pin]
    _pin: PhantomPinned,
}

impl<F: Function, H: Override<F>> Overriding<F, H> {
    /// Creates an initialiser that hooks the function `F`.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: the function is redirected already, by a live patch or another of these.
    /// - Those of [`Registration::new`](super::Registration::new).
    ///
    /// # Context
    ///
    /// The initialiser may sleep.
    pub fn new(handler: H) -> impl PinInit<Self, Error> {
        try_pin_init!(&this in Self {
            handler,
            // After `handler`: from then on it is called.
            // SAFETY: `this` is pinned, so that the handler stays where it is. It is dropped
            // after the diversion.
            diversion <- unsafe {
                Diversion::new(
                    Target::of::<F>(),
                    Self::callback,
                    (&raw mut (*this.as_ptr()).handler).cast(),
                )
            },
            _function: PhantomData,
            _pin: PhantomPinned,
        })
    }

    /// Returns the handler.
    pub fn handler(&self) -> &H {
        &self.handler
    }

    /// # Safety
    ///
    /// Called by ftrace alone, for `F`, with an ops whose `private` is the handler.
    unsafe extern "C" fn callback(
        ip: c_ulong,
        parent_ip: c_ulong,
        ops: *mut bindings::ftrace_ops,
        fregs: *mut bindings::ftrace_regs,
    ) {
        let Some(_inside) = Inside::enter() else {
            return;
        };
        // SAFETY: By the function's requirements.
        let handler = unsafe { &*(*ops).private.cast::<H>() };
        // SAFETY: ftrace passes the registers of the function's entry.
        let call = unsafe { Call::from_regs(ip, parent_ip, fregs) };
        // SAFETY: This is a call of `F`, which is not over before its entry is.
        let arguments = unsafe { F::Prototype::arguments(&call.arguments) };
        type Return<F> = <<F as Function>::Prototype as Prototype>::Return;
        let value = handler
            .entry(&call, arguments)
            .map(|value| Return::<F>::from_view(value).into_register());
        if let Some(value) = value {
            // SAFETY: The registers are this callback's to change (`IPMODIFY`).
            unsafe { skip(fregs, value) };
        }
    }
}

/// Has the function return `value` at once. Not inlined: modules do not get to see the symbol.
///
/// # Safety
///
/// `fregs` is what ftrace passes to a callback that may change them.
#[inline(never)]
unsafe fn skip(fregs: *mut bindings::ftrace_regs, value: usize) {
    // SAFETY: By the function's requirements. The function in whose place this goes on returns
    // what is in the register, to its caller.
    unsafe {
        let regs = &raw mut (*fregs.cast::<bindings::__arch_ftrace_regs>()).regs;
        (*regs).ax = value;
        (*regs).ip = tackle_ftrace_just_return as *const () as usize;
    }
}

/// An ops that may change where a function goes on.
///
/// # Invariants
///
/// `ops` is registered while `armed` is set.
#[pin_data(PinnedDrop)]
struct Diversion {
    armed: Atomic<bool>,
    #[pin]
    ops: Opaque<bindings::ftrace_ops>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: ftrace's functions may be called from any thread; `Diversion::new` wants the same
// of the rest.
unsafe impl Send for Diversion {}
// SAFETY: A shared reference gives access to `disarm`, of which one does its work.
unsafe impl Sync for Diversion {}

type Callback =
    unsafe extern "C" fn(c_ulong, c_ulong, *mut bindings::ftrace_ops, *mut bindings::ftrace_regs);

impl Diversion {
    /// Creates an initialiser that has ftrace call `callback` at `target`.
    ///
    /// # Safety
    ///
    /// `callback` may be called for `target` with `private` in its ops, by any thread, until
    /// the diversion has been dropped.
    unsafe fn new<'a>(
        target: Target<'a>,
        callback: Callback,
        private: *mut c_void,
    ) -> impl PinInit<Self, Error> + 'a {
        let ops = bindings::ftrace_ops {
            func: Some(callback),
            private,
            flags: (bindings::FTRACE_OPS_FL_IPMODIFY | bindings::FTRACE_OPS_FL_PERMANENT)
                as c_ulong,
            ..pin_init::zeroed()
        };
        try_pin_init!(Self {
            armed: Atomic::new(false),
            ops: Opaque::new(ops),
            _pin: PhantomPinned,
        } ? Error)
        .pin_chain(move |this| {
            let address = target.resolve()?;
            let this = this.as_ref().get_ref();
            // SAFETY: `this` is pinned, and `drop` unties it.
            unsafe { modules::tie(address, this, || this.arm(address)) }
        })
    }

    /// Puts the ops on the function at `address`.
    fn arm(&self, address: usize) -> Result {
        let ops = self.ops.get();
        fault::REGISTER_FTRACE_FUNCTION.check()?;
        // SAFETY: The ops is valid, not registered, and pinned until `drop`. Neither removes
        // nor resets a filter.
        to_result(unsafe { bindings::ftrace_set_filter_ip(ops, address, 0, 0) })
            .and_then(|()| {
                // SAFETY: As above.
                to_result(unsafe { bindings::register_ftrace_function(ops) })
            })
            .inspect_err(|_| {
                // SAFETY: It is not registered, so nobody uses its filter.
                unsafe { bindings::ftrace_free_filter(ops) }
            })?;
        // INVARIANT: Just registered.
        self.armed.store(true, Relaxed);
        Ok(())
    }
}

impl Tie for Diversion {
    fn disarm(&self) {
        if self.armed.xchg(false, Relaxed) {
            let ops = self.ops.get();
            // SAFETY: By the type invariants, and `armed` lets one do this. ftrace waits until
            // neither its trampoline nor the callback is in use any more.
            unsafe {
                bindings::unregister_ftrace_function(ops);
                bindings::ftrace_free_filter(ops);
            }
        }
    }
}

#[pinned_drop]
impl PinnedDrop for Diversion {
    fn drop(self: Pin<&mut Self>) {
        let this = self.as_ref().get_ref();
        modules::untie(this);
        this.disarm();
    }
}
