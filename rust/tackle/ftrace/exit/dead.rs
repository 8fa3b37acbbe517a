// SPDX-License-Identifier: GPL-2.0

//! Notices tasks that end in a hooked function: a killed one ends in `get_signal()`, for example.
//! Such a call never leaves its trampoline by itself.
//!
//! While there are trampolines, `do_exit()` calls [`callback`]. It counts that the task has left
//! each trampoline on its stack.
//!
//! A task that oopses has no such stack any more when it calls `do_exit()`. The trampolines that it
//! was in are then in use until reboot.
//!
//! C header: [`include/linux/stacktrace.h`](srctree/include/linux/stacktrace.h)

use super::slot;
use crate::{
    bindings,
    ftrace::ops::{self, Plain, Registered},
    library, symbol,
};
use core::marker::PhantomPinned;
use kernel::{ffi::c_ulong, prelude::*, types::Opaque};

/// How many functions of a stack are looked at.
const DEPTH: usize = 64;

/// The hook on `do_exit()`.
///
/// # Invariants
///
/// `ops` is registered from when this is initialised until it is removed.
#[pin_data]
pub(super) struct DeadTasks {
    #[pin]
    ops: Opaque<bindings::ftrace_ops>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: ftrace's functions may be called from any thread.
unsafe impl Send for DeadTasks {}

impl DeadTasks {
    /// Creates an initialiser that hooks `do_exit()`.
    ///
    /// # Errors
    ///
    /// Those of `symbol::lookup` and of ftrace.
    pub(super) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            ops <- Opaque::try_ffi_init(|ops: *mut bindings::ftrace_ops| {
                let address = symbol::ftrace_location(symbol::lookup(c"do_exit")?).ok_or(EINVAL)?;
                // SAFETY: It has memory for an ops, which stays in its place until it is
                // unregistered.
                let registered = unsafe {
                    ops.write(bindings::ftrace_ops {
                        func: Some(callback),
                        // CAST: Bits of a long.
                        flags: bindings::FTRACE_OPS_FL_PERMANENT as c_ulong,
                        ..pin_init::zeroed()
                    });
                    ops::register::<Plain>(ops, &mut [address])?
                };
                match registered {
                    Registered::Yes => Ok(()),
                    Registered::Stuck => Err(ops::wait_for_reboot()),
                }
            }),
            _pin: PhantomPinned,
        } ? Error)
    }

    /// Removes the hook. May sleep.
    pub(super) fn remove(hook: Pin<KBox<Self>>) {
        // SAFETY: By the type invariants. It waits until no CPU is in the callback.
        if unsafe { ops::unregister::<Plain>(hook.ops.get()) }.is_err() {
            // ftrace has switched itself off, and goes on to call the callback.
            library::keep();
            core::mem::forget(hook);
        }
    }
}

/// # Safety
///
/// Called by ftrace alone, by a task that ends.
unsafe extern "C" fn callback(
    _ip: c_ulong,
    parent_ip: c_ulong,
    _ops: *mut bindings::ftrace_ops,
    _fregs: *mut bindings::ftrace_regs,
) {
    let mut stack = [0; DEPTH];
    // SAFETY: There is room for as many addresses.
    let count = unsafe { bindings::stack_trace_save(stack.as_mut_ptr(), DEPTH as c_uint, 0) };
    // Before that are functions that this one has called, and which return.
    let callers = stack.iter().take(count as usize);
    for &address in callers.skip_while(|&&address| address != parent_ip) {
        // SAFETY: The task does not return to the callers of `do_exit()`.
        unsafe { slot::count_dead(address) };
    }
}
