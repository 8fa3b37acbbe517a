// SPDX-License-Identifier: GPL-2.0

//! Hooks: Rust code that runs at the entry of kernel functions.
//!
//! C header: [`include/linux/ftrace.h`](srctree/include/linux/ftrace.h), described in
//! `Documentation/trace/ftrace-uses.rst` of the kernel.
//!
//! Each [`Registration`] is one `struct ftrace_ops`. While it is the only one on its
//! function, the function's entry calls a dynamic trampoline that ftrace made for this
//! hook alone; `/sys/kernel/tracing/enabled_functions` shows it.

use crate::{bindings, fault, symbol};
use core::marker::PhantomPinned;
use kernel::{error::to_result, ffi::c_ulong, prelude::*, types::Opaque};

/// How many arguments of a function a hook can see: those that the x86-64 calling
/// convention passes in registers.
pub const MAX_ARGUMENTS: usize = 6;

/// One call of a hooked function, as its hook sees it at the entry.
pub struct Call<'a> {
    ip: usize,
    parent_ip: usize,
    regs: &'a bindings::pt_regs,
}

impl Call<'_> {
    /// Returns the address of the hooked function's entry.
    #[inline]
    pub fn ip(&self) -> usize {
        self.ip
    }

    /// Returns the address in the caller that the function will return to.
    #[inline]
    pub fn parent_ip(&self) -> usize {
        self.parent_ip
    }

    /// Returns the register that holds argument `n`, counted from zero; `None` from
    /// [`MAX_ARGUMENTS`] on.
    ///
    /// What is in it depends on the function's prototype: an argument narrower than the
    /// register leaves the upper bits undefined, so cut it to its type. A pointer is a
    /// number here; nothing keeps what it points to alive.
    #[inline]
    pub fn argument(&self, n: usize) -> Option<usize> {
        let regs = self.regs;
        let value = match n {
            0 => regs.di,
            1 => regs.si,
            2 => regs.dx,
            3 => regs.cx,
            4 => regs.r8,
            5 => regs.r9,
            _ => return None,
        };
        Some(value)
    }
}

/// Says why a function was not hooked, for a line in the log that names it.
pub fn reason(error: Error) -> &'static str {
    match error {
        ENOENT => "there is no such kernel function",
        EINVAL => "this cannot be traced",
        ENOMEM => "no memory for the hook",
        ENODEV => "ftrace is switched off",
        _ => "the hook was refused",
    }
}

/// What runs at the entry of a hooked function.
pub trait Handler: Send + Sync + 'static {
    /// Called at each entry of the function, before its first instruction.
    ///
    /// # Context
    ///
    /// That of the function's caller, which can be any: a system call, an interrupt, an
    /// NMI, with or without locks held, on many CPUs at once. So a handler must not sleep,
    /// allocate, or take a lock that the function's callers could hold; it may change
    /// atomic variables. Preemption is disabled. ftrace does not call the handler where RCU
    /// is not watching, nor without end from within itself: when a handler calls a function
    /// that it hooks, it is called for that once more at most. ftrace lets one such call
    /// pass, since it could be that of an interrupt (`TRACE_CTX_TRANSITION` in
    /// `include/linux/trace_recursion.h`).
    fn entry(&self, call: &Call<'_>);
}

/// A hook on one kernel function, from when it is initialised until it is dropped.
///
/// Dropping it returns only when no CPU and no preempted task can still be in the
/// trampoline or the handler. It may sleep, for tens of milliseconds.
///
/// # Invariants
///
/// `ops` is registered with ftrace, and its `private` points at `handler`.
#[pin_data(PinnedDrop)]
pub struct Registration<T: Handler> {
    handler: T,
    // After `handler`: from the moment that it is initialised, the handler is called.
    #[pin]
    ops: Opaque<bindings::ftrace_ops>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: ftrace's functions may be called from any thread, and `T` is `Send`.
unsafe impl<T: Handler> Send for Registration<T> {}
// SAFETY: A shared reference gives access to the handler alone, and `T` is `Sync`.
unsafe impl<T: Handler> Sync for Registration<T> {}

impl<T: Handler> Registration<T> {
    /// Has ftrace do what [`Handler::entry`] promises. Without the flags a lone hook would
    /// be called straight from its trampoline: a handler that calls a function which it
    /// hooks would then use up the stack, and one that runs where RCU is not watching
    /// could see freed memory.
    const FLAGS: c_ulong =
        (bindings::FTRACE_OPS_FL_RECURSION | bindings::FTRACE_OPS_FL_RCU) as c_ulong;

