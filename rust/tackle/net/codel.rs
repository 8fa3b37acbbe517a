// SPDX-License-Identifier: GPL-2.0

//! What qdiscs of the CoDel family share with user space, and their clock.
//!
//! C headers: [`include/uapi/linux/pkt_sched.h`](srctree/include/uapi/linux/pkt_sched.h),
//! [`include/net/codel.h`](srctree/include/net/codel.h)

mod sojourn;

use crate::bindings;
use kernel::transmute::AsBytes;
use tackle_core::codel::{xstats, Time};

pub use sojourn::Sojourn;

/// The statistics of `codel`, as `tc -s qdisc` decodes them: `struct tc_codel_xstats`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Xstats {
    /// The length in bytes of the longest packet seen.
    pub maxpacket: u32,
    /// Drops or marks in the dropping state.
    pub count: u32,
    /// `count` when the dropping state was last entered.
    pub lastcount: u32,
    /// The sojourn time of the last packet in microseconds.
    pub ldelay: u32,
    /// The time to the next drop in microseconds; negative when it is overdue.
    pub drop_next: i32,
    /// Packets dropped since the queue was full.
    pub drop_overlimit: u32,
    /// Packets marked instead of dropped.
    pub ecn_mark: u32,
    /// Whether the queue is in the dropping state.
    pub dropping: u32,
    /// Packets marked for the CE threshold.
    pub ce_mark: u32,
}

// SAFETY: All members are 32-bit integers: there is no padding and no cell.
unsafe impl AsBytes for Xstats {}
const _: () = assert!(size_of::<Xstats>() == size_of::<bindings::tc_codel_xstats>());

/// Attribute: the acceptable sojourn time in microseconds, a `u32`.
pub const TARGET: u16 = bindings::TCA_CODEL_TARGET as u16;
/// Attribute: the most packets that may wait, a `u32`.
pub const LIMIT: u16 = bindings::TCA_CODEL_LIMIT as u16;
/// Attribute: the interval in microseconds, a `u32`.
pub const INTERVAL: u16 = bindings::TCA_CODEL_INTERVAL as u16;
/// Attribute: whether packets are marked rather than dropped, a `u32`.
pub const ECN: u16 = bindings::TCA_CODEL_ECN as u16;
/// Attribute: the sojourn time in microseconds from which on each packet is marked, a
/// `u32`.
pub const CE_THRESHOLD: u16 = bindings::TCA_CODEL_CE_THRESHOLD as u16;
/// Attribute, ours: whether sojourn times are counted, a `u8`. See [`Sojourn`].
pub const HISTOGRAM: u16 = xstats::HISTOGRAM;
/// How many attributes there are, the unused ones among them.
pub const ATTRIBUTES: usize = HISTOGRAM as usize + 1;
const _: () = assert!(bindings::__TCA_CODEL_MAX <= HISTOGRAM as u32);

/// Returns the current time on CoDel's clock: the monotonic one.
///
/// # Context
///
/// Any but NMI.
#[inline]
pub fn now() -> Time {
    // SAFETY: No requirements in the contexts that the function is for.
    let ns = unsafe { kernel::bindings::ktime_get() };
    // CAST: The monotonic clock is never negative.
    Time::from_ns(ns as u64)
}
