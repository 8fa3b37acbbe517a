// SPDX-License-Identifier: GPL-2.0

//! Implements FQ-CoDel, the flow queue scheduler with controlled delay of RFC 8290.
//!
//! Packets are distributed over flows by a hash. Each flow is a FIFO queue with its own
//! [CoDel](crate::codel). The flows take turns in sending:
//!
//! ```text
//!  packets          flows            lists of flows that take turns          link
//!
//!            .---> 0 |||||| CoDel
//!            +---> 1                 new  3 ------------------------.
//!  hash -----+---> 2 ||     CoDel                                   +---> head flow
//!            +---> 3 |      CoDel    old  0 -> 2 -> 5  (if no new) -'     sends
//!            +---> 4
//!            '---> 5 ||||   CoDel
//! ```
//!
//! In each turn a flow may send a *quantum* of bytes. A flow sends while its deficit is positive,
//! and the length of each packet is subtracted from the deficit, which can become negative with
//! the last packet (deficit round robin, DRR++). The states of a flow are:
//!
//! ```text
//!                      a packet comes:
//!  .------------.    deficit = quantum    .----------.
//!  | on no list |------------------------>| new list |
//!  '------------'                         '----------'
//!     ^      ^     no packet, and no old      |  |
//!     |      |     flows to wait for          |  |  no packet, or
//!     |      '--------------------------------'  |  no deficit: += quantum
//!     |                                          v
//!     |   no packet                       .-------------.
//!     '-----------------------------------|  old list,  |----.  no deficit:
//!                                         | at its end  |<---'  += quantum
//!                                         '-------------'
//! ```
//!
//! - A flow that sends less than a quantum in each round (a name lookup, a keystroke, a voice
//!   call) is a new flow each time, and does not wait for long queues.
//! - An emptied new flow must wait for one turn on the old list before it can be new again.
//!   Otherwise flows that come and go could starve the old ones (section 4.2 of the RFC).
//! - If all flows together hold too many packets or too much memory, packets of the flow with the
//!   longest backlog in bytes are dropped: up to half of its backlog from its head, but at most
//!   [`Params::drop_batch`] packets. The search for this flow examines all flows, and dropping a
//!   batch spreads the cost of the search (section 4.1).
//!
//! All flows share one set of [`codel::Params`] and [`codel::Stats`], but each has its own
//! [`codel::Vars`]. As in the kernel, the backlog that CoDel compares with the MTU is that of all
//! flows together.
//!
//! Each decision is the same as in the kernel's `net/sched/sch_fq_codel.c` (Linux 7.3), packet for
//! packet; `tests/fq_codel_diff.rs` compares both. The lists are linked by indices, one for each
//! flow, since flows leave a list only at its head. The time of each step is independent of the
//! number of flows, except for the search for the longest backlog.
//!
//! This module allocates no memory. The caller supplies the tables of flows and their backlogs
//! ([`FqCodel::new`]) and the packets ([`Packets`]).

mod flow;
mod overload;
mod packets;
mod params;
mod stats;

pub use flow::Flow;
pub use packets::{Dequeue, Enqueue, Note, Packets, Trim};
pub use params::{Params, Quantum};
pub use stats::{ClassStats, Control, Stats};

use crate::codel::{self, Time};
use core::ops::DerefMut;
use flow::Turns;

/// The maximum number of flows.
pub const MAX_FLOWS: usize = 65_536;

/// The result of putting a packet in a flow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Enqueued {
    /// Nothing was dropped: `NET_XMIT_SUCCESS`.
    Queued,
    /// Packets of another flow were dropped: `NET_XMIT_SUCCESS`.
    Dropped(Reduction),
    /// Packets of the same flow were dropped, possibly including this one: `NET_XMIT_CN`.
    ///
    /// In this case the parents do not count the packet, so the reduction does not include it.
    Congested(Reduction),
}

/// The numbers that the parents of a queue subtract from their counts: the arguments of
/// `qdisc_tree_reduce_backlog()`. Call this function for zeros as well.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Reduction {
    /// The number of packets.
    pub packets: i32,
    /// The number of bytes. It is negative if the dropped packets are shorter than the packet that
    /// the parents do not count.
    pub len: i32,
}

