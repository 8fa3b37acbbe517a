// SPDX-License-Identifier: GPL-2.0

//! The C side of a qdisc as its methods see it: `struct Qdisc`, less what is not theirs.

use crate::{
    bindings,
    net::{skbuff, SkBuff, SkbList},
};
use kernel::types::Opaque;

/// A qdisc, under the lock.
///
/// # Invariants
///
/// - While a reference exists, its thread holds the root lock of the qdisc's tree, or is
///   the only one that knows the qdisc.
/// - Nobody else changes its lists `q`, `gso_skb` and `skb_bad_txq` then.
/// - The packets on the list `q` belong to it; `q.qlen` and `qstats.backlog` are the number
///   and length of these, of those on the lists of the state, and of those that C has set
///   aside in `gso_skb` and `skb_bad_txq`. No more packets leave the lists of the state than that.
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

    /// The packets that wait.
    #[inline]
    pub fn qlen(&self) -> u32 {
        // SAFETY: By the type invariants nobody writes to it.
        unsafe { (*self.raw()).q.qlen }
    }

    /// The packets that wait in the queue of the `struct Qdisc`, counted one after the other.
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

    /// The bytes that wait.
    #[inline]
    pub fn backlog(&self) -> u32 {
        // SAFETY: By the type invariants nobody writes to it.
        unsafe { (*self.raw()).qstats.backlog }
    }

    /// The packets that were dropped.
    pub fn drops(&self) -> u32 {
        // SAFETY: By the type invariants nobody writes to it.
        unsafe { (*self.raw()).qstats.drops }
    }

    /// The most packets that may wait, as [`Setup`] or [`Change`] have set it.
    #[inline]
    pub fn limit(&self) -> u32 {
        // SAFETY: By the type invariants nobody writes to it.
        unsafe { (*self.raw()).limit }
    }

    /// The number by which users name the qdisc: `MAJOR:0`.
    #[inline]
    pub fn handle(&self) -> u32 {
        // SAFETY: By the type invariants the qdisc is valid; the number stays what it is.
        unsafe { (*self.raw()).handle }
    }

    /// The largest packet of the device in bytes, with its link-layer header.
    pub fn mtu(&self) -> u32 {
        // SAFETY: By the type invariants the qdisc is valid, and holds its device.
        unsafe { bindings::psched_mtu(bindings::qdisc_dev(self.raw())) }
    }

    #[inline]
    pub(super) fn set_limit(&self, limit: u32) {
        // SAFETY: By the type invariants nobody else writes to it.
        unsafe { write_once(&raw mut (*self.raw()).limit, limit) };
    }

    /// Counts a packet of `len` bytes that waits from now on.
    #[inline]
    pub(super) fn add(&self, len: u32) {
        self.set_qlen(self.qlen().wrapping_add(1));
        self.set_backlog(self.backlog().wrapping_add(len));
    }

    /// Counts a packet of `len` bytes that waits no more.
    #[inline]
    pub(super) fn remove(&self, len: u32) {
        self.set_qlen(self.qlen().wrapping_sub(1));
        self.set_backlog(self.backlog().wrapping_sub(len));
    }

    /// Takes the packet at the head out of a list of this qdisc's state.
    #[inline]
    pub(super) fn pop_from<'call>(&self, list: &mut SkbList<'_>) -> Option<SkBuff<'call>> {
        if self.qlen() == 0 {
            // A list that was not emptied when the counts were set to zero. The parents
            // would be surprised by more packets than they know of.
            return None;
        }
        // SAFETY: By the invariants of the list, and the packet is of this qdisc.
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

    /// Counts a packet as sent: its bytes, and the packets on the wire that it becomes.
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

    /// Takes packets off the counts of the parents, which they did not get to.
    #[inline]
    pub(super) fn reduce_backlog(&self, packets: u32, len: u32) {
        // CAST: C takes the numbers as signed, and adds them to unsigned ones.
        // SAFETY: By the type invariants: the root lock keeps the parents as they are.
        unsafe { bindings::qdisc_tree_reduce_backlog(self.raw(), packets as i32, len as i32) };
    }
}

/// C's `WRITE_ONCE()`: C code reads these without the lock.
///
/// # Safety
///
/// `to` is valid for writes, and no one else writes to it.
#[inline]
unsafe fn write_once(to: *mut u32, value: u32) {
    // SAFETY: By the function's requirements.
    unsafe { to.write_volatile(value) };
}

/// C's `u64_stats_add()`: readers may run meanwhile, so the count changes in one access.
///
/// # Safety
///
/// `to` is valid, and no one else writes to it.
#[inline]
unsafe fn add_once(to: *mut bindings::u64_stats_t, value: u64) {
    // On 64-bit kernels the count is the one member, and no sequence count guards it.
    const { assert!(size_of::<bindings::u64_stats_t>() == size_of::<u64>()) };
    const { assert!(size_of::<bindings::u64_stats_sync>() == 0) };
    let to = to.cast::<u64>();
    // SAFETY: By the function's requirements.
    unsafe { to.write_volatile((*to).wrapping_add(value)) };
}
