// SPDX-License-Identifier: GPL-2.0

//! Implements a list of packets that wait in the state of a qdisc.

use super::{next, DropReason};
use core::{marker::PhantomData, mem, ptr, ptr::NonNull};
use kernel::bindings::sk_buff;

/// A list of packets that wait in the state of a qdisc between calls, first in, first out.
///
/// `'q` identifies the qdisc. By this lifetime a list can only be stored in the
/// [`State`](crate::net::qdisc::Qdisc::State) that it came from, and packets cannot be put into a
/// list of another qdisc. Packets are moved to and from a list by
/// [`Enqueue`](crate::net::qdisc::Enqueue) and [`Dequeue`](crate::net::qdisc::Dequeue), which count
/// them.
///
/// Dropping a list frees its packets. If the qdisc is still in use, its counts then still include
/// these packets, as if they waited for ever.
///
/// # Invariants
///
/// `head` is null, or the first of the packets of the list, which are linked by `next` (null in the
/// last) and of which `tail` is the last. The list owns the packets. They are valid packets of the
/// qdisc `'q`, and their control buffers satisfy the invariants of [`SkBuff`](super::SkBuff).
pub struct SkbList<'q> {
    head: *mut sk_buff,
    tail: *mut sk_buff,
    /// Invariant in `'q`: the lifetime can be neither shortened nor extended.
    _qdisc: PhantomData<fn(&'q ()) -> &'q ()>,
}

// SAFETY: The list owns its packets, which any thread may free or send.
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

    /// Counts the packets by walking the list.
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
    /// The packet satisfies the type invariants, is on no list (`next` is null), and the caller
    /// owns it.
    #[inline]
    pub(in crate::net) unsafe fn push(&mut self, skb: NonNull<sk_buff>) {
        let skb = skb.as_ptr();
        if self.head.is_null() {
            self.head = skb;
        } else {
            // SAFETY: By the type invariants there is a last packet, and the list owns it.
            unsafe { *next(self.tail) = skb };
        }
        // INVARIANT: The packet is the last one now.
        self.tail = skb;
    }

    /// Removes and returns the first packet. It is valid, on no list, and of the qdisc `'q`. The
    /// caller owns it.
    #[inline]
    pub(in crate::net) fn pop(&mut self) -> Option<NonNull<sk_buff>> {
        let skb = NonNull::new(self.head)?;
        // SAFETY: By the type invariants the packet is valid, and the list owns it.
        // INVARIANT: The second packet is the first one now.
        unsafe { self.head = mem::replace(&mut *next(skb.as_ptr()), ptr::null_mut()) };
        Some(skb)
    }

    /// Removes all packets. Returns the first and the last of them, which stay linked. If there are
    /// none, the first is null.
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
        // SAFETY: By the type invariants the list owned the packets, which are not used again. C
        // accepts null for no packets.
        unsafe { kernel::bindings::kfree_skb_list_reason(head, DropReason::Generic as u32) };
    }
}
