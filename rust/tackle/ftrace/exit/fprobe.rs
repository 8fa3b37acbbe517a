// SPDX-License-Identifier: GPL-2.0

//! Implements exit hooks by fprobe, for functions that no trampoline of the library can call.
//!
//! fprobe uses the function graph tracer. The record of a call is kept on the shadow stack that the
//! tracer has for each task.
//!
//! C header: [`include/linux/fprobe.h`](srctree/include/linux/fprobe.h), described in
//! `Documentation/trace/fprobe.rst` of the kernel.

use super::{chain::Record, ExitHandler, ExitHook, Return};
use crate::{
    bindings, fault,
    ftrace::{context::Inside, Call},
};
use core::ptr;
use kernel::{
    error::to_result,
    ffi::{c_int, c_ulong, c_void},
    prelude::*,
    types::Opaque,
};

impl<T: ExitHandler> ExitHook<T> {
    /// Registers an fprobe on the function at `address`.
    ///
    /// # Errors
    ///
    /// Those of `register_fprobe_ips()`.
    ///
    /// # Safety
    ///
    /// The fprobe is not registered. `self` is pinned, and unregisters the fprobe before it is
    /// dropped.
    pub(super) unsafe fn register_fprobe(&self, mut address: usize) -> Result {
        let probe = self.probe.get();
        fault::REGISTER_FPROBE.check()?;
        // SAFETY: The fprobe is not registered, and the lock of the hooks is held, so nothing else
        // uses it. `register_fprobe_ips()` does not use `address` after it has returned.
        //
        // The count of missed calls is kept.
        to_result(unsafe {
            let nmissed = (*probe).nmissed;
            probe.write(bindings::fprobe {
                entry_data_size: Record::<T::Data>::SIZE,
                entry_handler: Some(Self::entry),
                exit_handler: Some(Self::exit),
                nmissed,
                ..pin_init::zeroed()
            });
            bindings::register_fprobe_ips(probe, &mut address, 1)
        })
    }

    /// Unregisters the fprobe. Waits until no CPU executes a handler.
    ///
    /// # Safety
    ///
    /// The fprobe is registered.
    pub(super) unsafe fn unregister_fprobe(&self) {
        // SAFETY: By the function's requirements.
        unsafe { bindings::unregister_fprobe(self.probe.get()) };
    }

    /// Returns the number of calls that fprobe has missed, since a task's shadow stack had no room.
    pub(super) fn fprobe_missed(&self) -> u64 {
        // SAFETY: `new` has initialised the fprobe. The kernel updates the count without a lock, so
        // the read is volatile.
        unsafe { ptr::read_volatile(&raw const (*self.probe.get()).nmissed) as u64 }
    }

    /// # Safety
    ///
    /// `probe` is that of an initialised hook.
    unsafe fn of<'a>(probe: *mut bindings::fprobe) -> &'a Self {
        let probe: *const Opaque<bindings::fprobe> = probe.cast();
        // SAFETY: By the function's requirements. fprobe calls the handlers only while the fprobe
        // is registered, so the hook is valid.
        unsafe { &*kernel::container_of!(probe, Self, probe) }
    }

    /// # Safety
    ///
    /// Called by fprobe alone, with the `probe` of a hook and room for its record.
    unsafe extern "C" fn entry(
        probe: *mut bindings::fprobe,
        entry_ip: c_ulong,
        ret_ip: c_ulong,
        fregs: *mut bindings::ftrace_regs,
        entry_data: *mut c_void,
    ) -> c_int {
        // Makes fprobe keep no record, and not call `exit` for this call.
        const NO_EXIT: c_int = 1;
        // SAFETY: By the function's requirements.
        let this = unsafe { Self::of(probe) };
        let Ok(_inside) = Inside::enter() else {
            this.hook.header.missed.increment();
            return NO_EXIT;
        };
        // SAFETY: fprobe passes the registers of the function's entry.
        let call = unsafe { Call::from_regs(entry_ip, ret_ip, fregs) };
        let Some(data) = this.hook.handler.entry(&call) else {
            return NO_EXIT;
        };
        let record = Record { id: this.id, data };
        // SAFETY: By the function's requirements there is room for the record. It is aligned, since
        // the shadow stack consists of longs.
        unsafe { entry_data.cast::<Record<T::Data>>().write(record) };
        0
    }

    /// # Safety
    ///
    /// Called by fprobe alone, with the `probe` of a hook.
    unsafe extern "C" fn exit(
        probe: *mut bindings::fprobe,
        entry_ip: c_ulong,
        _ret_ip: c_ulong,
        fregs: *mut bindings::ftrace_regs,
        entry_data: *mut c_void,
    ) {
        // SAFETY: By the function's requirements.
        let this = unsafe { Self::of(probe) };
        let record: *const Record<T::Data> = entry_data.cast();
        // fprobe identifies a hook by the address of its `struct fprobe`. The call may have begun
        // when another hook was at this address. Then the record belongs to that hook, or there is
        // none.
        //
        // SAFETY: Each hook of this library begins its data with its ID.
        if record.is_null() || unsafe { (*record).id } != this.id {
            return;
        }
        // SAFETY: The record has the ID of this hook, so `entry` has written it for this hook.
        let data = unsafe { (*record).data };
        let Ok(_inside) = Inside::enter() else {
            return this.hook.header.missed.increment();
        };
        let ret = Return {
            ip: entry_ip,
            // SAFETY: fprobe passes the registers of the function's return.
            value: unsafe { (*fregs.cast::<bindings::__arch_ftrace_regs>()).regs.ax },
        };
        this.hook.handler.exit(&ret, data);
    }
}
