// SPDX-License-Identifier: GPL-2.0

//! Hooks that decide whether their function is called at all.

use super::{
    context::Inside,
    ops::{Plain, Plan, SingleOps},
    skip::LastStub,
    Arguments, Call, Misses, Target,
};
use crate::{
    bindings,
    function::{Function, Prototype, Replaceable, Returned, Value},
    percpu::Counter,
};
use core::marker::{PhantomData, PhantomPinned};
use kernel::{
    ffi::{c_ulong, c_void},
    prelude::*,
};

/// Decides about calls of `F`: a type that implements this, or a closure of a call and its
/// arguments.
pub trait OverrideHandler<F: Replaceable>: Send + Sync + 'static {
    /// Called at each entry of the function. With a value, the function is skipped, and its
    /// caller gets the value as what it returns; with [`None`], it goes on.
    ///
    /// To skip a [`Replaceable`] function leaves the kernel memory safe. It can still be wrong:
    /// callers may rely on what the function does.
    ///
    /// # Context
    ///
    /// That of [`EntryHandler::entry`](super::EntryHandler::entry). Calls that come from within a
    /// handler go on.
    fn entry<'a>(&self, call: &'a Call, arguments: Arguments<'a, F>) -> Option<Returned<'a, F>>;
}

impl<F: Replaceable, C> OverrideHandler<F> for C
where
    C: for<'a> Fn(&'a Call, Arguments<'a, F>) -> Option<Returned<'a, F>> + Send + Sync + 'static,
{
    #[inline]
    fn entry<'a>(&self, call: &'a Call, arguments: Arguments<'a, F>) -> Option<Returned<'a, F>> {
        self(call, arguments)
    }
}

/// A hook on `F` that can skip it, from when it is initialised until it is dropped.
///
/// It has an `ftrace_ops` of its own, with `FTRACE_OPS_FL_IPMODIFY`: there can be one such
/// on a function, live patches included. While it is there, ftrace cannot be switched off.
///
/// It follows the function's module ([`Targets`](super::Targets)).
///
/// Dropping it returns only when no CPU and no preempted task can still be in the handler. It
/// may sleep, for tens of milliseconds. If ftrace has switched itself off after a fault of its
/// own, it never returns: the function goes on to call the handler.
///
/// Skipped functions of the whole kernel can return 128 different values until `tackle_ftrace.ko` is
/// unloaded. A function that is to return another one goes on.
///
/// # Invariants
///
/// Once initialised, `ops` is registered for `F`, and has this one's address.
#[pin_data]
pub struct OverrideHook<F: Replaceable, H: OverrideHandler<F>> {
    // Dropped in this order.
    #[pin]
    ops: SingleOps<Plain>,
    handler: H,
    skipped: Counter,
    missed: Counter,
    stub: LastStub,
    _function: PhantomData<fn() -> F>,
    #[pin]
    _pin: PhantomPinned,
}

impl<F: Replaceable, H: OverrideHandler<F>> OverrideHook<F, H> {
    /// Creates an initialiser that hooks the function `F`.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: the function is redirected already, by a live patch or another of these.
    /// - Those of [`EntryHook::new`](super::EntryHook::new).
    ///
    /// # Context
    ///
    /// The initialiser may sleep.
    pub fn new(handler: H) -> impl PinInit<Self, Error> {
        try_pin_init!(&this in Self {
            handler,
            skipped: Counter::new()?,
            missed: Counter::new()?,
            stub: LastStub::new(),
            // After the others: from then on they are used.
            // SAFETY: `this` is pinned, so that it stays where it is. The rest of it is
            // dropped after the ops.
            ops <- unsafe {
                SingleOps::new(
                    diverting(Self::callback, this.as_ptr().cast()),
                    Self::callback as *const () as usize,
                    Target::of::<F>(),
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

    /// Returns how many calls were skipped.
    pub fn skipped(&self) -> u64 {
        self.skipped.sum()
    }

    /// Returns how many calls the handler has not seen. They were not skipped.
    pub fn missed(&self) -> Misses {
        Misses::by_recursion(self.missed.sum())
    }

    /// # Safety
    ///
    /// Called by ftrace alone, for `F`, with an ops whose `private` is this.
    unsafe extern "C" fn callback(
        ip: c_ulong,
        parent_ip: c_ulong,
        ops: *mut bindings::ftrace_ops,
        fregs: *mut bindings::ftrace_regs,
    ) {
        // SAFETY: By the function's requirements. Other threads share it; the handler, the
        // counters and the stub are looked at and nothing else, and they are initialised.
        let this = unsafe { (*ops).private.cast::<Self>() };
        // SAFETY: As above.
        let (handler, skipped, missed, stub) = unsafe {
            (
                &(*this).handler,
                &(*this).skipped,
                &(*this).missed,
                &(*this).stub,
            )
        };
        let Ok(_inside) = Inside::enter() else {
            return missed.increment();
        };
        // SAFETY: ftrace passes the registers of the function's entry.
        let call = unsafe { Call::from_regs(ip, parent_ip, fregs) };
        // SAFETY: This is a call of `F`, which is not over before its entry is.
        let arguments = unsafe { F::Prototype::arguments(&call.arguments) };
        type Return<F> = <<F as Function>::Prototype as Prototype>::Return;
        let value = handler
            .entry(&call, arguments)
            .map(|value| Return::<F>::from_returned(value).into_register());
        if let Some(value) = value {
            // SAFETY: The registers are this callback's to change (`IPMODIFY`).
            if unsafe { stub.skip(fregs, value) } {
                skipped.increment();
            }
        }
    }
}

/// Has the function go on at `ip` when ftrace returns.
///
/// # Safety
///
/// `fregs` is what ftrace passes to a callback that may change them. The code at `ip` is right
/// for a call of the function.
pub(super) unsafe fn go_on_at(fregs: *mut bindings::ftrace_regs, ip: usize) {
    // SAFETY: By the function's requirements.
    unsafe { (*fregs.cast::<bindings::__arch_ftrace_regs>()).regs.ip = ip };
}

type Callback =
    unsafe extern "C" fn(c_ulong, c_ulong, *mut bindings::ftrace_ops, *mut bindings::ftrace_regs);

/// The plan of an ops whose `callback` may change where a function goes on.
pub(super) fn diverting(callback: Callback, private: *mut c_void) -> Plan {
    Plan {
        func: Some(callback),
        private,
        flags: bindings::FTRACE_OPS_FL_IPMODIFY | bindings::FTRACE_OPS_FL_PERMANENT,
    }
}
