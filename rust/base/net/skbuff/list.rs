// SPDX-License-Identifier: GPL-2.0

//! Packets in a row.

use super::{next, DropReason};
use core::{marker::PhantomData, mem, ptr, ptr::NonNull};
use kernel::bindings::sk_buff;

/// Packets that wait in the state of a qdisc between calls, first in, first out.
///
/// `'q` stands for that qdisc: it keeps a list from being stored anywhere but in the
/// [`State`](crate::net::qdisc::Qdisc::State) that it came from, and packets from being put
/// into another qdisc's. What is moved from and to it goes through
/// [`Enqueue`](crate::net::qdisc::Enqueue) and [`Dequeue`](crate::net::qdisc::Dequeue), which
/// count it.
///
/// Dropping it frees the packets. While the qdisc is in use they stay in its counts then,
/// as if they waited for ever.
///
/// # Invariants
///
/// `head` is null, or the first of packets linked by `next` (null in the last), which
/// belong to the list, and of which `tail` is the last. They are of the qdisc `'q`, valid,
/// and their control buffers are as [`SkBuff`](super::SkBuff) has them.
pub struct SkbList<'q> {
    head: *mut sk_buff,
    tail: *mut sk_buff,
    /// Of this lifetime, no shorter and no longer one.
    _qdisc: PhantomData<fn(&'q ()) -> &'q ()>,
}

// SAFETY: The packets belong to the list, and may be freed or sent by any thread.
unsafe impl Send for SkbList<'_> {}

impl Default for SkbList<'_> {
    #[inline]
    fn default() -> Self {
        Self::new()
    }
}

impl SkbList<'_> {
    /// Makes a list without packets.
    #[inline]
    pub const fn new() -> Self {
        // INVARIANT: No packets.
        Self {
            head: ptr::null_mut(),
            tail: ptr::null_mut(),
            _qdisc: PhantomData,
        }
    }

    /// Counts the packets, one after the other.
    pub fn count(&self) -> u32 {
        let (mut count, mut skb) = (0u32, self.head);
        while !skb.is_null() {
            count = count.wrapping_add(1);
            // SAFETY: By the type invariants.
            skb = unsafe { *next(skb) };
        }
        count
    }

    /// Puts a packet at the end.
    ///
    /// # Safety
    ///
    /// The packet is as the type invariants say, on no list (`next` is null), and the
    /// caller's.
    #[inline]
    pub(in crate::net) unsafe fn push(&mut self, skb: NonNull<sk_buff>) {
        let skb = skb.as_ptr();
        if self.head.is_null() {
            self.head = skb;
        } else {
            // SAFETY: By the type invariants there is a last packet, and it is ours.
            unsafe { *next(self.tail) = skb };
        }
        // INVARIANT: The packet is the last one now.
        self.tail = skb;
    }

    /// Takes the first packet out: valid, on no list, of the qdisc, and the caller's.
    #[inline]
    pub(in crate::net) fn pop(&mut self) -> Option<NonNull<sk_buff>> {
        let skb = NonNull::new(self.head)?;
        // SAFETY: By the type invariants the packet is valid, and ours.
        // INVARIANT: The second packet is the first one now.
        unsafe { self.head = mem::replace(&mut *next(skb.as_ptr()), ptr::null_mut()) };
        Some(skb)
    }

    /// Takes all packets out: the first and the last of them, linked; both null if there
    /// are none.
    #[inline]
    pub(in crate::net) fn take(&mut self) -> (*mut sk_buff, *mut sk_buff) {
        // INVARIANT: No packets.
        let head = mem::replace(&mut self.head, ptr::null_mut());
        (head, self.tail)
    }
}

impl Drop for SkbList<'_> {
    fn drop(&mut self) {
        let (head, _) = self.take();
        // SAFETY: By the type invariants the packets were ours; they are not used again. C
        // takes null for no packets.
        unsafe { kernel::bindings::kfree_skb_list_reason(head, DropReason::Generic as u32) };
    }
}