/// A scheduler, with a table of flows `F` and one of their backlogs `B`.
///
/// The table of backlogs is separate from that of the flows, so that the search for the longest
/// backlog reads few cache lines.
pub struct FqCodel<F, B> {
    /// The parameters that a user can set. After lowering a limit, call [`trim`](Self::trim).
    pub params: Params,
    flows: F,
    /// The bytes in each flow.
    backlogs: B,
    turns: Turns,
    /// The sum of the [`Note::memory`] of all packets in flows.
    memory_usage: u32,
    codel: codel::Stats,
    /// Packets that CoDel has dropped and [`take_drops`](Self::take_drops) has returned.
    drop_target: u32,
    drop_change: u32,
    drop_reset: u32,
    drop_overlimit: u32,
    drop_overmemory: u32,
    new_flow_count: u32,
}

impl<L, F, B> FqCodel<F, B>
where
    F: DerefMut<Target = [Flow<L>]>,
    B: DerefMut<Target = [u32]>,
{
    /// Creates a scheduler without packets.
    ///
    /// `flows` must be new and `backlogs` 0. Returns [`None`] if the tables are empty, longer than
    /// [`MAX_FLOWS`], or of different lengths.
    pub fn new(flows: F, backlogs: B, params: Params) -> Option<Self> {
        let count = flows.len();
        (count == backlogs.len() && (1..=MAX_FLOWS).contains(&count)).then_some(Self {
            params,
            flows,
            backlogs,
            turns: Turns::NONE,
            memory_usage: 0,
            codel: codel::Stats::default(),
            drop_target: 0,
            drop_change: 0,
            drop_reset: 0,
            drop_overlimit: 0,
            drop_overmemory: 0,
            new_flow_count: 0,
        })
    }

    /// Returns the number of flows.
    #[inline]
    pub fn flows_cnt(&self) -> u32 {
        // CAST: The value is at most `MAX_FLOWS`.
        self.flows.len() as u32
    }

    /// Returns the flow of a packet with this hash, which must be distributed over 32 bits.
    #[inline]
    pub fn flow_of_hash(&self, hash: u32) -> u32 {
        // CAST: The value is less than the number of flows.
        (u64::from(hash).wrapping_mul(u64::from(self.flows_cnt())) >> 32) as u32
    }

    /// Returns the flow of the class that a filter has selected; [`None`] if there is no such
    /// flow.
    ///
    /// Class `HANDLE:N` is flow `N - 1`.
    #[inline]
    pub fn flow_of_class(&self, classid: u32) -> Option<u32> {
        (classid & MINOR)
            .checked_sub(1)
            .filter(|flow| *flow < self.flows_cnt())
    }

    /// Returns the flow that a packet's socket selects by its priority (`SO_PRIORITY`), if the
    /// priority is a class of the qdisc with this handle.
    #[inline]
    pub fn flow_of_priority(&self, priority: u32, handle: u32) -> Option<u32> {
        if priority & !MINOR != handle {
            return None;
        }
        self.flow_of_class(priority)
    }

    /// Puts a packet at the end of a flow, and drops packets if there are too many then.
    ///
    /// Returns the packet as the error if there is no such flow.
    #[inline]
    pub fn enqueue<P: Enqueue<List = L>>(
        &mut self,
        packets: &mut P,
        flow: u32,
        mut packet: P::Packet,
    ) -> Result<Enqueued, P::Packet> {
        let (index, flows) = (flow as usize, &mut *self.flows);
        let (Some(flow), Some(backlog)) = (flows.get_mut(index), self.backlogs.get_mut(index))
        else {
            return Err(packet);
        };
        let (len, memory) = (P::len(&packet), P::memory(&packet));
        let at = packets.now();
        P::set_note(&mut packet, Note { at, memory });
        packets.push(&mut flow.packets, packet);
        *backlog = backlog.wrapping_add(len);
        if flow.enlist(self.params.quantum) {
            self.turns.new.push(flows, index);
            self.new_flow_count = self.new_flow_count.wrapping_add(1);
        }
        self.memory_usage = self.memory_usage.wrapping_add(memory);
        if !self.is_over(packets) {
            return Ok(Enqueued::Queued);
        }
        Ok(self.drop_overload(packets, index, len))
    }

    /// Removes the next packet to be sent from its flow, and drops or marks packets by the rules
    /// of CoDel. Returns [`None`] if no packets are left.
    ///
    /// Call [`take_drops`](Self::take_drops) afterwards.
    #[inline]
    pub fn dequeue<P: Dequeue<List = L>>(&mut self, packets: &mut P) -> Option<P::Packet> {
        loop {
            let index = self.turns.next();
            // If no flow is on a list, the index is out of range and the loop ends here.
            let flow = self.flows.get_mut(index)?;
            if !flow.has_deficit() {
                flow.add_deficit(self.params.quantum);
                self.turns.pop(flow);
                self.turns.old.push(&mut self.flows, index);
                continue;
            }
            let mut queue = packets::InFlow {
                packets,
                list: &mut flow.packets,
                backlog: self.backlogs.get_mut(index)?,
                memory_usage: &mut self.memory_usage,
            };
            let params = &self.params.codel;
            if let Some(packet) =
                codel::dequeue(&mut queue, params, &mut flow.vars, &mut self.codel)
            {
                flow.take_deficit(P::len(&packet));
                return Some(packet);
            }
            self.leave(index);
        }
    }

    /// Returns the sojourn time of the last packet of the flow whose turn it is. If
    /// [`dequeue`](Self::dequeue) has just returned a packet, it is the sojourn time of that
    /// packet, since its flow is at the head of its list until the next call.
    pub fn ldelay(&self) -> Option<Time> {
        Some(self.flows.get(self.turns.next())?.vars.ldelay)
    }

    /// Returns whether no flow is on a list, so that [`dequeue`](Self::dequeue) would change
    /// nothing.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.turns.new.is_empty() && self.turns.old.is_empty()
    }

    /// Removes the flow whose turn it is, and which has no packets, from its list.
    // This is a separate function, since inlined code would use registers in the loop of
    // `dequeue`.
    #[inline(never)]
    fn leave(&mut self, index: usize) {
        let Some(flow) = self.flows.get_mut(index) else {
            return;
        };
        let was_new = !self.turns.new.is_empty();
        self.turns.pop(flow);
        if was_new && !self.turns.old.is_empty() {
            // The flow must wait once for the old flows, since otherwise it could starve them.
            self.turns.old.push(&mut self.flows, index);
        } else {
            flow.unlist();
        }
    }

    /// Returns what [`dequeue`](Self::dequeue) has dropped since the last call, if anything, so
    /// that the caller can report it to the parents.
    #[inline]
    pub fn take_drops(&mut self) -> Option<Reduction> {
        if self.codel.drop_count == 0 {
            return None;
        }
        self.drop_target = self.drop_target.wrapping_add(self.codel.drop_count);
        // CAST: C passes the numbers as signed, and adds them to unsigned ones.
        Some(Reduction {
            packets: core::mem::take(&mut self.codel.drop_count) as i32,
            len: core::mem::take(&mut self.codel.drop_len) as i32,
        })
    }

    /// Drops packets from the head of the queue until they are within the limits. CoDel drops some
    /// of them for its target, and the others count as dropped by the change.
    ///
    /// Returns the numbers that the parents subtract from their counts.
    pub fn trim<P: Trim<List = L>>(&mut self, packets: &mut P) -> Reduction {
        let mut total = Reduction::default();
        while self.is_over(packets) {
            let Some(packet) = packets.pop_parked().or_else(|| self.dequeue(packets)) else {
                break;
            };
            total.add(1, P::len(&packet));
            packets.discard(packet);
            self.drop_change = self.drop_change.wrapping_add(1);
        }
        if let Some(drops) = self.take_drops() {
            total.add(drops.packets, drops.len as u32);
        }
        total
    }

    /// Removes all packets; `purge` empties a flow. The `waiting` packets count as dropped,
    /// including a packet that a parent has peeked at.
    ///
    /// The other statistics and the deficits do not change.
    pub fn reset(&mut self, waiting: u32, mut purge: impl FnMut(&mut L)) {
        self.drop_reset = self.drop_reset.wrapping_add(waiting);
        self.turns = Turns::NONE;
        for flow in self.flows.iter_mut() {
            purge(&mut flow.packets);
            flow.unlist();
            flow.vars = codel::Vars::default();
        }
        self.backlogs.fill(0);
        self.memory_usage = 0;
    }

    /// Returns whether there are too many packets, or whether they take too much memory.
    #[inline]
    fn is_over<P: Packets>(&self, packets: &P) -> bool {
        packets.qlen() > self.params.limit || self.memory_usage > self.params.memory_limit
    }
}

/// The part of a class's number that distinguishes it from other classes of the same qdisc.
const MINOR: u32 = 0xffff;

impl Reduction {
    #[inline]
    fn add(&mut self, packets: i32, len: u32) {
        self.packets = self.packets.wrapping_add(packets);
        // CAST: As in `take_drops`.
        self.len = self.len.wrapping_add(len as i32);
    }
}
