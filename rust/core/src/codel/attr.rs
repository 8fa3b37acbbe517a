// SPDX-License-Identifier: GPL-2.0

//! Numbers of the netlink attributes that `rcodel` and `rfq_codel` have beyond `codel` and
//! `fq_codel`. The modules write the attributes, and the plug-ins of `tc` and the command
//! `tackle` read them.
//!
//! Attributes in statistics follow the C structure of the original ([`xstats`](super::xstats)).
//! An absent attribute means 0, or that the value does not apply.

/// Attribute in `TCA_OPTIONS`, a `u8`: whether sojourn times are counted in a histogram.
/// With room for options that the anchors may get.
pub const HISTOGRAM: u16 = 32;

/// Attribute in statistics, an `i32`: microseconds until the sojourn time has exceeded the
/// target for one whole interval, negative once that moment has passed. Absent while the sojourn
/// time is below the target.
pub const FIRST_ABOVE: u16 = 1;
/// Attribute in statistics, a `u32`: packets that were dropped because the target was exceeded.
pub const DROP_TARGET: u16 = 2;
/// Attribute in statistics, a `u32`: packets that were dropped because a limit was lowered.
pub const DROP_CHANGE: u16 = 3;
/// Attribute in statistics of `rfq_codel`, a `u32`: packets that filters dropped, or found no
/// flow for.
pub const DROP_FILTER: u16 = 4;
/// Attribute in statistics of `rfq_codel`, a `u32`: flows above the target.
pub const FLOWS_ABOVE: u16 = 5;
/// Attribute in statistics of `rfq_codel`, a `u32`: flows in the dropping state.
pub const FLOWS_DROPPING: u16 = 6;
/// Attribute in statistics, `u64`s: how long the packets waited that CoDel let pass, as
/// [`SojournHistogram::words`](super::SojournHistogram::words) has it. Not there while the
/// histogram is off.
pub const SOJOURN: u16 = 7;
/// Attribute in statistics, a `u32`: packets that were dropped because they waited when the
/// qdisc was reset, as it is when its device goes down.
pub const DROP_RESET: u16 = 8;
