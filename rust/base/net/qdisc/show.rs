// SPDX-License-Identifier: GPL-2.0

//! Implements the functions that C calls to show a qdisc to user space.

use super::{lock::TreeLock, ops::Ops, Details, Qdisc};
use crate::{bindings, net::netlink::Nest};
use kernel::{bindings::sk_buff, error::from_result, ffi::c_int};

impl<T: Qdisc> Ops<T> {
    /// # Safety
    ///
    /// Called by C with RTNL held. `skb` is a valid message, to which this function adds.
    pub(super) unsafe extern "C" fn dump(sch: *mut bindings::Qdisc, skb: *mut sk_buff) -> c_int {
        from_result(|| {
            // SAFETY: The message is valid, and no other code uses it during this call.
            let mut options = unsafe { Nest::start(skb, bindings::TCA_OPTIONS as u16) }?;
            // SAFETY: RTNL is held. The qdisc is in a tree, or no other code uses it.
            let lock = unsafe { TreeLock::new(sch) };
            // SAFETY: The lock is held.
            let (state, parked) = unsafe { (Self::state(sch), Self::parked(sch)) };
            // C copies `bstats` after this call, so count a parked packet that has left now.
            parked.settle(lock.sch());
            T::dump(state.as_ref().get_ref(), lock.sch(), &mut options)?;
            drop(lock);
            options.end();
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Called by C with RTNL held. `dump` is a valid dump, to which this function adds.
    pub(super) unsafe extern "C" fn dump_stats(
        sch: *mut bindings::Qdisc,
        dump: *mut bindings::gnet_dump,
    ) -> c_int {
        from_result(|| {
            let (mut details, unlocked) = {
                // SAFETY: RTNL is held. The qdisc is in a tree, or no other code uses it.
                let lock = unsafe { TreeLock::new(sch) };
                // SAFETY: The lock is held.
                let state = unsafe { Self::state(sch) };
                let state = state.as_ref().get_ref();
                let mut details = Details::new(&T::stats(state, lock.sch()))?;
                T::details(state, lock.sch(), &mut details)?;
                (details, T::unlocked_details(state))
            };
            if let Some(unlocked) = unlocked {
                unlocked.put(&mut details)?;
            }
            // SAFETY: The dump is valid.
            Ok(unsafe { copy_stats(dump, &mut details) })
        })
    }
}

/// Adds statistics of a kind to a dump.
///
/// # Safety
///
/// `dump` is valid, and no other code uses it.
pub(super) unsafe fn copy_stats(dump: *mut bindings::gnet_dump, details: &mut Details) -> c_int {
    let bytes = details.bytes();
    // CAST: There are at most `SIZE` bytes, which is a small number.
    let (stats, len) = (bytes.as_mut_ptr().cast(), bytes.len() as c_int);
    // SAFETY: By the function's requirements. The statistics have `len` bytes, and C copies them.
    unsafe { bindings::gnet_stats_copy_app(dump, stats, len) }
}
