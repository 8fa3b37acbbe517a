// SPDX-License-Identifier: GPL-2.0

//! The functions that C calls to tell user space of a qdisc.

use super::{lock::TreeLock, ops::Ops, Qdisc};
use crate::{bindings, net::netlink::Nest};
use core::ptr;
use kernel::{
    bindings::sk_buff,
    error::from_result,
    ffi::{c_int, c_void},
    prelude::*,
};

impl<T: Qdisc> Ops<T> {
    /// # Safety
    ///
    /// Called by C under RTNL, with a message to add to.
    pub(super) unsafe extern "C" fn dump(sch: *mut bindings::Qdisc, skb: *mut sk_buff) -> c_int {
        from_result(|| {
            // SAFETY: The message is for this call.
            let mut options = unsafe { Nest::start(skb, bindings::TCA_OPTIONS as u16) }?;
            // SAFETY: RTNL is held; the qdisc is in a tree, or nobody else is left.
            let lock = unsafe { TreeLock::new(sch) };
            // SAFETY: The lock is held.
            let state = unsafe { Self::state(sch) };
            T::dump(state.as_ref().get_ref(), lock.sch(), &mut options)?;
            drop(lock);
            options.end();
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Called by C under RTNL, with a dump to add to.
    pub(super) unsafe extern "C" fn dump_stats(
        sch: *mut bindings::Qdisc,
        dump: *mut bindings::gnet_dump,
    ) -> c_int {
        let mut stats = {
            // SAFETY: RTNL is held; the qdisc is in a tree, or nobody else is left.
            let lock = unsafe { TreeLock::new(sch) };
            // SAFETY: The lock is held.
            let state = unsafe { Self::state(sch) };
            T::stats(state.as_ref().get_ref(), lock.sch())
        };
        // SAFETY: The dump is valid.
        unsafe { Self::copy_stats(dump, &mut stats) }
    }

    /// Adds statistics of the kind to a dump.
    ///
    /// # Safety
    ///
    /// `dump` is valid, and the caller's.
    pub(super) unsafe fn copy_stats(dump: *mut bindings::gnet_dump, stats: &mut T::Stats) -> c_int {
        let len = const {
            assert!(size_of::<T::Stats>() <= u16::MAX as usize);
            size_of::<T::Stats>() as c_int
        };
        let stats: *mut c_void = ptr::from_mut(stats).cast();
        // SAFETY: By the function's requirements; the statistics have `len` bytes, all
        // initialised, and are copied.
        unsafe { bindings::gnet_stats_copy_app(dump, stats, len) }
    }
}
