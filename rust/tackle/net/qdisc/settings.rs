// SPDX-License-Identifier: GPL-2.0

//! What the two calls that set a qdisc up can do with it.

use super::Sch;
use crate::{bindings, net::SkBuff};
use core::{ops::Deref, ptr::NonNull};

/// A qdisc that is being made.
pub struct Setup<'a> {
    sch: &'a Sch,
}

impl Setup<'_> {
    /// # Safety
    ///
    /// As for [`Sch::from_raw`].
    pub(super) unsafe fn new(raw: *mut bindings::Qdisc) -> Self {
        Self {
            // SAFETY: By the function's requirements.
            sch: unsafe { Sch::from_raw(raw) },
        }
    }

    /// Sets the most packets that may wait. Before that it is 0.
    pub fn set_limit(&mut self, limit: u32) {
        self.sch.set_limit(limit);
    }

    /// Allows packets to be sent past the qdisc while it is empty.
    pub fn allow_bypass(&mut self) {
        // SAFETY: By the invariants of `Sch` nobody else knows the qdisc yet.
        unsafe { (*self.sch.raw()).flags |= bindings::TCQ_F_CAN_BYPASS };
    }
}

impl Deref for Setup<'_> {
    type Target = Sch;

    fn deref(&self) -> &Sch {
        self.sch
    }
}

/// A qdisc whose configuration changes. RTNL is held.
pub struct Change<'a> {
    sch: &'a Sch,
}

impl<'a> Change<'a> {
    /// # Safety
    ///
    /// RTNL is held for the lifetime, which a `Sch` alone does not say.
    pub(super) unsafe fn new(sch: &'a Sch) -> Self {
        Self { sch }
    }

    /// Sets the most packets that may wait.
    pub fn set_limit(&mut self, limit: u32) {
        self.sch.set_limit(limit);
    }

    /// Drops packets from the head of the queue until no more than the limit wait.
    pub fn trim(&mut self) {
        let (sch, mut packets, mut bytes) = (self.sch.raw(), 0u32, 0u32);
        while self.sch.qlen() > self.sch.limit() {
            // SAFETY: The lock is held; `direct` keeps the kernel from calling our dequeue.
            let skb = unsafe { bindings::qdisc_dequeue_internal(sch, true) };
            let Some(skb) = NonNull::new(skb) else {
                break;
            };
            // SAFETY: The packet is ours now, on no list, and of this qdisc.
            let packet = unsafe { SkBuff::from_raw(skb) };
            packets = packets.wrapping_add(1);
            bytes = bytes.wrapping_add(packet.len());
            // SAFETY: RTNL is held: the packet is freed when it is released.
            unsafe { bindings::rtnl_qdisc_drop(packet.into_raw(), sch) };
        }
        if packets != 0 {
            self.sch.reduce_backlog(packets, bytes);
        }
    }
}

impl Deref for Change<'_> {
    type Target = Sch;

    fn deref(&self) -> &Sch {
        self.sch
    }
}
