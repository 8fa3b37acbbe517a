// SPDX-License-Identifier: GPL-2.0

//! What the call that brings a packet can do with a qdisc.

use super::{filters::Filters, Sch};
use crate::{
    bindings,
    net::{skbuff, DropReason, SkBuff, SkbList},
};
use core::{ffi::c_int, marker::PhantomData, ops::Deref, ptr::NonNull};
use kernel::bindings::sk_buff;

/// What became of a packet that was to be queued, for the caller in C.
///
/// The lengths of the parents' queues do not depend on it: `finish` corrects them by what the call
/// has queued and taken out.
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

    /// The packet was dropped as a filter wants it, or since none knows it: no sign of
    /// congestion.
    const BYPASSED: Self =
        Self::of(bindings::NET_XMIT_SUCCESS | bindings::net_xmit_qdisc_t___NET_XMIT_BYPASS);

    /// A filter's action has taken the packet: no drop.
    const STOLEN: Self =
        Self::of(bindings::NET_XMIT_SUCCESS | bindings::net_xmit_qdisc_t___NET_XMIT_STOLEN);

    const fn of(code: u32) -> Self {
        Self {
            // CAST: Small numbers.
            code: code as c_int,
            _call: PhantomData,
        }
    }
}

/// What the filters of a qdisc (`tc filter`) say of a packet.
pub enum Verdict<'call> {
    /// There are none.
    NoFilters(SkBuff<'call>),
    /// One has matched, and names a class; the number is zero if it names none.
    Class(SkBuff<'call>, u32),
    /// None has matched.
    NoMatch(SkBuff<'call>),
    /// An action has dropped the packet, or taken it away.
    Gone(Outcome<'call>),
}

/// A qdisc that a packet is put into: `'q` in the call `'call`.
///
/// # Invariants
///
/// `to_free` points at the list of the packets that the caller frees after it has
/// released the lock.
pub struct Enqueue<'q, 'call> {
    sch: &'call Sch,
    filters: &'call Filters,
    to_free: *mut *mut sk_buff,
    /// The length of the packet that the call brings.
    len: u32,
    /// Packets taken out in this call, less those put in; wraps around.
    gone: u32,
    /// Their bytes.
    gone_len: u32,
    _qdisc: PhantomData<fn(&'q ()) -> &'q ()>,
}

impl<'q, 'call> Enqueue<'q, 'call> {
    /// # Safety
    ///
    /// As for [`Sch::from_raw`], `'q` stands for this qdisc, and `to_free` is the list that
    /// C has passed.
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
        // SAFETY: By the invariants of `Sch` the list is ours, and so is the packet now.
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
        // SAFETY: The packet is ours, on no list, and of the qdisc `'q`.
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

    /// Takes the packet at the head out of a list.
    #[inline]
    pub fn pop_from(&mut self, list: &mut SkbList<'q>) -> Option<SkBuff<'call>> {
        let packet = self.sch.pop_from(list)?;
        self.gone = self.gone.wrapping_add(1);
        self.gone_len = self.gone_len.wrapping_add(packet.len());
        Some(packet)
    }

    /// Drops a packet that was taken out, and counts it as dropped.
    #[inline]
    pub fn drop(&mut self, packet: SkBuff<'call>, reason: DropReason) {
        let _: Outcome<'_> = self.reject(packet, reason);
    }

    /// Drops the packet instead of queueing it, and counts it as dropped.
    #[inline]
    pub fn reject(&mut self, packet: SkBuff<'call>, reason: DropReason) -> Outcome<'call> {
        let (skb, sch) = (packet.into_raw(), self.sch.raw());
        // SAFETY: The packet goes to the caller's list by the type invariants; the root
        // lock is held.
        let code = unsafe { bindings::qdisc_drop_reason(skb, sch, self.to_free, reason as u32) };
        Outcome {
            code,
            _call: PhantomData,
        }
    }

    /// Drops a packet that is for no class, and counts it as dropped.
    #[cold]
    pub fn reject_unclassified(&mut self, packet: SkBuff<'call>) -> Outcome<'call> {
        self.sch.count_drops(1);
        // SAFETY: The packet goes to the caller's list by the type invariants.
        unsafe { bindings::__qdisc_drop(packet.into_raw(), self.to_free) };
        Outcome::BYPASSED
    }

    /// Asks the qdisc's filters what the packet's class is.
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
        // SAFETY: The packet is ours. The filter was read with bottom halves disabled, as
        // they are during the call: it is there until the next grace period.
        let action =
            unsafe { bindings::tcf_classify_qdisc(skb, first.as_ptr(), &mut result, false) };
        // CAST: As C has them: the number of an action, or below zero for no match.
        const SHOT: c_int = bindings::TC_ACT_SHOT as c_int;
        const STOLEN: c_int = bindings::TC_ACT_STOLEN as c_int;
        const QUEUED: c_int = bindings::TC_ACT_QUEUED as c_int;
        const TRAP: c_int = bindings::TC_ACT_TRAP as c_int;
        const CONSUMED: c_int = bindings::TC_ACT_CONSUMED as c_int;
        if action == CONSUMED {
            // The one action that leaves us without the packet.
            return Verdict::Gone(Outcome::STOLEN);
        }
        // SAFETY: Otherwise the packet is ours again, as it was.
        let packet = unsafe { SkBuff::from_raw(NonNull::new_unchecked(skb)) };
        match action {
            SHOT => Verdict::Gone(self.reject_unclassified(packet)),
            STOLEN | QUEUED | TRAP => {
                // SAFETY: The packet goes to the caller's list by the type invariants.
                unsafe { bindings::__qdisc_drop(packet.into_raw(), self.to_free) };
                Verdict::Gone(Outcome::STOLEN)
            }
            ..0 => Verdict::NoMatch(packet),
            // SAFETY: A filter that has matched has set the class, in the union's member
            // that all but chains use; all of its bytes are initialised.
            _ => Verdict::Class(packet, unsafe {
                result.__bindgen_anon_1.__bindgen_anon_1.classid
            }),
        }
    }

    /// Ends the call, and returns the code for C.
    ///
    /// The parents count the packet after a code of success, and no other: what differs
    /// from that is told here.
    #[inline]
    pub(super) fn finish(&self, outcome: Outcome<'call>) -> c_int {
        if outcome.code == Outcome::QUEUED.code && self.gone == 0u32.wrapping_sub(1) {
            // All that was taken out, and the packet, were put in: as the parents count.
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
