// SPDX-License-Identifier: GPL-2.0

//! Defines the numbers of the netlink attributes that `rcodel` and `rfq_codel` have beyond `codel`
//! and `fq_codel`. The modules write the attributes. The plug-ins of `tc` and the command `tackle`
//! read them.
//!
//! In statistics, the attributes follow the C structure of the original
//! ([`xstats`](super::xstats)). An absent attribute means 0, or that the value does not apply.

/// Attribute in `TCA_OPTIONS`, a `u8`: whether sojourn times are counted in a histogram. The
/// number leaves room for future options of `codel` and `fq_codel`.
pub const HISTOGRAM: u16 = 32;

/// Attribute in statistics, an `i32`: microseconds until the sojourn time has exceeded the
/// target for one whole interval, negative once that moment has passed. Absent while the sojourn
/// time is below the target.
pub const FIRST_ABOVE: u16 = 1;
/// Attribute in statistics, a `u32`: packets that were dropped because the target was exceeded.
pub const DROP_TARGET: u16 = 2;
/// Attribute in statistics, a `u32`: packets that were dropped because a limit was lowered.
pub const DROP_CHANGE: u16 = 3;
/// Attribute in statistics of `rfq_codel`, a `u32`: packets that filters dropped, or for which
/// they found no flow.
pub const DROP_FILTER: u16 = 4;
/// Attribute in statistics of `rfq_codel`, a `u32`: flows above the target.
pub const FLOWS_ABOVE: u16 = 5;
/// Attribute in statistics of `rfq_codel`, a `u32`: flows in the dropping state.
pub const FLOWS_DROPPING: u16 = 6;
/// Attribute in statistics, `u64`s: the histogram of the sojourn times of packets that CoDel did
/// not drop, in the format of [`SojournHistogram::words`](super::SojournHistogram::words). Absent
/// while the histogram is off.
pub const SOJOURN: u16 = 7;
/// Attribute in statistics, a `u32`: packets that were dropped because they were in the queue when
/// the qdisc was reset. A qdisc is reset when its device goes down.
pub const DROP_RESET: u16 = 8;
