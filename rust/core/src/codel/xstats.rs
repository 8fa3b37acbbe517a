// SPDX-License-Identifier: GPL-2.0

//! Parses the statistics that the kernel sends for qdiscs of the CoDel family.
//!
//! The statistics (`TCA_STATS_APP`, and `TCA_XSTATS` for old readers) of `rcodel` and `rfq_codel`
//! begin with the C structure of `codel` or `fq_codel`, `struct tc_codel_xstats` or `struct
//! tc_fq_codel_xstats`, byte for byte. Readers copy as many bytes as they know. Netlink attributes
//! follow the structure. Numbers are in native byte order. An absent attribute means 0, or that
//! the value does not apply.
//!
//! C header: `include/uapi/linux/pkt_sched.h`.
//!
//! ```
//! use tackle_core::codel::xstats::CodelXstats;
//!
//! let sent: Vec<u8> = [1514, 2, 1, 7250].into_iter().flat_map(u32::to_ne_bytes).collect();
//! let stats = CodelXstats::read(&sent);
//! assert_eq!((stats.maxpacket, stats.ldelay, stats.ce_mark), (1514, 7250, 0));
//! ```

use super::attr::{DROP_CHANGE, DROP_FILTER, DROP_RESET, DROP_TARGET, FLOWS_ABOVE, FLOWS_DROPPING};
use crate::netlink::{words_of, Attributes};
use core::ffi::CStr;

/// The size in bytes of `struct tc_codel_xstats`.
const CODEL_SIZE: usize = 36;
/// The size in bytes of `struct tc_fq_codel_xstats`.
const FQ_CODEL_SIZE: usize = 40;
/// `TCA_FQ_CODEL_XSTATS_QDISC`: the statistics are those of the whole queue.
const OF_QDISC: u32 = 0;
/// `TCA_FQ_CODEL_XSTATS_CLASS`: the statistics are those of one flow.
const OF_CLASS: u32 = 1;

/// A reason, and the number of packets that were dropped or marked for it.
pub type Count = (&'static CStr, u32);

/// Statistics of `codel` and `rcodel`: `struct tc_codel_xstats`.
#[derive(Clone, Copy, Debug)]
pub struct CodelXstats<'a> {
    /// The length in bytes of the longest packet seen.
    pub maxpacket: u32,
    /// The number of drops or marks in the dropping state.
    pub count: u32,
    /// `count` when the dropping state was last entered.
    pub lastcount: u32,
    /// The sojourn time of the last packet in microseconds.
    pub ldelay: u32,
    /// The time to the next drop in microseconds. It is negative if the drop is overdue.
    pub drop_next: i32,
    /// Packets dropped because the queue was full.
    pub drop_overlimit: u32,
    /// Packets marked instead of dropped.
    pub ecn_mark: u32,
    /// Whether the queue is in the dropping state.
    pub dropping: bool,
    /// Packets marked for the CE threshold.
    pub ce_mark: u32,
    /// The attributes of `rcodel`; `codel` has none.
    pub details: Attributes<'a>,
}

impl<'a> CodelXstats<'a> {
    /// Parses statistics of any length. Members that the kernel did not send are 0.
    pub fn read(xstats: &'a [u8]) -> Self {
        let [maxpacket, count, lastcount, ldelay, drop_next, drop_overlimit, ecn_mark, dropping, ce_mark] =
            words_of(xstats);
        Self {
            maxpacket,
            count,
            lastcount,
            ldelay,
            // CAST: The number is signed in the kernel.
            drop_next: drop_next as i32,
            drop_overlimit,
            ecn_mark,
            dropping: dropping != 0,
            ce_mark,
            details: behind(xstats, CODEL_SIZE),
        }
    }

    /// Returns the numbers of packets that `rcodel` dropped, by reason.
    pub fn drops(&self) -> [Count; 4] {
        [
            (c"target", count(self.details, DROP_TARGET)),
            (c"overlimit", self.drop_overlimit),
            (c"change", count(self.details, DROP_CHANGE)),
            (c"reset", count(self.details, DROP_RESET)),
        ]
    }

