// SPDX-License-Identifier: GPL-2.0

//! What the calls that set a qdisc up, change it and empty it can do with it.

use super::{Dequeue, Sch};
use crate::{bindings, net::SkbList};
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

/// A qdisc whose configuration changes: `'q` in the call `'call`. RTNL is held.
///
/// Packets that are taken out are gone from the qdisc: its parents are told when the call
/// is over.
pub struct Change<'q, 'call> {
    queue: Dequeue<'q, 'call>,
}

impl<'q, 'call> Change<'q, 'call> {
    /// # Safety
    ///
    /// As for [`Dequeue::new`]; and RTNL is held for the lifetime, which a `Sch` alone does
    /// not say.
    pub(super) unsafe fn new(sch: &'call Sch) -> Self {
        Self {
            // SAFETY: By the function's requirements.
            queue: unsafe { Dequeue::new(sch, true) },
        }
    }

    /// Sets the most packets that may wait.
    pub fn set_limit(&mut self, limit: u32) {
        self.queue.set_limit(limit);
    }

    /// Drops packets from the head of the qdisc's own queue until no more than the limit
    /// wait, and counts them as dropped. Returns how many these were.
    pub fn trim(&mut self) -> u32 {
        let mut dropped = 0u32;
        while self.qlen() > self.limit() {
            let Some(packet) = self.queue.pop_parked().or_else(|| self.queue.pop()) else {
                break;
            };
            self.queue.discard(packet);
            self.queue.count_drop();
            dropped = dropped.wrapping_add(1);
        }
        dropped
    }

    /// The qdisc as a [`dequeue`](super::Qdisc::dequeue) sees it.
    pub fn queue(&mut self) -> &mut Dequeue<'q, 'call> {
        &mut self.queue
    }

    /// Ends the call.
    pub(super) fn finish(self) {
        self.queue.tell_parents();
    }
}

impl Deref for Change<'_, '_> {
    type Target = Sch;

    fn deref(&self) -> &Sch {
        &self.queue
    }
}

/// A qdisc that is emptied: `'q`. RTNL is held.
pub struct Reset<'q> {
    _qdisc: PhantomData<fn(&'q ()) -> &'q ()>,
}

impl<'q> Reset<'q> {
    /// # Safety
    ///
    /// RTNL is held for the lifetime, and `'q` stands for the qdisc, whose counts are set to
    /// zero afterwards.
    pub(super) unsafe fn new() -> Self {
        Self {
            _qdisc: PhantomData,
        }
    }

    /// Frees the packets of a list when RTNL is released.
    pub fn purge(&mut self, list: &mut SkbList<'q>) {
        let (head, tail) = list.take();
        // SAFETY: The packets are ours, and RTNL is held. C takes null for no packets.
        unsafe { bindings::rtnl_kfree_skbs(head, tail) };
    }
}
