// SPDX-License-Identifier: GPL-2.0

//! What the calls that take packets can do with a qdisc.

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

/// A qdisc that packets are taken from: `'q` in the call `'call`.
///
/// Packets that were taken out and not returned from the call are gone from the qdisc:
/// its parents are told when the call is over.
pub struct Dequeue<'q, 'call> {
    sch: &'call Sch,
    /// Packets that waited when the call began.
    qlen: u32,
    /// Their bytes.
    backlog: u32,
    _qdisc: PhantomData<fn(&'q ()) -> &'q ()>,
}

impl<'q, 'call> Dequeue<'q, 'call> {
    /// # Safety
    ///
    /// `'q` stands for this qdisc.
    #[inline]
    pub(super) unsafe fn new(sch: &'call Sch) -> Self {
        Self {
            sch,
            qlen: sch.qlen(),
            backlog: sch.backlog(),
            _qdisc: PhantomData,
        }
    }

    /// Takes the packet at the head out of the qdisc's own queue.
    #[inline]
    pub fn pop(&mut self) -> Option<SkBuff<'call>> {
        // SAFETY: By the invariants of `Sch` the list and its packets are ours.
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
        // Whoever sends the packet looks there for its fragments.
        // SAFETY: The packet is valid; only a place is computed.
        prefetch(unsafe { &raw const (*skb.as_ptr()).end }.cast());
        // SAFETY: The packet was on the list, and is on none now; it is of this qdisc.
        let packet = unsafe { SkBuff::from_raw(skb) };
        // The packets on the list are counted.
        self.sch.remove(packet.len());
        Some(packet)
    }

    /// Takes the packet at the head out of a list.
    #[inline]
    pub fn pop_from(&mut self, list: &mut SkbList<'q>) -> Option<SkBuff<'call>> {
        self.sch.pop_from(list)
    }

    /// Drops a packet that was taken out, and counts it as dropped.
    #[inline]
    pub fn drop(&mut self, packet: SkBuff<'call>, reason: DropReason) {
        self.sch.count_drops(1);
        let (skb, sch) = (packet.into_raw(), self.sch.raw());
        // As C's `qdisc_dequeue_drop()`, which a helper would have to be called for, and which
        // reads the root as one who does not hold its lock.
        // SAFETY: The packet is ours to give away. By the invariants of `Sch` the root lock is
        // held, so the root is what it is; a packet that waits for the end of the call is on
        // the list of a root that looks there.
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

    /// Ends the call, of which `packet` is the result: hands it over to C, and counts it as sent.
    ///
    /// With `peek` the packet is put in front of the queue, and is not counted.
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
        // It was popped in this call, by its lifetime. The parents count it themselves.
        let gone = self.gone().wrapping_sub(1);
        if gone != 0 {
            let len = self.gone_len().wrapping_sub(packet.len());
            self.sch.reduce_backlog(gone, len);
        }
        packet.into_raw()
    }

    /// Tells the parents of the packets that are gone, after a packet was parked: they see the
    /// qdisc as empty if its length is 0 then.
    #[inline]
    pub(super) fn tell_parents(self) {
        if self.gone() != 0 {
            self.sch.reduce_backlog(self.gone(), self.gone_len());
        }
    }

    /// The packets that were taken out in this call: nobody else has changed the counts of
    /// the queue meanwhile.
    #[inline]
    fn gone(&self) -> u32 {
        self.qlen.wrapping_sub(self.sch.qlen())
    }

    /// Their bytes.
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

/// C's `prefetch()`: a hint to have the memory at hand soon.
#[inline]
fn prefetch(place: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: Changes no registers and no memory, and never faults.
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
