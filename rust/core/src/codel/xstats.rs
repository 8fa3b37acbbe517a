// SPDX-License-Identifier: GPL-2.0

//! What `rcodel` and `rfq_codel` tell user space beyond `codel` and `fq_codel`, and the
//! numbers that both sides know it by.
//!
//! The statistics (`TCA_STATS_APP`, and `TCA_XSTATS` for old readers) begin with the C
//! structure of the anchor, `struct tc_codel_xstats` or `struct tc_fq_codel_xstats`, byte for
//! byte; readers copy as much of them as they know. Netlink attributes follow behind it. All
//! are in the byte order of the machine, and one that is not there is 0 or does not apply.

/// Attribute in `TCA_OPTIONS`, a `u8`: whether sojourn times are counted in a histogram.
/// With room for options that the anchors may get.
pub const HISTOGRAM: u16 = 32;

/// Attribute in statistics, an `i32`: the time in microseconds until the sojourn time will
/// have been above the target for an interval, negative when it has been so for longer. Not
/// there while the sojourn time is below the target.
pub const FIRST_ABOVE: u16 = 1;
/// Attribute in statistics, a `u32`: packets that were dropped since the target was exceeded.
pub const DROP_TARGET: u16 = 2;
/// Attribute in statistics of `rcodel`, a `u32`: packets that were dropped since the limit was
/// lowered.
pub const DROP_CHANGE: u16 = 3;
/// Attribute in statistics of `rfq_codel`, a `u32`: packets that filters dropped, or found no
/// flow for.
pub const DROP_FILTER: u16 = 4;
/// Attribute in statistics of `rfq_codel`, a `u32`: flows above the target.
pub const FLOWS_ABOVE: u16 = 5;
/// Attribute in statistics of `rfq_codel`, a `u32`: flows in the dropping state.
pub const FLOWS_DROPPING: u16 = 6;
/// Attribute in statistics, `u64`s: how long the packets waited that were sent, as
/// [`Histogram::words`](super::Histogram::words) has it. Not there while the histogram is off.
pub const SOJOURN: u16 = 7;