    /// Returns the numbers of marked packets, by reason.
    pub fn marks(&self) -> [Count; 2] {
        marks(self.ecn_mark, self.ce_mark)
    }
}

/// Statistics of `fq_codel` and `rfq_codel`: `struct tc_fq_codel_xstats`.
#[derive(Clone, Copy, Debug)]
pub enum FqCodelXstats<'a> {
    /// The statistics of the whole queue.
    Queue(QueueXstats<'a>),
    /// The statistics of one flow.
    Flow(FlowXstats<'a>),
}

/// Statistics of all flows: `struct tc_fq_codel_qd_stats`.
#[derive(Clone, Copy, Debug)]
pub struct QueueXstats<'a> {
    /// The length in bytes of the longest packet seen.
    pub maxpacket: u32,
    /// Packets dropped because the queue was full, including
    /// [`drop_overmemory`](Self::drop_overmemory).
    pub drop_overlimit: u32,
    /// Packets marked instead of dropped.
    pub ecn_mark: u32,
    /// How often a packet has put a flow on the list of new flows.
    pub new_flow_count: u32,
    /// The number of new flows.
    pub new_flows_len: u32,
    /// The number of old flows.
    pub old_flows_len: u32,
    /// Packets marked for the CE threshold.
    pub ce_mark: u32,
    /// Bytes of memory that the packets occupy.
    pub memory_usage: u32,
    /// Packets dropped because the packets occupied too much memory.
    pub drop_overmemory: u32,
    /// The attributes of `rfq_codel`; `fq_codel` has none.
    pub details: Attributes<'a>,
}

/// Statistics of one flow: `struct tc_fq_codel_cl_stats`.
#[derive(Clone, Copy, Debug)]
pub struct FlowXstats<'a> {
    /// Bytes that the flow may send in this round.
    pub deficit: i32,
    /// The sojourn time of the last packet in microseconds.
    pub ldelay: u32,
    /// The number of drops or marks in the dropping state.
    pub count: u32,
    /// `count` when the dropping state was last entered.
    pub lastcount: u32,
    /// Whether the flow is in the dropping state.
    pub dropping: bool,
    /// The time to the next drop in microseconds. It is negative if the drop is overdue.
    pub drop_next: i32,
    /// The attributes of `rfq_codel`; `fq_codel` has none.
    pub details: Attributes<'a>,
}

impl<'a> FqCodelXstats<'a> {
    /// Parses statistics of any length. Members that the kernel did not send are 0. Returns
    /// [`None`] if they are neither those of a queue nor those of a flow.
    pub fn read(xstats: &'a [u8]) -> Option<Self> {
        let [of, members @ ..] = words_of::<10>(xstats);
        let details = behind(xstats, FQ_CODEL_SIZE);
        match of {
            OF_QDISC => Some(Self::Queue(QueueXstats::of(members, details))),
            OF_CLASS => Some(Self::Flow(FlowXstats::of(members, details))),
            _ => None,
        }
    }
}

impl<'a> QueueXstats<'a> {
    fn of(members: [u32; 9], details: Attributes<'a>) -> Self {
        let [maxpacket, drop_overlimit, ecn_mark, new_flow_count, new_flows_len, old_flows_len, ce_mark, memory_usage, drop_overmemory] =
            members;
        Self {
            maxpacket,
            drop_overlimit,
            ecn_mark,
            new_flow_count,
            new_flows_len,
            old_flows_len,
            ce_mark,
            memory_usage,
            drop_overmemory,
            details,
        }
    }

