// SPDX-License-Identifier: GPL-2.0

//! Hooks at the exit of kernel functions: Rust code that sees a call begin and return.
//!
//! C header: [`include/linux/fprobe.h`](srctree/include/linux/fprobe.h), described in
//! `Documentation/trace/fprobe.rst` of the kernel. What a call's entry tells its exit is kept
//! on the shadow stack of the function graph tracer.

use crate::{
    bindings, fault,
    ftrace::{attach_single, detach_single, Call, Inside, Single, Target},
    percpu::Counter,
};
use core::{
    marker::PhantomPinned,
    ptr,
    sync::atomic::{AtomicU64, Ordering},
};
use kernel::{
    error::to_result,
    ffi::{c_int, c_ulong, c_void},
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
    types::Opaque,
};

/// The return of a hooked function, as its hook sees it.
pub struct Return {
    entry_ip: usize,
    value: usize,
}

impl Return {
    /// Returns the address of the hooked function.
    #[inline]
    pub fn ip(&self) -> usize {
        self.entry_ip
    }

    /// Returns the register of the return value.
    ///
    /// What is in it depends on the function's prototype: a value narrower than the register
    /// leaves the upper bits undefined, and a function without a value all of them.
    #[inline]
    pub fn value(&self) -> usize {
        self.value
    }
}

/// What runs at the entry and the exit of a hooked function.
pub trait Handler: Send + Sync + 'static {
    /// What the entry of a call tells its exit. It is as long as fourteen registers at most,
    /// and aligned as one, which is checked at build time.
    type Data: Copy + Send;

    /// Called at each entry of the function. Without data, the call's exit is not seen.
    ///
    /// # Context
    ///
    /// That of [`ftrace::Handler::entry`](crate::ftrace::Handler::entry): no handler runs
    /// within another one of the same context.
    fn entry(&self, call: &Call) -> Option<Self::Data>;

    /// Called when that call has returned. A call that is in progress when the hook goes is
    /// not seen.
    ///
    /// # Context
    ///
    /// As for [`Handler::entry`].
    fn exit(&self, ret: &Return, data: Self::Data);
}

/// What is on the shadow stack for a call.
#[derive(Clone, Copy)]
#[repr(C)]
struct Entry<D> {
    /// Whose data it is: an address may have been another registration's before.
    id: u64,
    data: D,
}

/// A hook on the entries and exits of one kernel function, from when it is initialised until
/// it is dropped.
///
/// It follows the function's module ([`Targets`](crate::ftrace::Targets)).
///
/// Dropping it returns only when no CPU can still be in the handler. It may sleep, for tens of
/// milliseconds.
///
/// # Invariants
///
/// `probe` is registered, and part of this, while `armed` is set.
#[pin_data(PinnedDrop)]
pub struct Registration<T: Handler> {
    handler: T,
    id: u64,
    missed: Counter,
    /// Changed under the lock of the hooks alone.
    armed: Atomic<bool>,
    #[pin]
    probe: Opaque<bindings::fprobe>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: The functions of fprobe may be called from any thread, and `T` is `Send`.
unsafe impl<T: Handler> Send for Registration<T> {}
// SAFETY: A shared reference gives access to the handler and to counters, and `T` is `Sync`.
// All other uses of `probe` are under the lock of the hooks.
unsafe impl<T: Handler> Sync for Registration<T> {}

/// The [`Entry::id`] of the next registration. The first one is random, so that no fprobe of
/// others has data that begins with it.
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

fn next_id() -> u64 {
    if NEXT_ID.load(Ordering::Relaxed) == 0 {
        // SAFETY: May be called in any context.
        let first = unsafe { bindings::get_random_u64() } | 1;
        // If this fails, somebody else has set it.
        let _ = NEXT_ID.compare_exchange(0, first, Ordering::Relaxed, Ordering::Relaxed);
    }
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

impl<T: Handler> Registration<T> {
    const DATA_SIZE: usize = {
        let size = size_of::<Entry<T::Data>>();
        // `MAX_FPROBE_DATA_SIZE`.
        assert!(size <= 15 * 8 && align_of::<Entry<T::Data>>() <= 8);
        size
    };

    /// Creates an initialiser that hooks the kernel function `target`.
    ///
    /// # Errors
    ///
    /// - `ENOENT`, `EINVAL`, `ENOTUNIQ`: as for [`ftrace::Registration::new`](crate::ftrace::Registration::new).
    /// - `ENOMEM`, and what fprobe returns else.
    ///
    /// # Context
    ///
    /// The initialiser may sleep.
    pub fn new<'a>(
        target: impl Into<Target<'a>> + 'a,
        handler: T,
    ) -> impl PinInit<Self, Error> + 'a {
        try_pin_init!(Self {
            handler,
            id: next_id(),
            missed: Counter::new()?,
            armed: Atomic::new(false),
            probe: Opaque::uninit(),
            _pin: PhantomPinned,
        })
        .pin_chain(|this| {
            let this = this.as_ref().get_ref();
            // SAFETY: The fields of an fprobe may be zero, and nobody uses it yet.
            unsafe { this.probe.get().write(pin_init::zeroed()) };
            let code = Self::entry as *const () as usize;
            // SAFETY: `this` is pinned, and `drop` detaches it.
            unsafe { attach_single(target.into(), this, code) }
        })
    }

