// SPDX-License-Identifier: GPL-2.0

//! Implements [`Sch`], the part of `struct Qdisc` that the methods of a kind may use.

use crate::{
    bindings,
    net::{skbuff, SkBuff, SkbList},
};
use kernel::types::Opaque;

/// A qdisc whose root lock is held.
///
/// # Invariants
///
/// - While a reference exists, its thread holds the root lock of the qdisc's tree, or is the only
///   thread that has a pointer to the qdisc.
/// - During that time no other code changes the lists `q`, `gso_skb` and `skb_bad_txq` of the
///   qdisc.
/// - The qdisc owns the packets in the list `q`. `q.qlen` and `qstats.backlog` are the number and
///   the length of all packets in the list `q`, in the lists of the state, and in the lists
///   `gso_skb` and `skb_bad_txq`, to which C moves packets. Not more packets than `q.qlen` leave
///   the lists of the state.
#[repr(transparent)]
pub struct Sch(Opaque<bindings::Qdisc>);

impl Sch {
    /// # Safety
    ///
    /// `raw` points at a valid qdisc of a kind of this module, and the type invariants
    /// hold for the lifetime.
    #[inline]
    pub(super) unsafe fn from_raw<'a>(raw: *mut bindings::Qdisc) -> &'a Self {
        // SAFETY: By the function's requirements; `Sch` is transparent.
        unsafe { &*raw.cast() }
    }

    #[inline]
    pub(super) fn raw(&self) -> *mut bindings::Qdisc {
        self.0.get()
    }

    /// Returns the number of packets that wait.
    #[inline]
    pub fn qlen(&self) -> u32 {
        // SAFETY: By the type invariants nobody writes to it.
        unsafe { (*self.raw()).q.qlen }
    }

    /// Returns the number of packets in the queue of the `struct Qdisc`, by walking the queue.
    pub(super) fn own_queue_len(&self) -> u32 {
        let mut count = 0;
        // SAFETY: By the type invariants the queue does not change, and its packets are valid.
        unsafe {
            let mut skb = (*self.raw()).q.head;
            while !skb.is_null() {
                count += 1;
                skb = *skbuff::next(skb);
            }
        }
        count
    }

    /// Returns the number of bytes that wait.
    #[inline]
    pub fn backlog(&self) -> u32 {
        // SAFETY: By the type invariants nobody writes to it.
        unsafe { (*self.raw()).qstats.backlog }
    }

    /// Returns the number of packets that were dropped.
    pub fn drops(&self) -> u32 {
        // SAFETY: By the type invariants nobody writes to it.
        unsafe { (*self.raw()).qstats.drops }
    }

    /// Returns the limit of packets that may wait, as [`Setup`] or [`Change`] have set it.
    #[inline]
    pub fn limit(&self) -> u32 {
        // SAFETY: By the type invariants nobody writes to it.
        unsafe { (*self.raw()).limit }
    }

    /// Returns the handle of the qdisc, by which users name it: `MAJOR:0`.
    #[inline]
    pub fn handle(&self) -> u32 {
        // SAFETY: By the type invariants the qdisc is valid. Its handle does not change.
        unsafe { (*self.raw()).handle }
    }

    /// Returns the size of the device's largest packet in bytes, including the link-layer header.
    pub fn mtu(&self) -> u32 {
        // SAFETY: By the type invariants the qdisc is valid. It has a reference to its device.
        unsafe { bindings::psched_mtu(bindings::qdisc_dev(self.raw())) }
    }

    #[inline]
    pub(super) fn set_limit(&self, limit: u32) {
        // SAFETY: By the type invariants nobody else writes to it.
        unsafe { write_once(&raw mut (*self.raw()).limit, limit) };
    }

    /// Adds a packet of `len` bytes to the packets that wait.
    #[inline]
    pub(super) fn add(&self, len: u32) {
        self.set_qlen(self.qlen().wrapping_add(1));
        self.set_backlog(self.backlog().wrapping_add(len));
    }

    /// Removes a packet of `len` bytes from the packets that wait.
    #[inline]
    pub(super) fn remove(&self, len: u32) {
        self.set_qlen(self.qlen().wrapping_sub(1));
        self.set_backlog(self.backlog().wrapping_sub(len));
    }

    /// Removes and returns the first packet of a list of this qdisc's state.
    #[inline]
    pub(super) fn pop_from<'call>(&self, list: &mut SkbList<'_>) -> Option<SkBuff<'call>> {
        if self.qlen() == 0 {
            // The list was not emptied when the counts were set to zero. The parents do not expect
            // more packets than they have counted.
            return None;
        }
        // SAFETY: By the invariants of the list the packet is valid, and on no list now. It is of
        // this qdisc.
        let packet = unsafe { SkBuff::from_raw(list.pop()?) };
        self.remove(packet.len());
        Some(packet)
    }

    #[inline]
    fn set_qlen(&self, qlen: u32) {
        // SAFETY: By the type invariants nobody else writes to it.
        unsafe { write_once(&raw mut (*self.raw()).q.qlen, qlen) };
    }

    #[inline]
    fn set_backlog(&self, backlog: u32) {
        // SAFETY: By the type invariants nobody else writes to it.
        unsafe { write_once(&raw mut (*self.raw()).qstats.backlog, backlog) };
    }

    /// Counts a packet as sent: its bytes, and the packets on the wire into which it is split.
    #[inline]
    pub(super) fn count_sent(&self, bytes: u32, packets: u32) {
        // SAFETY: By the type invariants nobody else writes to the counts.
        unsafe {
            let bstats = &raw mut (*self.raw()).bstats;
            add_once(&raw mut (*bstats).bytes, bytes.into());
            add_once(&raw mut (*bstats).packets, packets.into());
        }
    }

    /// Counts packets as dropped.
    #[inline]
    pub(super) fn count_drops(&self, packets: u32) {
        // SAFETY: By the type invariants nobody else writes to the count.
        unsafe {
            let drops = &raw mut (*self.raw()).qstats.drops;
            write_once(drops, (*drops).wrapping_add(packets));
        }
    }

    /// Subtracts packets from the counts of the parents, for packets that the parents did not get.
    #[inline]
    pub(super) fn reduce_backlog(&self, packets: u32, len: u32) {
        // CAST: C takes signed numbers and subtracts them from unsigned ones, which wrap around.
        // SAFETY: By the type invariants the root lock is held, so the parents do not change.
        unsafe { bindings::qdisc_tree_reduce_backlog(self.raw(), packets as i32, len as i32) };
    }
}

/// C's `WRITE_ONCE()`, for fields that C code reads without the lock.
///
/// # Safety
///
/// `to` is valid for writes, and no other code writes to it.
#[inline]
unsafe fn write_once(to: *mut u32, value: u32) {
    // SAFETY: By the function's requirements.
    unsafe { to.write_volatile(value) };
}

/// C's `u64_stats_add()`. Readers may run at the same time, so the count changes in one access.
///
/// # Safety
///
/// `to` is valid, and no other code writes to it.
#[inline]
unsafe fn add_once(to: *mut bindings::u64_stats_t, value: u64) {
    // On 64-bit kernels the count is the only member, and no sequence count guards it.
    const { assert!(size_of::<bindings::u64_stats_t>() == size_of::<u64>()) };
    const { assert!(size_of::<bindings::u64_stats_sync>() == 0) };
    let to = to.cast::<u64>();
    // SAFETY: By the function's requirements.
    unsafe { to.write_volatile((*to).wrapping_add(value)) };
}
