// SPDX-License-Identifier: GPL-2.0

//! What the two calls that move packets can do with a qdisc.

use super::Sch;
use crate::{
    bindings,
    net::{DropReason, SkBuff},
};
use core::{
    ffi::c_int,
    marker::PhantomData,
    ops::Deref,
    ptr::{self, NonNull},
};
use kernel::bindings::sk_buff;

/// What became of a packet that was to be queued. Only doing it gives one.
#[must_use]
pub struct Outcome<'call> {
    code: c_int,
    _call: PhantomData<&'call ()>,
}

impl Outcome<'_> {
    /// The code for C.
    #[inline]
    pub(super) fn code(self) -> c_int {
        self.code
    }
}

/// A qdisc that a packet is put into.
///
/// # Invariants
///
/// `to_free` points at the list of the packets that the caller frees after it has
/// released the lock.
pub struct Enqueue<'call> {
    sch: &'call Sch,
    to_free: *mut *mut sk_buff,
}

impl<'call> Enqueue<'call> {
    /// # Safety
    ///
    /// As for [`Sch::from_raw`], and `to_free` is the list that C has passed.
    #[inline]
    pub(super) unsafe fn new(raw: *mut bindings::Qdisc, to_free: *mut *mut sk_buff) -> Self {
        // INVARIANT: By the function's requirements.
        Self {
            // SAFETY: By the function's requirements.
            sch: unsafe { Sch::from_raw(raw) },
            to_free,
        }
    }

    /// Puts the packet at the end of the queue.
    #[inline]
    pub fn push_tail(&mut self, packet: SkBuff<'call>) -> Outcome<'call> {
        let len = packet.len();
        let skb = packet.into_raw();
        // SAFETY: By the invariants of `Sch` the list is ours, and so is the packet now.
        unsafe {
            let q = &raw mut (*self.sch.raw()).q;
            let last = (*q).tail;
            (*q).tail = skb;
            if last.is_null() {
                (*q).head = skb;
            } else {
                *next(skb) = ptr::null_mut();
                *next(last) = skb;
            }
        }
        // INVARIANT: One packet more, in both.
        self.sch.set_qlen(self.sch.qlen().wrapping_add(1));
        self.sch.set_backlog(self.sch.backlog().wrapping_add(len));
        Outcome {
            code: bindings::NET_XMIT_SUCCESS as c_int,
            _call: PhantomData,
        }
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
}

impl Deref for Enqueue<'_> {
    type Target = Sch;

    #[inline]
    fn deref(&self) -> &Sch {
        self.sch
    }
}

/// A qdisc that a packet is taken from.
///
/// Packets that were taken out and not returned from the call are gone from the qdisc:
/// its parents are told when the call is over.
pub struct Dequeue<'call> {
    sch: &'call Sch,
    /// Packets taken out in this call.
    popped: u32,
    /// Their bytes.
    popped_len: u32,
}

impl<'call> Dequeue<'call> {
    /// # Safety
    ///
    /// As for [`Sch::from_raw`].
    #[inline]
    pub(super) unsafe fn new(raw: *mut bindings::Qdisc) -> Self {
        Self {
            // SAFETY: By the function's requirements.
            sch: unsafe { Sch::from_raw(raw) },
            popped: 0,
            popped_len: 0,
        }
    }

    /// Takes the packet at the head out of the queue.
    #[inline]
    pub fn pop(&mut self) -> Option<SkBuff<'call>> {
        // SAFETY: By the invariants of `Sch` the list and its packets are ours.
        let skb = unsafe {
            let q = &raw mut (*self.sch.raw()).q;
            let skb = NonNull::new((*q).head)?;
            let head = *next(skb.as_ptr());
            (*q).head = head;
            if head.is_null() {
                (*q).tail = ptr::null_mut();
            }
            *next(skb.as_ptr()) = ptr::null_mut();
            skb
        };
        // Whoever sends the packet looks there for its fragments.
        // SAFETY: The packet is valid; only a place is computed.
        prefetch(unsafe { &raw const (*skb.as_ptr()).end }.cast());
        // SAFETY: The packet was on the list, and is on none now; it is of this qdisc.
        let packet = unsafe { SkBuff::from_raw(skb) };
        let len = packet.len();
        // INVARIANT: One packet less, in both.
        self.sch.set_qlen(self.sch.qlen().wrapping_sub(1));
        self.sch.set_backlog(self.sch.backlog().wrapping_sub(len));
        self.popped = self.popped.wrapping_add(1);
        self.popped_len = self.popped_len.wrapping_add(len);
        Some(packet)
    }

    /// Drops a packet that was taken out, and counts it as dropped.
    #[inline]
    pub fn drop(&mut self, packet: SkBuff<'call>, reason: DropReason) {
        let (skb, sch) = (packet.into_raw(), self.sch.raw());
        // SAFETY: The packet is ours to give away, and the root lock is held; all kinds
        // have `TCQ_F_DEQUEUE_DROPS`.
        unsafe { bindings::qdisc_dequeue_drop(sch, skb, reason as u32) };
        self.sch.count_drop();
    }

    /// Ends the call, of which `packet` is the result: counts it as sent, and hands it over
    /// to C.
    ///
    /// With `peek` the packet stays in front of the queue, where C finds it before it calls
    /// again.
    #[inline]
    pub(super) fn finish(self, packet: Option<SkBuff<'call>>, peek: bool) -> *mut sk_buff {
        let (mut gone, mut gone_len) = (self.popped, self.popped_len);
        let skb = match packet {
            None => ptr::null_mut(),
            Some(packet) => {
                // It was popped in this call, by its lifetime.
                gone = gone.wrapping_sub(1);
                gone_len = gone_len.wrapping_sub(packet.len());
                self.sch.count_sent(&packet);
                if peek {
                    park(self.sch, packet)
                } else {
                    packet.into_raw()
                }
            }
        };
        // After the packet was parked: parents look at whether the queue is empty.
        if gone != 0 {
            self.sch.reduce_backlog(gone, gone_len);
        }
        skb
    }
}

/// Puts a packet that was taken out in front of the queue, and returns it.
fn park(sch: &Sch, packet: SkBuff<'_>) -> *mut sk_buff {
    let len = packet.len();
    let skb = packet.into_raw();
    // SAFETY: By the invariants of `Sch` the list is ours, and so is the packet.
    unsafe { bindings::__skb_queue_head(&raw mut (*sch.raw()).gso_skb, skb) };
    // INVARIANT: The packet is part of the queue again.
    sch.set_qlen(sch.qlen().wrapping_add(1));
    sch.set_backlog(sch.backlog().wrapping_add(len));
    skb
}

impl Deref for Dequeue<'_> {
    type Target = Sch;

    #[inline]
    fn deref(&self) -> &Sch {
        self.sch
    }
}

/// Returns where the link to the next packet is in one.
///
/// # Safety
///
/// `skb` points at a valid packet.
#[inline]
unsafe fn next(skb: *mut sk_buff) -> *mut *mut sk_buff {
    // SAFETY: By the function's requirements; only a place is computed.
    unsafe { &raw mut (*skb).__bindgen_anon_1.__bindgen_anon_1.next }
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
