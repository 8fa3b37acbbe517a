// SPDX-License-Identifier: GPL-2.0

//! Implements the operations on a qdisc during a call that removes packets.

use super::{parked::park, Sch};
use crate::{
    bindings,
    net::{skbuff, DropReason, SkBuff, SkbList},
};
use core::{
    marker::PhantomData,
    ops::Deref,
    ptr::{self, NonNull},
};
use kernel::bindings::sk_buff;

/// The qdisc `'q` during the call `'call`, which removes packets from it.
///
/// Packets that the call has removed but does not return have left the qdisc. At the end of the
/// call they are subtracted from the counts of the parents.
pub struct Dequeue<'q, 'call> {
    sch: &'call Sch,
    /// The number of packets that waited when the call began.
    qlen: u32,
    /// The bytes of these packets.
    backlog: u32,
    _qdisc: PhantomData<fn(&'q ()) -> &'q ()>,
}

impl<'q, 'call> Dequeue<'q, 'call> {
    /// # Safety
    ///
    /// `'q` identifies this qdisc, and is used for no other one.
    #[inline]
    pub(super) unsafe fn new(sch: &'call Sch) -> Self {
        Self {
            sch,
            qlen: sch.qlen(),
            backlog: sch.backlog(),
            _qdisc: PhantomData,
        }
    }

    /// Removes and returns the first packet of the qdisc's own queue.
    #[inline]
    pub fn pop(&mut self) -> Option<SkBuff<'call>> {
        // SAFETY: By the invariants of `Sch` no other code changes the list, and its packets are
        // valid.
        let skb = unsafe {
            let q = &raw mut (*self.sch.raw()).q;
            let skb = NonNull::new((*q).head)?;
            let head = *skbuff::next(skb.as_ptr());
            (*q).head = head;
            if head.is_null() {
                (*q).tail = ptr::null_mut();
            }
            *skbuff::next(skb.as_ptr()) = ptr::null_mut();
            skb
        };
        // The code that sends the packet reads its fragments from there.
        // SAFETY: The packet is valid. Only an address is computed.
        prefetch(unsafe { &raw const (*skb.as_ptr()).end }.cast());
        // SAFETY: The packet was in the list of this qdisc, and is in no list now.
        let packet = unsafe { SkBuff::from_raw(skb) };
        // The packets in the list are part of the counts.
        self.sch.remove(packet.len());
        Some(packet)
    }

    /// Removes and returns the first packet of a list.
    #[inline]
    pub fn pop_from(&mut self, list: &mut SkbList<'q>) -> Option<SkBuff<'call>> {
        self.sch.pop_from(list)
    }

    /// Drops a packet that was removed from the qdisc, and counts it as dropped.
    #[inline]
    pub fn drop(&mut self, packet: SkBuff<'call>, reason: DropReason) {
        self.sch.count_drops(1);
        let (skb, sch) = (packet.into_raw(), self.sch.raw());
        // Like C's `qdisc_dequeue_drop()`. A helper for that function would cost a call, and the
        // function reads the root as if its lock were not held.
        // SAFETY: `packet` owned the packet. By the invariants of `Sch` the root lock is held, so
        // the root does not change. The packet is only added to the list `to_free` of a root with
        // `TCQ_F_DEQUEUE_DROPS`, which frees the packets of this list after the call.
        unsafe {
            let root = (*(*sch).dev_queue).qdisc_sleeping;
            if (*root).flags & bindings::TCQ_F_DEQUEUE_DROPS != 0 {
                (*skbuff::tc_skb_cb(skb)).drop_reason = reason as u32;
                *skbuff::next(skb) = (*root).to_free;
                (*root).to_free = skb;
            } else {
                skbuff::free(skb, reason);
            }
        }
    }

    /// Ends the call, whose result is `packet`. Passes the packet to C, and counts it as sent.
    ///
    /// If `peek` is true, the packet is parked in front of the queue instead, and is not counted.
    #[inline]
    pub(super) fn finish(self, packet: Option<SkBuff<'call>>, peek: bool) -> *mut sk_buff {
        let Some(packet) = packet else {
            self.tell_parents();
            return ptr::null_mut();
        };
        if peek {
            let skb = park(self.sch, packet);
            self.tell_parents();
            return skb;
        }
        self.sch.count_sent(packet.len(), packet.segments().into());
        // By its lifetime, the packet was removed in this call. The parents count it themselves.
        let gone = self.gone().wrapping_sub(1);
        if gone != 0 {
            let len = self.gone_len().wrapping_sub(packet.len());
            self.sch.reduce_backlog(gone, len);
        }
        packet.into_raw()
    }

    /// Subtracts the packets that have left from the counts of the parents. A packet must be parked
    /// before this: the parents treat the qdisc as empty if its length is 0.
    #[inline]
    pub(super) fn tell_parents(self) {
        if self.gone() != 0 {
            self.sch.reduce_backlog(self.gone(), self.gone_len());
        }
    }

    /// Returns the number of packets that this call has removed. It is the difference of the
    /// counts, which no other code has changed during the call.
    #[inline]
    fn gone(&self) -> u32 {
        self.qlen.wrapping_sub(self.sch.qlen())
    }

    /// Returns the bytes of the packets that this call has removed.
    #[inline]
    fn gone_len(&self) -> u32 {
        self.backlog.wrapping_sub(self.sch.backlog())
    }
}

impl Deref for Dequeue<'_, '_> {
    type Target = Sch;

    #[inline]
    fn deref(&self) -> &Sch {
        self.sch
    }
}

/// C's `prefetch()`: a hint to the CPU to load the memory into its cache.
#[inline]
fn prefetch(place: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: The instruction changes no registers and no memory, and never faults.
    unsafe {
        core::arch::asm!(
            "prefetcht0 [{}]",
            in(reg) place,
            options(nostack, preserves_flags, readonly)
        )
    };
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}
