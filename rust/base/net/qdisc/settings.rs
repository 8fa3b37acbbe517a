// SPDX-License-Identifier: GPL-2.0

//! What the calls that set a qdisc up, change it and empty it can do with it.

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

/// A qdisc whose configuration changes: `'q` in the call `'call`.
///
/// Packets that are taken out are gone from the qdisc: its parents are told when the call
/// is over.
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
    /// As for [`Dequeue::new`]; and RTNL is held for the lifetime, which a `Sch` alone does
    /// not say.
    pub(super) unsafe fn new(sch: &'call Sch, parked: &'call mut Parked) -> Self {
        // INVARIANT: By the function's requirements.
        Self {
            // SAFETY: By the function's requirements.
            queue: unsafe { Dequeue::new(sch) },
            sch,
            parked,
        }
    }

    /// Sets the most packets that may wait.
    pub fn set_limit(&mut self, limit: u32) {
        self.sch.set_limit(limit);
    }

    /// Takes the packet out that a parent has peeked at, if it waits still. It is in front of
    /// all others.
    pub fn pop_parked(&mut self) -> Option<SkBuff<'call>> {
        self.parked.pop(self.sch)
    }

    /// Takes the packet at the head out of the qdisc's own queue.
    pub fn pop(&mut self) -> Option<SkBuff<'call>> {
        self.queue.pop()
    }

    /// Takes the packet at the head out of a list.
    pub fn pop_from(&mut self, list: &mut SkbList<'q>) -> Option<SkBuff<'call>> {
        self.queue.pop_from(list)
    }

    /// Drops a packet that was taken out, and counts it as dropped. It is freed when RTNL is
    /// released, without a reason. The list `to_free` of the root, where
    /// [`Dequeue::drop`](super::Dequeue::drop) puts packets, is emptied only when the device
    /// sends, which may never happen.
    pub fn drop(&mut self, packet: SkBuff<'call>) {
        self.sch.count_drops(1);
        let skb = packet.into_raw();
        // SAFETY: The packet is ours, on no list, and RTNL is held by the type invariants.
        unsafe { bindings::rtnl_kfree_skbs(skb, skb) };
    }

    /// Drops the packet at the head of the qdisc's own queue; false when there is none.
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

/// A qdisc that is emptied: `'q`.
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
    /// RTNL is held for the lifetime, and `'q` stands for the qdisc, whose counts are set to
    /// zero afterwards.
    pub(super) unsafe fn new(waiting: u32) -> Self {
        // INVARIANT: By the function's requirements.
        Self {
            waiting,
            purged: 0,
            _qdisc: PhantomData,
        }
    }

    /// How many packets were purged.
    pub(super) fn purged(&self) -> u32 {
        self.purged
    }

    /// The packets that wait, all of which are dropped. They are counted as dropped already.
    pub fn waiting(&self) -> u32 {
        self.waiting
    }

    /// Frees the packets of a list when RTNL is released.
    pub fn purge(&mut self, list: &mut SkbList<'q>) {
        self.purged += list.count();
        let (head, tail) = list.take();
        // SAFETY: The packets are ours, and RTNL is held. C takes null for no packets.
        unsafe { bindings::rtnl_kfree_skbs(head, tail) };
    }
}
