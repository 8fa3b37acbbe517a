// SPDX-License-Identifier: GPL-2.0

//! Implements the operations on a qdisc during the call that adds a packet.

use super::{filters::Filters, Sch};
use crate::{
    bindings,
    net::{skbuff, DropReason, SkBuff, SkbList},
};
use core::{ffi::c_int, marker::PhantomData, ops::Deref, ptr::NonNull};
use kernel::bindings::sk_buff;

/// The result of queueing a packet, for the caller in C.
///
/// The lengths of the parents' queues do not depend on it: `finish` corrects them by the packets
/// that the call has queued and removed.
#[must_use]
pub struct Outcome<'call> {
    code: c_int,
    _call: PhantomData<&'call ()>,
}

impl Outcome<'_> {
    /// The packet is in the queue.
    pub const QUEUED: Self = Self::of(bindings::NET_XMIT_SUCCESS);

    /// The packet, or others of the same flow, were dropped: a sign of congestion for the sender.
    pub const CONGESTED: Self = Self::of(bindings::NET_XMIT_CN);

    /// The packet was dropped by a filter, or since it has no class. This is no sign of congestion.
    const BYPASSED: Self =
        Self::of(bindings::NET_XMIT_SUCCESS | bindings::net_xmit_qdisc_t___NET_XMIT_BYPASS);

    /// A filter's action has taken the packet, which does not count as a drop.
    const STOLEN: Self =
        Self::of(bindings::NET_XMIT_SUCCESS | bindings::net_xmit_qdisc_t___NET_XMIT_STOLEN);

    const fn of(code: u32) -> Self {
        Self {
            // CAST: The codes are small numbers.
            code: code as c_int,
            _call: PhantomData,
        }
    }
}

