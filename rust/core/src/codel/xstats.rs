// SPDX-License-Identifier: GPL-2.0

//! Statistics of the CoDel family as user space gets them: their numbers, and how to read them.
//!
//! The statistics (`TCA_STATS_APP`, and `TCA_XSTATS` for old readers) of `rcodel` and
//! `rfq_codel` begin with the C structure of the anchor, `struct tc_codel_xstats` or
//! `struct tc_fq_codel_xstats`, byte for byte; readers copy as much of them as they know.
//! Netlink attributes follow behind it. Numbers are in native byte
//! order. An absent attribute means 0, or that the value does not apply.
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

/// How many packets were dropped or marked for a reason, behind the reason's name.
pub type Count = (&'static CStr, u32);

/// Statistics of `codel` and `rcodel`: `struct tc_codel_xstats`.
#[derive(Clone, Copy, Debug)]
pub struct CodelXstats<'a> {
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
    pub dropping: bool,
    /// Packets marked for the CE threshold.
    pub ce_mark: u32,
    /// What `rcodel` adds; `codel` adds nothing.
    pub details: Attributes<'a>,
}

impl<'a> CodelXstats<'a> {
    /// Reads statistics of any length. Members that the kernel did not send are zero.
    pub fn read(xstats: &'a [u8]) -> Self {
        let [maxpacket, count, lastcount, ldelay, drop_next, drop_overlimit, ecn_mark, dropping, ce_mark] =
            words_of(xstats);
        Self {
            maxpacket,
            count,
            lastcount,
            ldelay,
            // CAST: It was signed in the kernel.
            drop_next: drop_next as i32,
            drop_overlimit,
            ecn_mark,
            dropping: dropping != 0,
            ce_mark,
            details: behind(xstats, CODEL_SIZE),
        }
    }

    /// Why `rcodel` dropped packets.
    pub fn drops(&self) -> [Count; 4] {
        [
            (c"target", count(self.details, DROP_TARGET)),
            (c"overlimit", self.drop_overlimit),
            (c"change", count(self.details, DROP_CHANGE)),
            (c"reset", count(self.details, DROP_RESET)),
        ]
    }

    /// Why packets were marked.
    pub fn marks(&self) -> [Count; 2] {
        marks(self.ecn_mark, self.ce_mark)
    }
}

/// Statistics of `fq_codel` and `rfq_codel`: `struct tc_fq_codel_xstats`.
#[derive(Clone, Copy, Debug)]
pub enum FqCodelXstats<'a> {
    /// Those of the whole queue.
    Queue(QueueXstats<'a>),
    /// Those of one flow.
    Flow(FlowXstats<'a>),
}

/// Statistics of all flows: `struct tc_fq_codel_qd_stats`.
#[derive(Clone, Copy, Debug)]
pub struct QueueXstats<'a> {
    /// The length in bytes of the longest packet seen.
    pub maxpacket: u32,
    /// Packets dropped because the queue was full, [`drop_overmemory`](Self::drop_overmemory)
    /// among them.
    pub drop_overlimit: u32,
    /// Packets marked instead of dropped.
    pub ecn_mark: u32,
    /// How often a packet made a flow a new one.
    pub new_flow_count: u32,
    /// New flows.
    pub new_flows_len: u32,
    /// Old flows.
    pub old_flows_len: u32,
    /// Packets marked for the CE threshold.
    pub ce_mark: u32,
    /// Bytes of memory that the packets occupy.
    pub memory_usage: u32,
    /// Packets dropped because the packets occupied too much memory.
    pub drop_overmemory: u32,
    /// What `rfq_codel` adds; `fq_codel` adds nothing.
    pub details: Attributes<'a>,
}

/// Statistics of one flow: `struct tc_fq_codel_cl_stats`.
#[derive(Clone, Copy, Debug)]
pub struct FlowXstats<'a> {
    /// Bytes that the flow may send in this round.
    pub deficit: i32,
    /// The sojourn time of the last packet in microseconds.
    pub ldelay: u32,
    /// Drops or marks in the dropping state.
    pub count: u32,
    /// `count` when the dropping state was last entered.
    pub lastcount: u32,
    /// Whether the flow is in the dropping state.
    pub dropping: bool,
    /// The time to the next drop in microseconds; negative when it is overdue.
    pub drop_next: i32,
    /// What `rfq_codel` adds; `fq_codel` adds nothing.
    pub details: Attributes<'a>,
}

impl<'a> FqCodelXstats<'a> {
    /// Reads statistics of any length. Members that the kernel did not send are zero.
    /// [`None`] if they are of something else than a queue or a flow.
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

    /// Why `rfq_codel` dropped packets.
    pub fn drops(&self) -> [Count; 6] {
        let over = self.drop_overmemory;
        [
            (c"target", count(self.details, DROP_TARGET)),
            // Those for the memory are among those over a limit.
            (c"overlimit", self.drop_overlimit.saturating_sub(over)),
            (c"overmemory", over),
            (c"change", count(self.details, DROP_CHANGE)),
            (c"reset", count(self.details, DROP_RESET)),
            (c"filter", count(self.details, DROP_FILTER)),
        ]
    }

    /// Why packets were marked.
    pub fn marks(&self) -> [Count; 2] {
        marks(self.ecn_mark, self.ce_mark)
    }

    /// How many flows are above the target, and how many are in the dropping state.
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
            // CAST: It was signed in the kernel, as is the other one.
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

/// The attributes behind the C structure of the anchor.
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

    /// An attribute of four bytes.
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
        // 2 over a limit cannot have 9 for the memory among them.
        assert_eq!(queue.drops().map(|(_, count)| count), [20, 0, 9, 0, 5, 1]);
        let bytes = words([1, u32::MAX, 7, 0, 0, 0, 0]);
        let Some(FqCodelXstats::Flow(flow)) = FqCodelXstats::read(&bytes) else {
            panic!("no flow");
        };
        assert_eq!((flow.deficit, flow.ldelay, flow.dropping), (-1, 7, false));
        assert!(FqCodelXstats::read(&words([2, 1])).is_none());
    }
}