    /// Returns the numbers of packets that `rfq_codel` dropped, by reason.
    pub fn drops(&self) -> [Count; 6] {
        let over = self.drop_overmemory;
        [
            (c"target", count(self.details, DROP_TARGET)),
            // `drop_overlimit` includes the drops over the memory limit.
            (c"overlimit", self.drop_overlimit.saturating_sub(over)),
            (c"overmemory", over),
            (c"change", count(self.details, DROP_CHANGE)),
            (c"reset", count(self.details, DROP_RESET)),
            (c"filter", count(self.details, DROP_FILTER)),
        ]
    }

    /// Returns the numbers of marked packets, by reason.
    pub fn marks(&self) -> [Count; 2] {
        marks(self.ecn_mark, self.ce_mark)
    }

    /// Returns the number of flows above the target, and of flows in the dropping state.
    pub fn flows(&self) -> [Count; 2] {
        [
            (c"flows_above", count(self.details, FLOWS_ABOVE)),
            (c"flows_dropping", count(self.details, FLOWS_DROPPING)),
        ]
    }
}

impl<'a> FlowXstats<'a> {
    fn of(members: [u32; 9], details: Attributes<'a>) -> Self {
        let [deficit, ldelay, count, lastcount, dropping, drop_next, ..] = members;
        Self {
            // CAST: This number and `drop_next` are signed in the kernel.
            deficit: deficit as i32,
            ldelay,
            count,
            lastcount,
            dropping: dropping != 0,
            drop_next: drop_next as i32,
            details,
        }
    }
}

/// Returns the attributes after the C structure of `codel` or `fq_codel`.
fn behind(xstats: &[u8], size: usize) -> Attributes<'_> {
    Attributes::new(xstats.get(size..).unwrap_or_default())
}

fn count(details: Attributes<'_>, kind: u16) -> u32 {
    details.u32(kind).unwrap_or_default()
}

fn marks(ecn_mark: u32, ce_mark: u32) -> [Count; 2] {
    [(c"target", ecn_mark), (c"ce_threshold", ce_mark)]
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    fn words(words: impl IntoIterator<Item = u32>) -> Vec<u8> {
        words.into_iter().flat_map(u32::to_ne_bytes).collect()
    }

    /// Returns an attribute of four bytes.
    fn number(kind: u8, value: u32) -> Vec<u8> {
        [&[8, 0, kind, 0], &value.to_ne_bytes()[..]].concat()
    }

    #[test]
    fn codel_has_nine_members_and_attributes_behind_them() {
        let bytes = [words(1..=9), number(2, 20), number(3, 30)].concat();
        let stats = CodelXstats::read(&bytes);
        assert_eq!((stats.ldelay, stats.drop_next, stats.ce_mark), (4, 5, 9));
        assert!(stats.dropping);
        assert_eq!(stats.drops().map(|(_, count)| count), [20, 6, 30, 0]);
        assert_eq!(stats.marks().map(|(_, count)| count), [7, 9]);
        assert!(CodelXstats::read(&bytes[..36]).details.is_empty());
        assert_eq!(CodelXstats::read(&[]).ldelay, 0);
    }

    #[test]
    fn fq_codel_says_what_it_is_of() {
        let bytes = [words(0..=9), number(2, 20), number(4, 1), number(8, 5)].concat();
        let Some(FqCodelXstats::Queue(queue)) = FqCodelXstats::read(&bytes) else {
            panic!("no queue");
        };
        assert_eq!((queue.ecn_mark, queue.ce_mark), (3, 7));
        // Of 2 drops over a limit, 9 cannot be over the memory limit. The difference must not
        // wrap.
        assert_eq!(queue.drops().map(|(_, count)| count), [20, 0, 9, 0, 5, 1]);
        let bytes = words([1, u32::MAX, 7, 0, 0, 0, 0]);
        let Some(FqCodelXstats::Flow(flow)) = FqCodelXstats::read(&bytes) else {
            panic!("no flow");
        };
        assert_eq!((flow.deficit, flow.ldelay, flow.dropping), (-1, 7, false));
        assert!(FqCodelXstats::read(&words([2, 1])).is_none());
    }
}
