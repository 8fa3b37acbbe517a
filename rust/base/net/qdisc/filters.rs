// SPDX-License-Identifier: GPL-2.0

//! Implements the filters of a qdisc, which select the classes of packets.
//!
//! C header: [`include/net/pkt_cls.h`](srctree/include/net/pkt_cls.h)

use crate::{bindings, fault};
use core::ptr::NonNull;
use kernel::{bindings::netlink_ext_ack, error::to_result, prelude::*, types::Opaque};

/// The filters of a qdisc. C zeroes their memory, which means that there are none at first.
///
/// # Invariants
///
/// `block` is null, or the block that `tcf_block_get()` has returned for `first`. In the latter
/// case C writes to `first`.
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
    /// `ENOMEM`: there is no memory for the block of filters.
    ///
    /// # Safety
    ///
    /// Called once, with RTNL held. `self` is in the memory of the qdisc `sch`, which is being
    /// made. [`put`](Self::put) is called before the memory is freed. `extack` is null or valid.
    pub(super) unsafe fn get(
        &self,
        sch: *mut bindings::Qdisc,
        extack: *mut netlink_ext_ack,
    ) -> Result {
        fault::TCF_BLOCK_GET.check()?;
        // SAFETY: By the function's requirements. C has zeroed both fields.
        // INVARIANT: `block` is set on success, and does not change otherwise.
        to_result(unsafe {
            bindings::tcf_block_get(self.block.get(), self.first.get(), sch, extack)
        })
    }

    /// Removes all filters, if there can be any.
    ///
    /// # Safety
    ///
    /// RTNL is held, and no other code uses the qdisc.
    pub(super) unsafe fn put(&self) {
        // SAFETY: By the type invariants. C accepts null. The block is not used again, since the
        // field is set to null.
        unsafe {
            bindings::tcf_block_put(self.block.get().replace(core::ptr::null_mut()));
        }
    }

    /// Returns the block in which C keeps the filters; null if the qdisc cannot have filters.
    pub(super) fn block(&self) -> *mut bindings::tcf_block {
        // SAFETY: Only `get` and `put` write to the field. By their requirements no other code uses
        // it at the same time.
        unsafe { *self.block.get() }
    }

    /// Returns the first filter. It is valid until the end of the RCU read-side critical section.
    ///
    /// This is C's `rcu_dereference_bh()`.
    #[inline]
    pub(super) fn first(&self) -> Option<NonNull<bindings::tcf_proto>> {
        // SAFETY: The field is valid, and C replaces the pointer in one access.
        NonNull::new(unsafe { self.first.get().read_volatile() })
    }
}
