// SPDX-License-Identifier: GPL-2.0

//! Implements the statistics of a scheduler and its flows.

use super::{Flow, FqCodel};
use crate::codel::Time;
use core::ops::DerefMut;

/// The counters of a scheduler. They are those of `struct tc_fq_codel_qd_stats`, and also
/// `drop_target`, `drop_change` and `drop_reset`. They wrap around.
///
/// That structure also has the lengths of the lists: the numbers of items of
/// [`FqCodel::new_flows`] and [`FqCodel::old_flows`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// The length in bytes of the longest packet that CoDel has seen.
    pub maxpacket: u32,
    /// Packets that CoDel dropped because the target was exceeded.
    pub drop_target: u32,
    /// Packets dropped because a limit was lowered.
    pub drop_change: u32,
    /// Packets dropped because the qdisc was reset.
    pub drop_reset: u32,
    /// Packets dropped because there were too many, or because they took too much memory.
    pub drop_overlimit: u32,
    /// Packets that CoDel marked with ECN CE instead of dropping them.
    pub ecn_mark: u32,
    /// How often a packet has put a flow on the list of new flows.
    pub new_flow_count: u32,
    /// Packets marked with ECN CE for the CE threshold.
    pub ce_mark: u32,
    /// Bytes of memory that the packets take.
    pub memory_usage: u32,
    /// The packets in `drop_overlimit` that were dropped because of the memory.
    pub drop_overmemory: u32,
}

/// The state of a flow, with the members of `struct tc_fq_codel_cl_stats`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ClassStats {
    /// The number of bytes that it may send before the turn of the next flow.
    pub deficit: i32,
    /// The sojourn time of its last packet, in microseconds.
    pub ldelay: u32,
    /// The number of drops or marks in the dropping state.
    pub count: u32,
    /// `count` when the dropping state was last entered.
    pub lastcount: u32,
    /// Whether it is in the dropping state.
    pub dropping: bool,
    /// The time to the next drop in microseconds. It is negative if the drop is overdue.
    pub drop_next: i32,
}

/// The numbers of flows in states of CoDel.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Control {
    /// Flows whose sojourn time is above the target.
    pub above: u32,
    /// Flows in the dropping state.
    pub dropping: u32,
}

impl<L, F, B> FqCodel<F, B>
where
    F: DerefMut<Target = [Flow<L>]>,
    B: DerefMut<Target = [u32]>,
{
    /// Returns the counters.
    pub fn stats(&self) -> Stats {
        Stats {
            maxpacket: self.codel.maxpacket,
            drop_target: self.drop_target.wrapping_add(self.codel.drop_count),
            drop_change: self.drop_change,
            drop_reset: self.drop_reset,
            drop_overlimit: self.drop_overlimit,
            ecn_mark: self.codel.ecn_mark,
            new_flow_count: self.new_flow_count,
            ce_mark: self.codel.ce_mark,
            memory_usage: self.memory_usage,
            drop_overmemory: self.drop_overmemory,
        }
    }

    /// Returns the state of a flow at the time `now`; [`None`] if there is no such flow.
    pub fn class_stats(&self, flow: u32, now: Time) -> Option<ClassStats> {
        let flow = self.flow(flow)?;
        let vars = &flow.vars;
        Some(ClassStats {
            deficit: flow.deficit,
            ldelay: vars.ldelay.to_us(),
            count: vars.count,
            lastcount: vars.lastcount,
            dropping: vars.dropping,
            drop_next: vars.drop_next_us(now),
        })
    }

    /// Returns the time from `now` until a flow will have been above the target for an interval,
    /// like [`first_above_us`](crate::codel::Vars::first_above_us).
    pub fn first_above_us(&self, flow: u32, now: Time) -> Option<i32> {
        self.flow(flow)?.vars.first_above_us(now)
    }

    /// Returns the numbers of flows in states of CoDel. Flows on no list are in none of these
    /// states.
    pub fn control(&self) -> Control {
        let listed = self.new_flows().chain(self.old_flows());
        listed
            .filter_map(|flow| self.flow(flow))
            .fold(Control::default(), |sum, flow| Control {
                above: sum
                    .above
                    .wrapping_add((flow.vars.first_above_time != Time(0)).into()),
                dropping: sum.dropping.wrapping_add(flow.vars.dropping.into()),
            })
    }

    /// Returns a flow; [`None`] if there is no such flow.
    pub fn flow(&self, flow: u32) -> Option<&Flow<L>> {
        self.flows.get(flow as usize)
    }

    /// Returns the number of bytes in a flow; [`None`] if there is no such flow.
    pub fn backlog(&self, flow: u32) -> Option<u32> {
        self.backlogs.get(flow as usize).copied()
    }

    /// Returns the flows on the list of new flows, in the order of their turns.
    pub fn new_flows<'a>(&'a self) -> impl Iterator<Item = u32> + 'a
    where
        L: 'a,
    {
        self.turns.new.iter(&self.flows)
    }

    /// Returns the flows on the list of old flows, in the order of their turns.
    pub fn old_flows<'a>(&'a self) -> impl Iterator<Item = u32> + 'a
    where
        L: 'a,
    {
        self.turns.old.iter(&self.flows)
    }
}
