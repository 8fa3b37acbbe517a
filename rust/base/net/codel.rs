// SPDX-License-Identifier: GPL-2.0

//! Implements the statistics and attributes that qdiscs of the CoDel family share with user space,
//! and their clock.
//!
//! C headers: [`include/uapi/linux/pkt_sched.h`](srctree/include/uapi/linux/pkt_sched.h),
//! [`include/net/codel.h`](srctree/include/net/codel.h)

mod sojourn;

use super::netlink::{Attributes, ExtAck};
use crate::bindings;
use kernel::{prelude::*, transmute::AsBytes};
use tackle_core::codel::{attr, Time, MAX_US};

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
    /// Packets dropped because the queue was full.
    pub drop_overlimit: u32,
    /// Packets marked instead of dropped.
    pub ecn_mark: u32,
    /// Whether the queue is in the dropping state.
    pub dropping: u32,
    /// Packets marked for the CE threshold.
    pub ce_mark: u32,
}

// SAFETY: All members are 32-bit integers, so there is no padding and no interior mutability.
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
/// Attribute: the sojourn time in microseconds above which each packet is marked, a `u32`.
pub const CE_THRESHOLD: u16 = bindings::TCA_CODEL_CE_THRESHOLD as u16;
/// Attribute of this project, not of the kernel: whether sojourn times are counted, a `u8`. See
/// [`Sojourn`].
pub const HISTOGRAM: u16 = attr::HISTOGRAM;
/// The number of attributes, including unused ones.
pub const ATTRIBUTES: usize = HISTOGRAM as usize + 1;
const _: () = assert!(bindings::__TCA_CODEL_MAX <= HISTOGRAM as u32);

/// Reads the option `target` of a request. `target` is the number of its attribute.
///
/// # Errors
///
/// `EINVAL`: the time is above [`MAX_US`]. This sets a message in `ack`.
pub fn target<const N: usize>(
    options: &Attributes<'_, N>,
    target: u16,
    ack: &mut ExtAck<'_>,
) -> Result<Option<Time>> {
    let message = c"Invalid target: allowed are up to 2199023254 us";
    time(options.u32(target), message, ack)
}

/// Reads the option `interval` of a request. `interval` is the number of its attribute.
///
/// # Errors
///
/// `EINVAL`: the time is above [`MAX_US`]. This sets a message in `ack`.
pub fn interval<const N: usize>(
    options: &Attributes<'_, N>,
    interval: u16,
    ack: &mut ExtAck<'_>,
) -> Result<Option<Time>> {
    let message = c"Invalid interval: allowed are up to 2199023254 us";
    time(options.u32(interval), message, ack)
}

/// Reads the option `ce_threshold` of a request. `ce_threshold` is the number of its attribute.
///
/// # Errors
///
/// `EINVAL`: the time is above [`MAX_US`]. This sets a message in `ack`.
pub fn ce_threshold<const N: usize>(
    options: &Attributes<'_, N>,
    ce_threshold: u16,
    ack: &mut ExtAck<'_>,
) -> Result<Option<Time>> {
    let message = c"Invalid ce_threshold: allowed are up to 2199023254 us";
    time(options.u32(ce_threshold), message, ack)
}

const _: () = assert!(MAX_US == 2_199_023_254, "the messages name it");

fn time(us: Option<u32>, message: &CStr, ack: &mut ExtAck<'_>) -> Result<Option<Time>> {
    let Some(us) = us else {
        return Ok(None);
    };
    let time = Time::from_option_us(us);
    if time.is_none() {
        ack.set(message);
    }
    time.map(Some).ok_or(EINVAL)
}

/// Returns the current time on CoDel's clock, which is the monotonic clock.
///
/// # Context
///
/// Any but NMI.
#[inline]
pub fn now() -> Time {
    // SAFETY: `ktime_get()` may be called in any context but NMI, as the `# Context` section says.
    let ns = unsafe { kernel::bindings::ktime_get() };
    // CAST: The monotonic clock is never negative.
    Time::from_ns(ns as u64)
}
