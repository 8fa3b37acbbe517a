// SPDX-License-Identifier: GPL-2.0

//! Implements a hook on `do_exit()` for tasks that end within a hooked function. For example, a
//! killed task ends in `get_signal()`. The call of the hooked function then never returns to its
//! trampoline.
//!
//! While trampolines are in use, `do_exit()` calls [`callback`], which counts for each trampoline
//! on the task's stack that the call has left it.
//!
//! A task that oopses calls `do_exit()` on a stack without these calls. The trampolines that it was
//! in then stay in use until reboot.
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

/// The maximum number of stack entries that are checked.
const DEPTH: usize = 64;

/// The hook on `do_exit()`.
///
/// # Invariants
///
/// `ops` is registered from when this is initialised until [`DeadTasks::remove`].
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
    /// The errors of `symbol::lookup` and of ftrace. `EINVAL`: `do_exit()` cannot be traced.
    pub(super) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            ops <- Opaque::try_ffi_init(|ops: *mut bindings::ftrace_ops| {
                let address = symbol::ftrace_location(symbol::lookup(c"do_exit")?).ok_or(EINVAL)?;
                // SAFETY: `ops` points at memory for an ops, which stays in its place until it is
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
        // SAFETY: By the type invariants the ops is registered. After `unregister` no CPU executes
        // the callback, so the hook may be freed.
        if unsafe { ops::unregister::<Plain>(hook.ops.get()) }.is_err() {
            // ftrace has switched itself off, and `do_exit()` still calls the callback.
            library::keep();
            core::mem::forget(hook);
        }
    }
}

/// # Safety
///
/// Called by ftrace alone, at the entry of `do_exit()`.
unsafe extern "C" fn callback(
    _ip: c_ulong,
    parent_ip: c_ulong,
    _ops: *mut bindings::ftrace_ops,
    _fregs: *mut bindings::ftrace_regs,
) {
    let mut stack = [0; DEPTH];
    // SAFETY: `stack` has room for `DEPTH` addresses.
    let count = unsafe { bindings::stack_trace_save(stack.as_mut_ptr(), DEPTH as c_uint, 0) };
    // The entries before the caller of `do_exit()` are functions that still return.
    let callers = stack.iter().take(count as usize);
    for &address in callers.skip_while(|&&address| address != parent_ip) {
        // SAFETY: The task does not return to the callers of `do_exit()`.
        unsafe { slot::count_dead(address) };
    }
}