/// The result of the filters of a qdisc (`tc filter`) for a packet.
pub enum Verdict<'call> {
    /// The qdisc has no filters.
    NoFilters(SkBuff<'call>),
    /// A filter has matched. The number is the class that the filter has set, or zero if it has set
    /// none.
    Class(SkBuff<'call>, u32),
    /// No filter has matched.
    NoMatch(SkBuff<'call>),
    /// An action has dropped the packet, or taken it away.
    Gone(Outcome<'call>),
}

/// The qdisc `'q` during the call `'call`, which adds a packet to it.
///
/// # Invariants
///
/// `to_free` points at the list of the packets that the caller frees after it has
/// released the lock.
pub struct Enqueue<'q, 'call> {
    sch: &'call Sch,
    filters: &'call Filters,
    to_free: *mut *mut sk_buff,
    /// The length of the packet that the call adds.
    len: u32,
    /// The number of packets that were removed in this call, less those that were queued; wraps
    /// around.
    gone: u32,
    /// The bytes of these packets; wraps around.
    gone_len: u32,
    _qdisc: PhantomData<fn(&'q ()) -> &'q ()>,
}

impl<'q, 'call> Enqueue<'q, 'call> {
    /// # Safety
    ///
    /// Those of [`Sch::from_raw`]. `'q` identifies this qdisc, and is used for no other one.
    /// `to_free` is the list that C has passed.
    #[inline]
    pub(super) unsafe fn new(
        raw: *mut bindings::Qdisc,
        filters: &'call Filters,
        to_free: *mut *mut sk_buff,
        packet: &SkBuff<'call>,
    ) -> Self {
        // INVARIANT: By the function's requirements.
        Self {
            // SAFETY: By the function's requirements.
            sch: unsafe { Sch::from_raw(raw) },
            filters,
            to_free,
            len: packet.len(),
            gone: 0,
            gone_len: 0,
            _qdisc: PhantomData,
        }
    }

    /// Puts the packet at the end of the qdisc's own queue.
    #[inline]
    pub fn push_tail(&mut self, packet: SkBuff<'call>) -> Outcome<'call> {
        self.count_pushed(&packet);
        let skb = packet.into_raw();
        // SAFETY: By the invariants of `Sch` no other code changes the list. `packet` owned the
        // packet, which is on no list.
        unsafe {
            let q = &raw mut (*self.sch.raw()).q;
            let last = (*q).tail;
            (*q).tail = skb;
            if last.is_null() {
                (*q).head = skb;
            } else {
                *skbuff::next(last) = skb;
            }
        }
        Outcome::QUEUED
    }

    /// Puts a packet at the end of a list.
    #[inline]
    pub fn push_to(&mut self, list: &mut SkbList<'q>, packet: SkBuff<'call>) -> Outcome<'call> {
        self.count_pushed(&packet);
        // SAFETY: `packet` owned the packet, which is on no list, and is of the qdisc `'q`.
        unsafe { list.push(packet.into_skb()) };
        Outcome::QUEUED
    }

    #[inline]
    fn count_pushed(&mut self, packet: &SkBuff<'_>) {
        let len = packet.len();
        self.sch.add(len);
        self.gone = self.gone.wrapping_sub(1);
        self.gone_len = self.gone_len.wrapping_sub(len);
    }

    /// Removes and returns the first packet of a list.
    #[inline]
    pub fn pop_from(&mut self, list: &mut SkbList<'q>) -> Option<SkBuff<'call>> {
        let packet = self.sch.pop_from(list)?;
        self.gone = self.gone.wrapping_add(1);
        self.gone_len = self.gone_len.wrapping_add(packet.len());
        Some(packet)
    }

    /// Drops a packet that was removed from the qdisc, and counts it as dropped.
    #[inline]
    pub fn drop(&mut self, packet: SkBuff<'call>, reason: DropReason) {
        let _: Outcome<'_> = self.reject(packet, reason);
    }

    /// Drops the packet instead of queueing it, and counts it as dropped.
    #[inline]
    pub fn reject(&mut self, packet: SkBuff<'call>, reason: DropReason) -> Outcome<'call> {
        let (skb, sch) = (packet.into_raw(), self.sch.raw());
        // SAFETY: `packet` owned the packet. It is added to the caller's list, which is valid by
        // the type invariants. The root lock is held.
        let code = unsafe { bindings::qdisc_drop_reason(skb, sch, self.to_free, reason as u32) };
        Outcome {
            code,
            _call: PhantomData,
        }
    }

    /// Drops a packet that has no class, and counts it as dropped.
    #[cold]
    pub fn reject_unclassified(&mut self, packet: SkBuff<'call>) -> Outcome<'call> {
        self.sch.count_drops(1);
        // SAFETY: `packet` owned the packet. It is added to the caller's list, which is valid by
        // the type invariants.
        unsafe { bindings::__qdisc_drop(packet.into_raw(), self.to_free) };
        Outcome::BYPASSED
    }

    /// Runs the qdisc's filters, which select the packet's class.
    #[inline]
    pub fn classify(&mut self, packet: SkBuff<'call>) -> Verdict<'call> {
        match self.filters.first() {
            None => Verdict::NoFilters(packet),
            Some(first) => self.classify_from(first, packet),
        }
    }

    #[inline(never)]
    fn classify_from(
        &mut self,
        first: NonNull<bindings::tcf_proto>,
        packet: SkBuff<'call>,
    ) -> Verdict<'call> {
        let mut result: bindings::tcf_result = pin_init::zeroed();
        let skb = packet.into_raw();
        // SAFETY: `packet` owned the packet. Bottom halves are disabled during the call, in which
        // the filter was read, so RCU does not let C free it before the call ends.
        let action =
            unsafe { bindings::tcf_classify_qdisc(skb, first.as_ptr(), &mut result, false) };
        // CAST: C uses an `int`: the number of an action, or a number below zero for no match.
        const SHOT: c_int = bindings::TC_ACT_SHOT as c_int;
        const STOLEN: c_int = bindings::TC_ACT_STOLEN as c_int;
        const QUEUED: c_int = bindings::TC_ACT_QUEUED as c_int;
        const TRAP: c_int = bindings::TC_ACT_TRAP as c_int;
        const CONSUMED: c_int = bindings::TC_ACT_CONSUMED as c_int;
        if action == CONSUMED {
            // This is the only action after which the caller does not own the packet.
            return Verdict::Gone(Outcome::STOLEN);
        }
        // SAFETY: After all other results the caller owns the packet again, unchanged.
        let packet = unsafe { SkBuff::from_raw(NonNull::new_unchecked(skb)) };
        match action {
            SHOT => Verdict::Gone(self.reject_unclassified(packet)),
            STOLEN | QUEUED | TRAP => {
                // SAFETY: `packet` owned the packet. It is added to the caller's list, which is
                // valid by the type invariants.
                unsafe { bindings::__qdisc_drop(packet.into_raw(), self.to_free) };
                Verdict::Gone(Outcome::STOLEN)
            }
            ..0 => Verdict::NoMatch(packet),
            // SAFETY: A filter that has matched has set the class. It has written the member of the
            // union that is used except for chains. All bytes of the union are initialised.
            _ => Verdict::Class(packet, unsafe {
                result.__bindgen_anon_1.__bindgen_anon_1.classid
            }),
        }
    }

    /// Ends the call, and returns the code for C.
    ///
    /// After a code of success, the parents count one more packet, that of the call; otherwise they
    /// count none. This corrects the parents' counts if the call has changed the qdisc in another
    /// way.
    #[inline]
    pub(super) fn finish(&self, outcome: Outcome<'call>) -> c_int {
        if outcome.code == Outcome::QUEUED.code && self.gone == 0u32.wrapping_sub(1) {
            // One packet more was queued than removed, which is what the parents count.
            return outcome.code;
        }
        self.finish_uneven(outcome)
    }

    #[cold]
    fn finish_uneven(&self, outcome: Outcome<'call>) -> c_int {
        let (mut gone, mut gone_len) = (self.gone, self.gone_len);
        if outcome.code == Outcome::QUEUED.code {
            gone = gone.wrapping_add(1);
            gone_len = gone_len.wrapping_add(self.len);
        }
        if gone != 0 || gone_len != 0 {
            self.sch.reduce_backlog(gone, gone_len);
        }
        outcome.code
    }
}

impl Deref for Enqueue<'_, '_> {
    type Target = Sch;

    #[inline]
    fn deref(&self) -> &Sch {
        self.sch
    }
}
