// SPDX-License-Identifier: GPL-2.0

//! What the calls that take packets can do with a qdisc.

use super::Sch;
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
///
/// # Invariants
///
/// If `change`, RTNL is held.
pub struct Dequeue<'q, 'call> {
    sch: &'call Sch,
    /// Packets that waited when the call began.
    qlen: u32,
    /// Their bytes.
    backlog: u32,
    /// Whether the call is a change, which returns no packet. RTNL is held then.
    change: bool,
    _qdisc: PhantomData<fn(&'q ()) -> &'q ()>,
}

impl<'q, 'call> Dequeue<'q, 'call> {
    /// # Safety
    ///
    /// `'q` stands for this qdisc. If `change`, RTNL is held for the lifetime.
    #[inline]
    pub(super) unsafe fn new(sch: &'call Sch, change: bool) -> Self {
        // INVARIANT: By the function's requirements.
        Self {
            sch,
            qlen: sch.qlen(),
            backlog: sch.backlog(),
            change,
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

    /// Takes the packet out that was peeked at, and waits in front of the queue.
    pub(in crate::net) fn pop_parked(&mut self) -> Option<SkBuff<'call>> {
        // SAFETY: By the invariants of `Sch` the list is ours.
        let skb = unsafe { bindings::__skb_dequeue(&raw mut (*self.sch.raw()).gso_skb) };
        // SAFETY: The packet was on the list, and is on none now; it is of this qdisc.
        let packet = unsafe { SkBuff::from_raw(NonNull::new(skb)?) };
        self.sch.remove(packet.len());
        Some(packet)
    }

    /// Drops a packet that was taken out, and counts it as dropped.
    #[inline]
    pub fn drop(&mut self, packet: SkBuff<'call>, reason: DropReason) {
        self.sch.count_drop();
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

    /// Whether the call is a change, which returns no packet.
    #[inline]
    pub(in crate::net) fn is_change(&self) -> bool {
        self.change
    }

    /// Frees a packet that was taken out, without counting it as dropped; when RTNL is
    /// released, if that is held.
    pub(in crate::net) fn discard(&mut self, packet: SkBuff<'call>) {
        if !self.change {
            return drop(packet);
        }
        let skb = packet.into_raw();
        // SAFETY: The packet is ours, on no list, and RTNL is held by the type invariants.
        unsafe { bindings::rtnl_kfree_skbs(skb, skb) };
    }

    /// Ends the call, of which `packet` is the result: counts it as sent, and hands it over
    /// to C.
    ///
    /// With `peek` the packet stays in front of the queue, where C finds it before it calls
    /// again.
    #[inline]
    pub(super) fn finish(self, packet: Option<SkBuff<'call>>, peek: bool) -> *mut sk_buff {
        let Some(packet) = packet else {
            self.tell_parents();
            return ptr::null_mut();
        };
        self.sch.count_sent(&packet);
        if peek {
            let skb = park(self.sch, packet);
            self.tell_parents();
            return skb;
        }
        // It was popped in this call, by its lifetime. The parents count it themselves.
        let gone = self.gone().wrapping_sub(1);
        if gone != 0 {
            let len = self.gone_len().wrapping_sub(packet.len());
            self.sch.reduce_backlog(gone, len);
        }
        packet.into_raw()
    }

    /// Tells the parents of the packets that are gone. What was parked is not: they look at
    /// whether the queue is empty.
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

/// Puts a packet that was taken out in front of the queue, and returns it.
#[inline]
fn park(sch: &Sch, packet: SkBuff<'_>) -> *mut sk_buff {
    // The packet is part of the queue again.
    sch.add(packet.len());
    let skb = packet.into_raw();
    // SAFETY: By the invariants of `Sch` the list is ours, and so is the packet.
    unsafe { skbuff::queue_head(&raw mut (*sch.raw()).gso_skb, skb) };
    skb
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