    /// Returns the handler.
    pub fn handler(&self) -> &T {
        &self.handler
    }

    /// Returns how many calls the handler has not seen: they came from within a handler of the
    /// same context, or there was no room on a task's shadow stack.
    pub fn missed(&self) -> u64 {
        // SAFETY: `new` has initialised it. The kernel counts without a lock.
        let missed = unsafe { ptr::read_volatile(&raw const (*self.probe.get()).nmissed) };
        self.missed.sum() + missed as u64
    }

    /// # Safety
    ///
    /// `probe` is that of an initialised registration.
    unsafe fn of<'a>(probe: *mut bindings::fprobe) -> &'a Self {
        let probe: *const Opaque<bindings::fprobe> = probe.cast();
        // SAFETY: By the function's requirements; fprobe calls while it is registered only.
        unsafe { &*kernel::container_of!(probe, Self, probe) }
    }

    /// # Safety
    ///
    /// Called by fprobe alone, with the `probe` of a registration and room for its data.
    unsafe extern "C" fn entry(
        probe: *mut bindings::fprobe,
        entry_ip: c_ulong,
        ret_ip: c_ulong,
        fregs: *mut bindings::ftrace_regs,
        entry_data: *mut c_void,
    ) -> c_int {
        // SAFETY: By the function's requirements.
        let this = unsafe { Self::of(probe) };
        let Ok(_inside) = Inside::enter() else {
            this.missed.increment();
            // The exit is left out.
            return 1;
        };
        // SAFETY: fprobe passes the registers of the function's entry.
        let call = unsafe { Call::from_regs(entry_ip, ret_ip, fregs) };
        let Some(data) = this.handler.entry(&call) else {
            // The exit is left out.
            return 1;
        };
        // SAFETY: By the function's requirements; the shadow stack consists of longs.
        unsafe {
            entry_data
                .cast::<Entry<T::Data>>()
                .write(Entry { id: this.id, data })
        };
        0
    }

    /// # Safety
    ///
    /// Called by fprobe alone, with the `probe` of a registration.
    unsafe extern "C" fn exit(
        probe: *mut bindings::fprobe,
        entry_ip: c_ulong,
        _ret_ip: c_ulong,
        fregs: *mut bindings::ftrace_regs,
        entry_data: *mut c_void,
    ) {
        // SAFETY: By the function's requirements.
        let this = unsafe { Self::of(probe) };
        let entry: *const Entry<T::Data> = entry_data.cast();
        // fprobe knows a registration by its address. A call may have begun when another one
        // was there: then the data is that one's, or there is none.
        if entry.is_null() {
            return;
        }
        // SAFETY: Each registration of this library begins its data with its ID.
        if unsafe { (*entry).id } != this.id {
            return;
        }
        // SAFETY: `entry` has written it for this registration.
        let data = unsafe { (*entry).data };
        let Ok(_inside) = Inside::enter() else {
            return this.missed.increment();
        };
        let ret = Return {
            entry_ip,
            // SAFETY: fprobe passes the registers of the function's return.
            value: unsafe { (*fregs.cast::<bindings::__arch_ftrace_regs>()).regs.ax },
        };
        this.handler.exit(&ret, data);
    }
}

impl<T: Handler> Single for Registration<T> {
    fn arm(&self, address: usize) -> Result {
        if self.armed.load(Relaxed) {
            return Ok(());
        }
        let probe = self.probe.get();
        // SAFETY: It is not registered, and the lock of the hooks keeps others from it. The
        // count of missed calls goes on.
        unsafe {
            let nmissed = (*probe).nmissed;
            probe.write(bindings::fprobe {
                entry_data_size: Self::DATA_SIZE,
                entry_handler: Some(Self::entry),
                exit_handler: Some(Self::exit),
                nmissed,
                ..pin_init::zeroed()
            })
        };
        fault::REGISTER_FPROBE.check()?;
        let mut address = address;
        // SAFETY: `probe` is valid and stays in its place until `PinnedDrop`. The address is
        // read before the function returns.
        to_result(unsafe { bindings::register_fprobe_ips(probe, &mut address, 1) })?;
        // INVARIANT: Just registered.
        self.armed.store(true, Relaxed);
        Ok(())
    }

    fn disarm(&self) {
        if self.armed.load(Relaxed) {
            // SAFETY: By the type invariants it is registered. Waits until no CPU is in a
            // handler.
            unsafe { bindings::unregister_fprobe(self.probe.get()) };
            self.armed.store(false, Relaxed);
        }
    }
}

#[pinned_drop]
impl<T: Handler> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        detach_single(self.as_ref().get_ref());
    }
}
