// SPDX-License-Identifier: GPL-2.0

//! Filters that pick the classes of packets.
//!
//! C header: [`include/net/pkt_cls.h`](srctree/include/net/pkt_cls.h)

use crate::{bindings, fault};
use core::ptr::NonNull;
use kernel::{bindings::netlink_ext_ack, error::to_result, prelude::*, types::Opaque};

/// The filters of a qdisc, in the memory that C zeroes: there are none at first.
///
/// # Invariants
///
/// `block` is null, or from `tcf_block_get()` for `first`, which C writes to then.
#[repr(C)]
pub(super) struct Filters {
    block: Opaque<*mut bindings::tcf_block>,
    first: Opaque<*mut bindings::tcf_proto>,
}

impl Filters {
    /// Lets users add filters to a qdisc.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    ///
    /// # Safety
    ///
    /// Called once, under RTNL, in the memory of the qdisc `sch`, which is being made.
    /// [`put`](Self::put) is called before the memory is freed. `extack` is null or valid.
    pub(super) unsafe fn get(
        &self,
        sch: *mut bindings::Qdisc,
        extack: *mut netlink_ext_ack,
    ) -> Result {
        fault::TCF_BLOCK_GET.check()?;
        // SAFETY: By the function's requirements; both places are zeroed by C.
        // INVARIANT: The block is set on success, and left as it is otherwise.
        to_result(unsafe {
            bindings::tcf_block_get(self.block.get(), self.first.get(), sch, extack)
        })
    }

    /// Removes all filters, if there can be any.
    ///
    /// # Safety
    ///
    /// RTNL is held, and nobody else uses the qdisc.
    pub(super) unsafe fn put(&self) {
        // SAFETY: By the type invariants; C takes null for nothing. Not used again.
        unsafe {
            bindings::tcf_block_put(self.block.get().replace(core::ptr::null_mut()));
        }
    }

    /// The block that C keeps them in; null if there cannot be any.
    pub(super) fn block(&self) -> *mut bindings::tcf_block {
        // SAFETY: Written to by `get` and `put` only, which exclude other users.
        unsafe { *self.block.get() }
    }

    /// The first filter, which is there as long as the RCU read-side critical section.
    ///
    /// This is C's `rcu_dereference_bh()`.
    #[inline]
    pub(super) fn first(&self) -> Option<NonNull<bindings::tcf_proto>> {
        // SAFETY: The place is valid, and C replaces the pointer in one access.
        NonNull::new(unsafe { self.first.get().read_volatile() })
    }
}
