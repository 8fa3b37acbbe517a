// SPDX-License-Identifier: GPL-2.0

//! Implements the counting of a packet that a parent has peeked at: it counts as sent when it
//! leaves the qdisc.
//!
//! Such a packet waits in the list `gso_skb` of its qdisc (it is *parked*). The parent removes it
//! from there without a call of the qdisc's operations (`qdisc_dequeue_peeked()`). The original
//! qdiscs in C count the packet as sent when the parent peeks at it, although it still waits and a
//! change may still drop it.
//!
//! Here a packet that has left is counted when the qdisc is next peeked at, changed, reset or
//! dumped. Some parents (`ets`, `prio`, `multiq`) show the counts of a child as the counts of a
//! class, without a dump of the child. These counts may lack the packet that left last.

use super::Sch;
use crate::{
    bindings,
    net::{skbuff, SkBuff},
};
use core::{mem, ptr::NonNull};
use kernel::bindings::sk_buff;

/// The numbers to add to the counts when the parked packet leaves.
///
/// A value with all bytes zero is valid, and means that no packet is parked.
#[derive(Default)]
pub(super) struct Parked {
    waits: bool,
    bytes: u32,
    packets: u32,
}

impl Parked {
    /// Stores the numbers for `packet`, which was parked just now.
    pub(super) fn note(&mut self, packet: &SkBuff<'_>) {
        *self = Self {
            waits: true,
            bytes: packet.len(),
            packets: packet.segments().into(),
        };
    }

    /// Counts the parked packet as sent if it has left.
    pub(super) fn settle(&mut self, sch: &Sch) {
        if self.waits && set_aside(sch) == 0 {
            let Self { bytes, packets, .. } = mem::take(self);
            sch.count_sent(bytes, packets);
        }
    }

    /// Removes and returns the parked packet, if it still waits.
    ///
    /// A packet that the device has returned waits in the same list. It was counted as sent
    /// already, so it stays, even if the queue is above its limit.
    pub(super) fn pop<'call>(&mut self, sch: &'call Sch) -> Option<SkBuff<'call>> {
        if !self.waits {
            return None;
        }
        // SAFETY: By the invariants of `Sch` no other code changes the list.
        let skb = unsafe { bindings::__skb_dequeue(&raw mut (*sch.raw()).gso_skb) };
        let skb = NonNull::new(skb)?;
        self.waits = false;
        // SAFETY: The packet was in the list of this qdisc, and is in no list now.
        let packet = unsafe { SkBuff::from_raw(skb) };
        sch.remove(packet.len());
        Some(packet)
    }

    /// Returns whether a packet is parked, or has left and is not counted yet.
    pub(super) fn waits(&self) -> bool {
        self.waits
    }

    /// Returns the number of packets that wait and were not counted as sent.
    pub(super) fn waiting(&self, sch: &Sch) -> u32 {
        // SAFETY: By the invariants of `Sch` the list does not change.
        let misplaced = unsafe { (*sch.raw()).skb_bad_txq.qlen };
        let returned = set_aside(sch).saturating_sub(self.waits.into());
        sch.qlen()
            .saturating_sub(returned)
            .saturating_sub(misplaced)
    }
}

/// Parks a packet that was removed from the queue: puts it into `gso_skb`, where it counts as part
/// of the queue again. Returns the packet.
#[inline]
pub(super) fn park(sch: &Sch, packet: SkBuff<'_>) -> *mut sk_buff {
    sch.add(packet.len());
    let skb = packet.into_raw();
    // SAFETY: By the invariants of `Sch` no other code changes the list. The packet was owned by
    // `packet`, so it is on no list.
    unsafe { skbuff::queue_head(&raw mut (*sch.raw()).gso_skb, skb) };
    skb
}

/// Returns the number of packets in the list `gso_skb`: the parked packet, or packets that the
/// device has returned.
fn set_aside(sch: &Sch) -> u32 {
    // SAFETY: By the invariants of `Sch` the list does not change.
    unsafe { (*sch.raw()).gso_skb.qlen }
}
