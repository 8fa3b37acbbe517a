// SPDX-License-Identifier: GPL-2.0

//! The cheapest hook: the function's entry calls the handler, with nothing in between.
//!
//! C header: [`include/linux/ftrace.h`](srctree/include/linux/ftrace.h),
//! `register_ftrace_direct()`.

use super::{
    context::Inside,
    modules::{self, Tie},
    Target, MAX_ARGUMENTS,
};
use crate::{bindings, fault};
use core::marker::{PhantomData, PhantomPinned};
use kernel::{
    error::to_result,
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
    types::Opaque,
};

/// What runs at the entry of a function that is hooked directly.
pub trait DirectHandler: 'static {
    /// Called at each entry of the function with the registers that hold its first six
    /// arguments ([`Call::argument`](super::Call::argument)) and the address in its caller
    /// that it will return to.
    ///
    /// What it counts is in statics: there is no place for a handler of its own.
    ///
    /// # Context
    ///
    /// That of [`Handler::entry`](super::Handler::entry). Calls that are left out since they
    /// come from within a handler are not counted.
    fn entry(arguments: [usize; MAX_ARGUMENTS], parent_ip: usize);
}

/// A direct hook on one kernel function, from when it is initialised until it is dropped.
///
/// There can be one direct hook on a function, BPF's fentry and fexit programs included, which
/// are direct, too. With other users of ftrace there, such as a
/// [`Registration`](super::Registration), ftrace calls all through its list function.
///
/// When the function's module goes, the hook lets go of it for good.
///
/// Dropping it returns only when no CPU and no preempted task can still be in the handler. It
/// may sleep, for tens of milliseconds.
///
/// # Invariants
///
/// `ops` is registered as a direct call of [`enter`] while `armed` is set.
#[pin_data(PinnedDrop)]
pub struct Direct<T: DirectHandler> {
    armed: Atomic<bool>,
    #[pin]
    ops: Opaque<bindings::ftrace_ops>,
    _handler: PhantomData<fn() -> T>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: ftrace's functions may be called from any thread.
unsafe impl<T: DirectHandler> Send for Direct<T> {}
// SAFETY: A shared reference gives access to `disarm`, of which one does its work.
unsafe impl<T: DirectHandler> Sync for Direct<T> {}

impl<T: DirectHandler> Direct<T> {
    /// Creates an initialiser that hooks the kernel function `target`.
    ///
    /// # Errors
    ///
    /// - `ENOENT`, `EINVAL`, `ENOTUNIQ`: as for [`Registration::new`](super::Registration::new).
    /// - `EBUSY`: another direct hook is on it.
    /// - `ENOMEM`, `ENODEV`: as for [`Registration::new`](super::Registration::new).
    ///
    /// # Context
    ///
    /// The initialiser may sleep.
    pub fn new<'a>(target: impl Into<Target<'a>> + 'a) -> impl PinInit<Self, Error> + 'a {
        try_pin_init!(Self {
            armed: Atomic::new(false),
            ops: Opaque::new(pin_init::zeroed()),
            _handler: PhantomData,
            _pin: PhantomPinned,
        } ? Error)
        .pin_chain(|this| {
            let address = target.into().resolve()?;
            let this = this.as_ref().get_ref();
            // SAFETY: `this` is pinned, and `drop` unties it.
            unsafe { modules::tie(address, this, || this.arm(address)) }
        })
    }

    /// Has the function at `address` call the handler.
    fn arm(&self, address: usize) -> Result {
        let ops = self.ops.get();
        fault::FTRACE_SET_FILTER.check()?;
        // SAFETY: The ops is valid, not registered, and pinned until `drop`. Neither removes
        // nor resets a filter.
        to_result(unsafe { bindings::ftrace_set_filter_ip(ops, address, 0, 0) })
            .and_then(|()| fault::REGISTER_FTRACE_DIRECT.check())
            .and_then(|()| {
                // SAFETY: As above. `enter` saves the registers of the function.
                to_result(unsafe { bindings::register_ftrace_direct(ops, Self::address()) })
            })
            .inspect_err(|_| {
                // SAFETY: `ops` is not registered, so nobody uses its filter.
                unsafe { bindings::ftrace_free_filter(ops) }
            })?;
        // INVARIANT: Just registered.
        self.armed.store(true, Relaxed);
        Ok(())
    }

    /// The address of what the function's entry calls.
    fn address() -> usize {
        enter::<T> as *const () as usize
    }
}

impl<T: DirectHandler> Tie for Direct<T> {
    fn disarm(&self) {
        if self.armed.xchg(false, Relaxed) {
            // SAFETY: By the type invariants, and `armed` lets one do this. Other than for a
            // callback, ftrace does not wait until nobody is in what was called.
            unsafe {
                bindings::unregister_ftrace_direct(self.ops.get(), Self::address(), true);
                bindings::synchronize_rcu_tasks();
            }
        }
    }
}

#[pinned_drop]
impl<T: DirectHandler> PinnedDrop for Direct<T> {
    fn drop(self: Pin<&mut Self>) {
        let this = self.as_ref().get_ref();
        modules::untie(this);
        this.disarm();
    }
}

/// What the function's entry calls: its calling convention preserves all registers but r11, as
/// a direct call has to (`samples/ftrace/ftrace-direct.c` of the kernel). The last argument is
/// what lies above the return address on the stack.
///
/// # Safety
///
/// Called by a function's entry alone.
unsafe extern "rust-cold" fn enter<T: DirectHandler>(
    a0: usize,
    a1: usize,
    a2: usize,
    a3: usize,
    a4: usize,
    a5: usize,
    parent_ip: usize,
) {
    if let Some(_inside) = Inside::enter() {
        T::entry([a0, a1, a2, a3, a4, a5], parent_ip);
    }
}
