// SPDX-License-Identifier: GPL-2.0

//! Counts a packet that a parent has peeked at, when it leaves.
//!
//! Such a packet waits in the list `gso_skb` of its qdisc. The parent takes it from there
//! without a call of the qdisc's operations (`qdisc_dequeue_peeked()`). The C originals count
//! it as sent when it is peeked at, although it still waits and a change may yet drop it.
//!
//! Here it counts when the qdisc is next peeked at, changed, reset or dumped. Some parents (`ets`,
//! `prio`, `multiq`) show the counts of a child as those of a class without a dump of the child:
//! these may lack the packet that left last.

use super::Sch;
use crate::{
    bindings,
    net::{skbuff, SkBuff},
};
use core::{mem, ptr::NonNull};
use kernel::bindings::sk_buff;

/// What to add to the counts when the packet that was last peeked at leaves.
///
/// All bytes zero is valid, and means that no packet is parked.
#[derive(Default)]
pub(super) struct Parked {
    waits: bool,
    bytes: u32,
    packets: u32,
}

impl Parked {
    /// Notes what is to be counted when the packet leaves that was just put in front of the queue.
    pub(super) fn note(&mut self, packet: &SkBuff<'_>) {
        *self = Self {
            waits: true,
            bytes: packet.len(),
            packets: packet.segments().into(),
        };
    }

    /// Counts the packet as sent if it has left.
    pub(super) fn settle(&mut self, sch: &Sch) {
        if self.waits && set_aside(sch) == 0 {
            let Self { bytes, packets, .. } = mem::take(self);
            sch.count_sent(bytes, packets);
        }
    }

    /// Takes the packet back, if it waits still.
    ///
    /// A packet that the device has returned waits in the same list. It was counted as sent, so
    /// it stays, even above the limit.
    pub(super) fn pop<'call>(&mut self, sch: &'call Sch) -> Option<SkBuff<'call>> {
        if !self.waits {
            return None;
        }
        // SAFETY: By the invariants of `Sch` the list is ours.
        let skb = unsafe { bindings::__skb_dequeue(&raw mut (*sch.raw()).gso_skb) };
        let skb = NonNull::new(skb)?;
        self.waits = false;
        // SAFETY: The packet was on the list, and is on none now; it is of this qdisc.
        let packet = unsafe { SkBuff::from_raw(skb) };
        sch.remove(packet.len());
        Some(packet)
    }

    /// Whether there is one.
    pub(super) fn waits(&self) -> bool {
        self.waits
    }

    /// The packets that wait and were not counted as sent.
    pub(super) fn waiting(&self, sch: &Sch) -> u32 {
        // SAFETY: By the invariants of `Sch` the list does not change.
        let misplaced = unsafe { (*sch.raw()).skb_bad_txq.qlen };
        let returned = set_aside(sch).saturating_sub(self.waits.into());
        sch.qlen()
            .saturating_sub(returned)
            .saturating_sub(misplaced)
    }
}

/// Puts a packet that was taken out in front of the queue, where it is part of the queue again,
/// and returns it.
#[inline]
pub(super) fn park(sch: &Sch, packet: SkBuff<'_>) -> *mut sk_buff {
    sch.add(packet.len());
    let skb = packet.into_raw();
    // SAFETY: By the invariants of `Sch` the list is ours, and so is the packet.
    unsafe { skbuff::queue_head(&raw mut (*sch.raw()).gso_skb, skb) };
    skb
}

/// The packets on the list `gso_skb`: the one that was peeked at, or some that the device has
/// returned.
fn set_aside(sch: &Sch) -> u32 {
    // SAFETY: By the invariants of `Sch` the list does not change.
    unsafe { (*sch.raw()).gso_skb.qlen }
}
