// SPDX-License-Identifier: GPL-2.0

//! Implements override hooks, which decide for each call whether their function runs or is skipped.

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

/// The handler of an override hook on `F`: a type that implements this trait, or a closure that
/// takes a call and its arguments.
pub trait OverrideHandler<F: Replaceable>: Send + Sync + 'static {
    /// Called at each entry of the function. If this returns a value, the function is skipped, and
    /// its caller gets this value. If it returns [`None`], the function runs.
    ///
    /// Skipping a [`Replaceable`] function does not break memory safety. It can still be wrong:
    /// callers may rely on the effects of the function.
    ///
    /// # Context
    ///
    /// That of [`EntryHandler::entry`](super::EntryHandler::entry). A call that comes from within a
    /// handler is not skipped.
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
/// It has an `ftrace_ops` of its own, with `FTRACE_OPS_FL_IPMODIFY`: a function can have one such
/// ops, live patches included. While it is registered, ftrace cannot be switched off.
///
/// It follows the function's module ([`Targets`](super::Targets)).
///
/// Dropping the hook returns only when no CPU and no preempted task can still execute the handler.
/// It may sleep, for tens of milliseconds. If ftrace has switched itself off after a fault of its
/// own, the drop never returns, since the function still calls the handler.
///
/// All override hooks together can return at most 128 different values until `tackle_ftrace.ko` is
/// unloaded. A call for which a handler returns a further value is not skipped.
///
/// # Invariants
///
/// Once this is initialised, `ops` is registered for `F`, and its `private` is the address of this.
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
    /// - `EBUSY`: a live patch or another `IPMODIFY` hook redirects the function already.
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
            // The last field with a value: the callback uses the others once the ops is registered.
            // SAFETY: `this` is pinned, so its address does not change. Its other fields are
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

    /// Returns the number of calls for which the handler was not run. They were not skipped.
    pub fn missed(&self) -> Misses {
        Misses::by_recursion(self.missed.sum())
    }

    /// # Safety
    ///
    /// Called by ftrace alone, for `F`, with an ops whose `private` is the address of a hook of
    /// this type.
    unsafe extern "C" fn callback(
        ip: c_ulong,
        parent_ip: c_ulong,
        ops: *mut bindings::ftrace_ops,
        fregs: *mut bindings::ftrace_regs,
    ) {
        // SAFETY: By the function's requirements `ops` is valid.
        let this = unsafe { (*ops).private.cast::<Self>() };
        // SAFETY: By the function's requirements `this` is a hook. Other threads use it, too, so
        // this makes shared references, and only to the handler, the counters and the stub. These
        // are initialised before the ops is registered.
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
        // SAFETY: This is a call of `F`. The call lasts longer than its entry handler.
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

/// Makes the function continue at `ip` when ftrace returns to it.
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

/// Returns the plan of an ops whose `callback` may change the address at which its function
/// continues.
pub(super) fn diverting(callback: Callback, private: *mut c_void) -> Plan {
    Plan {
        func: Some(callback),
        private,
        flags: bindings::FTRACE_OPS_FL_IPMODIFY | bindings::FTRACE_OPS_FL_PERMANENT,
    }
}
