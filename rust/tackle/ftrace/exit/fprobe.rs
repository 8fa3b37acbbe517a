// SPDX-License-Identifier: GPL-2.0

//! Exit hooks by fprobe, on functions that no trampoline of ours can call.
//!
//! fprobe uses the function graph tracer. What a call carries from its entry to its exit is on the
//! tracer's shadow stack of the task.
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
    /// The fprobe is not registered. This is pinned, and unregisters it.
    pub(super) unsafe fn register_fprobe(&self, mut address: usize) -> Result {
        let probe = self.probe.get();
        fault::REGISTER_FPROBE.check()?;
        // SAFETY: The fprobe is not registered, and the lock of the hooks is held. The count of
        // missed calls goes on. The address is read before the function returns.
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

    /// Unregisters the fprobe. Waits until no CPU is in a handler.
    ///
    /// # Safety
    ///
    /// It is registered.
    pub(super) unsafe fn unregister_fprobe(&self) {
        // SAFETY: By the function's requirements.
        unsafe { bindings::unregister_fprobe(self.probe.get()) };
    }

    /// Returns how many calls fprobe has missed: there was no room on a task's shadow stack.
    pub(super) fn fprobe_missed(&self) -> u64 {
        // SAFETY: `new` has initialised it. The kernel counts without a lock.
        unsafe { ptr::read_volatile(&raw const (*self.probe.get()).nmissed) as u64 }
    }

    /// # Safety
    ///
    /// `probe` is that of an initialised hook.
    unsafe fn of<'a>(probe: *mut bindings::fprobe) -> &'a Self {
        let probe: *const Opaque<bindings::fprobe> = probe.cast();
        // SAFETY: By the function's requirements; fprobe calls while it is registered only.
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
        // Without a record, fprobe does not call `exit`.
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
        // SAFETY: By the function's requirements; the shadow stack consists of longs.
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
        // fprobe finds a hook by its address. A call may have begun when another hook was there:
        // then the record is that hook's, or there is none.
        // SAFETY: Each hook of this library begins its data with its ID.
        if record.is_null() || unsafe { (*record).id } != this.id {
            return;
        }
        // SAFETY: `entry` has written it for this hook.
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
