// SPDX-License-Identifier: GPL-2.0

//! Implements direct hooks, the cheapest kind: the function's entry calls the handler directly,
//! without a trampoline.
//!
//! C header: [`include/linux/ftrace.h`](srctree/include/linux/ftrace.h),
//! `register_ftrace_direct()`.

use super::{
    context::Inside,
    ops::{self, Kind, Plan, SingleOps},
    Target, MAX_ARGUMENTS,
};
use crate::{bindings, fault};
use core::marker::PhantomData;
use kernel::{error::to_result, prelude::*};

/// The handler of a direct hook.
pub trait DirectHandler: 'static {
    /// Called at each entry of the function, with the registers of its first six arguments
    /// ([`Call::argument`](super::Call::argument)) and the address in its caller that it will
    /// return to.
    ///
    /// There is no value of the handler's type, so a handler keeps its data in statics.
    ///
    /// # Context
    ///
    /// That of [`EntryHandler::entry`](super::EntryHandler::entry). Calls that come from within a
    /// handler are missed, but they are not counted.
    fn entry(arguments: [usize; MAX_ARGUMENTS], parent_ip: usize);
}

/// A direct hook on one kernel function, from when it is initialised until it is dropped.
///
/// A function can have one direct call. BPF's fentry and fexit programs are direct calls, too.
/// If the function has other users of ftrace, such as an [`EntryHook`](super::EntryHook), ftrace
/// calls all of them through its list function.
///
/// It follows the function's module ([`Targets`](super::Targets)).
///
/// Dropping the hook returns only when no CPU and no preempted task can still execute the handler.
/// It may sleep, for tens of milliseconds. If ftrace has switched itself off after a fault of its
/// own, the drop never returns, since the function still calls the handler.
#[pin_data]
pub struct DirectHook<T: DirectHandler> {
    #[pin]
    ops: SingleOps<Entry<T>>,
}

impl<T: DirectHandler> DirectHook<T> {
    /// Creates an initialiser that hooks the kernel function `target`.
    ///
    /// # Errors
    ///
    /// - `ENOENT`, `EINVAL`, `ENOTUNIQ`: as for [`EntryHook::new`](super::EntryHook::new).
    /// - `EBUSY`: the function has another direct call.
    /// - `ENOMEM`, `ENODEV`: as for [`EntryHook::new`](super::EntryHook::new).
    ///
    /// # Context
    ///
    /// The initialiser may sleep.
    pub fn new<'a>(target: impl Into<Target<'a>> + 'a) -> impl PinInit<Self, Error> + 'a {
        try_pin_init!(Self {
            // SAFETY: `enter` preserves the registers of any function, and any thread may call it.
            ops <- unsafe { SingleOps::new(Plan::empty(), Entry::<T>::address(), target) },
        })
    }
}

/// The kind of an ops that makes its function call [`enter`] directly.
struct Entry<T>(PhantomData<fn() -> T>);

impl<T: DirectHandler> Entry<T> {
    fn address() -> usize {
        enter::<T> as *const () as usize
    }
}

impl<T: DirectHandler> Kind for Entry<T> {
    unsafe fn register(ops: *mut bindings::ftrace_ops) -> Result {
        fault::REGISTER_FTRACE_DIRECT.check()?;
        // SAFETY: By the function's requirements.
        to_result(unsafe { bindings::register_ftrace_direct(ops, Self::address()) })
    }

    unsafe fn unregister(ops: *mut bindings::ftrace_ops) -> Result {
        // SAFETY: By the function's requirements. For a direct call ftrace does not wait until no
        // task executes the called code, as it does for a callback. `synchronize` waits for that.
        to_result(unsafe { bindings::unregister_ftrace_direct(ops, Self::address(), false) })?;
        ops::synchronize();
        Ok(())
    }
}

/// Called by the function's entry. The calling convention preserves all registers but r11, as
/// a direct call has to (`samples/ftrace/ftrace-direct.c` of the kernel). The last argument is
/// the word above the return address on the stack: the address that the hooked function returns
/// to.
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
    if let Ok(_inside) = Inside::enter() {
        T::entry([a0, a1, a2, a3, a4, a5], parent_ip);
    }
}