    /// Creates an initialiser that hooks the kernel function `name`.
    ///
    /// A function of a module is named `module:function`. Patterns are not taken.
    ///
    /// # Errors
    ///
    /// - `ENOENT`: there is no such function.
    /// - `EINVAL`: it cannot be traced: it is `notrace`, or not a function.
    /// - `ENOMEM`: no memory for the filter or the trampoline.
    /// - `ENODEV`: ftrace has switched itself off after a fault of its own.
    ///
    /// [`reason`] puts these into words.
    ///
    /// # Context
    ///
    /// The initialiser may sleep.
    pub fn new<'a>(name: &'a CStr, handler: T) -> impl PinInit<Self, Error> + 'a {
        try_pin_init!(&this in Self {
            handler,
            // INVARIANT: On success the ops is registered; `this` is pinned, so `private`
            // stays right. ftrace calls back from then on, when `handler` is initialised.
            ops <- Opaque::try_ffi_init(|ops: *mut bindings::ftrace_ops| {
                let address = symbol::lookup(name)?;
                // SAFETY: `this` points at the place being initialised.
                let handler = unsafe { &raw mut (*this.as_ptr()).handler };
                // SAFETY: `ops` points at uninitialised memory for a `struct ftrace_ops`.
                unsafe {
                    ops.write(bindings::ftrace_ops {
                        func: Some(Self::callback),
                        private: handler.cast(),
                        flags: Self::FLAGS,
                        ..pin_init::zeroed()
                    })
                };
                // SAFETY: `ops` is valid and not registered; ftrace initialises the rest
                // of it by itself. It stays in its place until `PinnedDrop`.
                unsafe { Self::register(ops, address) }
            }),
            _pin: PhantomPinned,
        })
    }

    /// Sets the filter of `ops` to the function at `address`, and registers it.
    ///
    /// # Safety
    ///
    /// `ops` points at a `struct ftrace_ops` that is not registered and has its function
    /// set, and stays in its place while it is registered.
    unsafe fn register(ops: *mut bindings::ftrace_ops, address: usize) -> Result {
        let result = fault::FTRACE_SET_FILTER
            .check()
            .and_then(|()| {
                // SAFETY: By the function's requirements. Neither removes nor resets a filter.
                to_result(unsafe { bindings::ftrace_set_filter_ip(ops, address, 0, 0) })
            })
            .and_then(|()| fault::REGISTER_FTRACE_FUNCTION.check())
            .and_then(|()| {
                // SAFETY: By the function's requirements.
                to_result(unsafe { bindings::register_ftrace_function(ops) })
            });
        if result.is_err() {
            // SAFETY: `ops` is not registered, so nobody uses its filter.
            unsafe { bindings::ftrace_free_filter(ops) };
        }
        result
    }

    /// Returns the handler.
    pub fn handler(&self) -> &T {
        &self.handler
    }

    /// What the trampoline calls.
    ///
    /// # Safety
    ///
    /// Called by ftrace alone, with the `ops` of an initialised registration.
    unsafe extern "C" fn callback(
        ip: c_ulong,
        parent_ip: c_ulong,
        ops: *mut bindings::ftrace_ops,
        fregs: *mut bindings::ftrace_regs,
    ) {
        // SAFETY: ftrace passes the ops that was registered, whose `private` points at the
        // handler by the type invariants; it outlives the registration.
        let handler = unsafe { &*(*ops).private.cast::<T>() };
        // SAFETY: `struct ftrace_regs` is the first member of `struct __arch_ftrace_regs`,
        // which is how the architecture's own accessors see it. On x86-64 an ops without
        // `SAVE_REGS` finds the arguments' registers filled in; the others are not used.
        let regs = unsafe { &(*fregs.cast::<bindings::__arch_ftrace_regs>()).regs };
        handler.entry(&Call {
            ip,
            parent_ip,
            regs,
        });
    }
}

#[pinned_drop]
impl<T: Handler> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        let ops = self.ops.get();
        // SAFETY: By the type invariants the ops is registered. ftrace waits until its
        // trampoline and callback are not in use any more: the ops is not core kernel
        // data, hence dynamic (`FTRACE_OPS_FL_DYNAMIC`).
        unsafe {
            bindings::unregister_ftrace_function(ops);
            bindings::ftrace_free_filter(ops);
        }
    }
}
