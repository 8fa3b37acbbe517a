// SPDX-License-Identifier: GPL-2.0

//! The cheapest hook: the function's entry calls the handler, with nothing in between.
//!
//! C header: [`include/linux/ftrace.h`](srctree/include/linux/ftrace.h),
//! `register_ftrace_direct()`.

use super::{context::Inside, Target, MAX_ARGUMENTS};
use crate::{bindings, fault};
use core::marker::{PhantomData, PhantomPinned};
use kernel::{error::to_result, prelude::*, types::Opaque};

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
/// Dropping it returns only when no CPU and no preempted task can still be in the handler. It
/// may sleep, for tens of milliseconds.
///
/// # Invariants
///
/// Once initialised, `ops` is registered as a direct call of [`enter`].
#[pin_data(PinnedDrop)]
pub struct Direct<T: DirectHandler> {
    #[pin]
    ops: Opaque<bindings::ftrace_ops>,
    _handler: PhantomData<fn() -> T>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: ftrace's functions may be called from any thread.
unsafe impl<T: DirectHandler> Send for Direct<T> {}
// SAFETY: A shared reference gives access to nothing.
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
            // INVARIANT: It is registered on success.
            ops <- Opaque::try_ffi_init(|ops: *mut bindings::ftrace_ops| {
                let address = target.into().resolve()?;
                // SAFETY: `ops` points at uninitialised memory for a `struct ftrace_ops`.
                unsafe { ops.write(pin_init::zeroed()) };
                // SAFETY: `ops` is valid, not registered, and stays in its place until
                // `PinnedDrop`.
                unsafe { Self::register(ops, address) }
            }),
            _handler: PhantomData,
            _pin: PhantomPinned,
        })
    }

    /// # Safety
    ///
    /// `ops` points at a zeroed `struct ftrace_ops`, which stays in its place while it is
    /// registered.
    unsafe fn register(ops: *mut bindings::ftrace_ops, address: usize) -> Result {
        fault::FTRACE_SET_FILTER.check()?;
        // SAFETY: By the function's requirements. Neither removes nor resets a filter.
        to_result(unsafe { bindings::ftrace_set_filter_ip(ops, address, 0, 0) })
            .and_then(|()| fault::REGISTER_FTRACE_DIRECT.check())
            .and_then(|()| {
                // SAFETY: As above. `enter` saves the registers of the function.
                to_result(unsafe { bindings::register_ftrace_direct(ops, Self::address()) })
            })
            .inspect_err(|_| {
                // SAFETY: `ops` is not registered, so nobody uses its filter.
                unsafe { bindings::ftrace_free_filter(ops) }
            })
    }

    /// The address of what the function's entry calls.
    fn address() -> usize {
        enter::<T> as *const () as usize
    }
}

#[pinned_drop]
impl<T: DirectHandler> PinnedDrop for Direct<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants. Other than for a callback, ftrace does not wait until
        // nobody is in what was called.
        unsafe {
            bindings::unregister_ftrace_direct(self.ops.get(), Self::address(), true);
            bindings::synchronize_rcu_tasks();
        }
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
