// SPDX-License-Identifier: GPL-2.0

//! Implements the operations on a qdisc during the calls that set it up, change it and empty it.

use super::{parked::Parked, Dequeue, Sch};
use crate::{
    bindings,
    net::{SkBuff, SkbList},
};
use core::{marker::PhantomData, ops::Deref};

/// A qdisc that is being made.
pub struct Setup<'a> {
    sch: &'a Sch,
}

impl Setup<'_> {
    /// # Safety
    ///
    /// Those of [`Sch::from_raw`].
    pub(super) unsafe fn new(raw: *mut bindings::Qdisc) -> Self {
        Self {
            // SAFETY: By the function's requirements.
            sch: unsafe { Sch::from_raw(raw) },
        }
    }

    /// Sets the limit of packets that may wait. It is 0 before that.
    pub fn set_limit(&mut self, limit: u32) {
        self.sch.set_limit(limit);
    }

    /// Allows the kernel to send packets without the qdisc while the qdisc is empty.
    pub fn allow_bypass(&mut self) {
        // SAFETY: The qdisc is being made, so no other thread has a pointer to it yet.
        unsafe { (*self.sch.raw()).flags |= bindings::TCQ_F_CAN_BYPASS };
    }
}

impl Deref for Setup<'_> {
    type Target = Sch;

    fn deref(&self) -> &Sch {
        self.sch
    }
}

/// The qdisc `'q` during the call `'call`, which changes its configuration.
///
/// Packets that the call removes leave the qdisc. At the end of the call they are subtracted from
/// the counts of the parents.
///
/// # Invariants
///
/// RTNL is held.
pub struct Change<'q, 'call> {
    queue: Dequeue<'q, 'call>,
    sch: &'call Sch,
    parked: &'call mut Parked,
}

impl<'q, 'call> Change<'q, 'call> {
    /// # Safety
    ///
    /// Those of [`Dequeue::new`]. RTNL is held for the lifetime, which a `Sch` does not imply.
    pub(super) unsafe fn new(sch: &'call Sch, parked: &'call mut Parked) -> Self {
        // INVARIANT: By the function's requirements.
        Self {
            // SAFETY: By the function's requirements.
            queue: unsafe { Dequeue::new(sch) },
            sch,
            parked,
        }
    }

    /// Sets the limit of packets that may wait.
    pub fn set_limit(&mut self, limit: u32) {
        self.sch.set_limit(limit);
    }

    /// Removes and returns the packet that a parent has peeked at, if it still waits. It is in
    /// front of all other packets.
    pub fn pop_parked(&mut self) -> Option<SkBuff<'call>> {
        self.parked.pop(self.sch)
    }

    /// Removes and returns the first packet of the qdisc's own queue.
    pub fn pop(&mut self) -> Option<SkBuff<'call>> {
        self.queue.pop()
    }

    /// Removes and returns the first packet of a list.
    pub fn pop_from(&mut self, list: &mut SkbList<'q>) -> Option<SkBuff<'call>> {
        self.queue.pop_from(list)
    }

    /// Drops a packet that was removed from the qdisc, and counts it as dropped. The packet is
    /// freed when RTNL is released, without a drop reason. It is not put into the list `to_free` of
    /// the root, as [`Dequeue::drop`](super::Dequeue::drop) does: that list is emptied only when
    /// the device sends, which may never happen.
    pub fn drop(&mut self, packet: SkBuff<'call>) {
        self.sch.count_drops(1);
        let skb = packet.into_raw();
        // SAFETY: `packet` owned the packet, which is on no list. RTNL is held by the type
        // invariants.
        unsafe { bindings::rtnl_kfree_skbs(skb, skb) };
    }

    /// Drops the first packet, which is a parked packet or the head of the qdisc's own queue.
    /// Returns false if there is none.
    pub fn drop_head(&mut self) -> bool {
        let packet = self.pop_parked().or_else(|| self.pop());
        packet.map(|packet| self.drop(packet)).is_some()
    }

    /// Ends the call.
    pub(super) fn finish(self) {
        self.queue.tell_parents();
    }
}

impl Deref for Change<'_, '_> {
    type Target = Sch;

    fn deref(&self) -> &Sch {
        self.sch
    }
}

/// The qdisc `'q` during the call that empties it.
///
/// # Invariants
///
/// RTNL is held.
pub struct Reset<'q> {
    waiting: u32,
    purged: u32,
    _qdisc: PhantomData<fn(&'q ()) -> &'q ()>,
}

impl<'q> Reset<'q> {
    /// # Safety
    ///
    /// RTNL is held for the lifetime. `'q` identifies the qdisc, and is used for no other one. The
    /// qdisc's counts are set to zero after the call.
    pub(super) unsafe fn new(waiting: u32) -> Self {
        // INVARIANT: By the function's requirements.
        Self {
            waiting,
            purged: 0,
            _qdisc: PhantomData,
        }
    }

    /// Returns the number of packets that were purged.
    pub(super) fn purged(&self) -> u32 {
        self.purged
    }

    /// Returns the number of packets that wait. All of them are dropped, and are counted as dropped
    /// already.
    pub fn waiting(&self) -> u32 {
        self.waiting
    }

    /// Removes the packets of a list, which are freed when RTNL is released.
    pub fn purge(&mut self, list: &mut SkbList<'q>) {
        self.purged += list.count();
        let (head, tail) = list.take();
        // SAFETY: The list owned the packets, and RTNL is held. C accepts null for no packets.
        unsafe { bindings::rtnl_kfree_skbs(head, tail) };
    }
}
