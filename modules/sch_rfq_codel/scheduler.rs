// SPDX-License-Identifier: GPL-2.0

//! Implements the state of `rfq_codel`: the scheduler of [`tackle_core::fq_codel`] with its
//! memory, and its operations on packets.

use core::num::NonZeroU32;
use kernel::alloc::KVVec;
use tackle::{
    fault,
    net::{codel::Sojourn, fq_codel::Xstats, qdisc::FlowStats},
    prelude::qdisc::*,
};
use tackle_core::{
    codel::{
        attr::{
            DROP_CHANGE, DROP_FILTER, DROP_RESET, DROP_TARGET, FIRST_ABOVE, FLOWS_ABOVE,
            FLOWS_DROPPING,
        },
        Time,
    },
    fq_codel::{self, Enqueued, Flow, Params, MAX_FLOWS},
};

type Scheduler<'q> = fq_codel::FqCodel<KVVec<Flow<SkbList<'q>>>, KVVec<u32>>;

/// A scheduler of the qdisc `'q`.
pub(crate) struct FqCodel<'q> {
    scheduler: Scheduler<'q>,
    /// The delays of the packets that were sent.
    pub(crate) sojourn: Sojourn,
}

impl<'q> FqCodel<'q> {
    /// Creates a scheduler with `flows` flows.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: there are more flows than [`MAX_FLOWS`].
    /// - `ENOMEM`: there is no memory for the flows.
    ///
    /// # Context
    ///
    /// May sleep.
    pub(crate) fn new(flows: NonZeroU32, params: Params) -> Result<Self> {
        // CAST: A `usize` is not smaller.
        let count = flows.get() as usize;
        if count > MAX_FLOWS {
            return Err(EINVAL);
        }
        fault::QDISC_FLOWS_ALLOC.check()?;
        let mut flows = KVVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            flows
                .push_within_capacity(Flow::new(SkbList::new()))
                .map_err(|_| ENOMEM)?;
        }
        fault::QDISC_BACKLOGS_ALLOC.check()?;
        let backlogs = KVVec::from_elem(0, count, GFP_KERNEL)?;
        fq_codel::FqCodel::new(flows, backlogs, params)
            .map(|scheduler| Self {
                scheduler,
                sojourn: Sojourn::default(),
            })
            .ok_or(EINVAL)
    }

    /// Returns the parameters that a user can set.
    pub(crate) fn params(&self) -> &Params {
        &self.scheduler.params
    }

    /// Returns the parameters to change them. After lowering a limit, call [`trim`](Self::trim).
    pub(crate) fn params_mut(&mut self) -> &mut Params {
        &mut self.scheduler.params
    }

    /// Returns the number of flows.
    pub(crate) fn flow_count(&self) -> u32 {
        self.scheduler.flows_cnt()
    }

    /// Puts a packet in the flow that its socket's priority, a filter or its hash selects.
    #[inline]
    pub(crate) fn enqueue<'call>(
        &mut self,
        sch: &mut Enqueue<'q, 'call>,
        packet: SkBuff<'call>,
    ) -> Outcome<'call> {
        let (flow, packet) = match self
            .scheduler
            .flow_of_priority(packet.priority(), sch.handle())
        {
            Some(flow) => (flow, packet),
            None => match self.classify(sch, packet) {
                Ok(classified) => classified,
                Err(outcome) => return outcome,
            },
        };
        // `sch` counts dropped packets, and updates the queue lengths of the parents.
        match self.scheduler.enqueue(sch, flow, packet) {
            Ok(Enqueued::Queued | Enqueued::Dropped(_)) => Outcome::QUEUED,
            Ok(Enqueued::Congested(_)) => Outcome::CONGESTED,
            Err(packet) => sch.reject(packet, DropReason::Generic),
        }
    }

    /// Finds the flow of a packet. If there is none, the packet is dropped or consumed, and the
    /// error is the outcome for the caller.
    #[inline]
    fn classify<'call>(
        &self,
        sch: &mut Enqueue<'q, 'call>,
        packet: SkBuff<'call>,
    ) -> Result<(u32, SkBuff<'call>), Outcome<'call>> {
        match sch.classify(packet) {
            Verdict::NoFilters(mut packet) => {
                Ok((self.scheduler.flow_of_hash(packet.hash()), packet))
            }
            Verdict::Class(packet, class) => match self.scheduler.flow_of_class(class) {
                Some(flow) => Ok((flow, packet)),
                None => Err(sch.reject_unclassified(packet)),
            },
            Verdict::NoMatch(packet) => Err(sch.reject_unclassified(packet)),
            Verdict::Gone(outcome) => Err(outcome),
        }
    }

    /// Removes the next packet to be sent from its flow. Returns [`None`] if no packets are left.
    #[inline]
    pub(crate) fn dequeue<'call>(&mut self, sch: &mut Dequeue<'q, 'call>) -> Option<SkBuff<'call>> {
        // `sch` counts dropped packets, and updates the queue lengths of the parents.
        let packet = self.scheduler.dequeue(sch);
        if packet.is_some() && self.sojourn.is_on() {
            self.count_sojourn();
        }
        packet
    }

    /// Counts the delay of the packet that was just dequeued. This is a separate function, since
    /// inlined code would use registers even while the histogram is off.
    #[cold]
    #[inline(never)]
    fn count_sojourn(&self) {
        if let Some(time) = self.scheduler.ldelay() {
            self.sojourn.add(time);
        }
    }

    /// Returns whether no flow is in a list of active flows, so that a dequeue would change
    /// nothing. A flow without packets stays in a list until its next turn.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.scheduler.is_idle()
    }

    /// Drops packets from the head of the queue until they are within the limits.
    pub(crate) fn trim(&mut self, sch: &mut Change<'q, '_>) {
        // `sch` updates the queue lengths of the parents.
        self.scheduler.trim(sch);
    }

    /// Drops all packets and resets the scheduler.
    pub(crate) fn reset(&mut self, sch: &mut Reset<'q>) {
        let waiting = sch.waiting();
        self.scheduler.reset(waiting, |list| sch.purge(list));
    }

    /// Returns whether a flow has packets, or had packets at its last turn.
    pub(crate) fn flow_in_use(&self, flow: u32) -> bool {
        self.scheduler.flow(flow).is_some_and(Flow::is_listed)
    }

    /// Returns the statistics.
    pub(crate) fn stats(&self) -> Xstats {
        let stats = self.scheduler.stats();
        // CAST: The value is at most `MAX_FLOWS`.
        let len = |list: &mut dyn Iterator<Item = u32>| list.count() as u32;
        Xstats::of_qdisc([
            stats.maxpacket,
            stats.drop_overlimit,
            stats.ecn_mark,
            stats.new_flow_count,
            len(&mut self.scheduler.new_flows()),
            len(&mut self.scheduler.old_flows()),
            stats.ce_mark,
            stats.memory_usage,
            stats.drop_overmemory,
        ])
    }

    /// Adds the statistics that `fq_codel` does not have.
    ///
    /// # Errors
    ///
    /// Returns `EMSGSIZE` if the message has no room left.
    pub(crate) fn details(&self, sch: &Sch, out: &mut Details) -> Result {
        let (control, stats) = (self.scheduler.control(), self.scheduler.stats());
        out.put_u32(DROP_TARGET, stats.drop_target)?;
        out.put_u32(DROP_CHANGE, stats.drop_change)?;
        out.put_u32(DROP_RESET, stats.drop_reset)?;
        // All other drops of this qdisc are packets that filters dropped or found no flow for. So
        // these need no counter of their own.
        let ours = [
            stats.drop_target,
            stats.drop_overlimit,
            stats.drop_change,
            stats.drop_reset,
        ];
        let others = ours
            .iter()
            .fold(sch.drops(), |drops, of| drops.wrapping_sub(*of));
        out.put_u32(DROP_FILTER, others)?;
        out.put_u32(FLOWS_ABOVE, control.above)?;
        out.put_u32(FLOWS_DROPPING, control.dropping)
    }

    /// Adds the statistics of a flow that `fq_codel` does not have, at the time `now`.
    ///
    /// # Errors
    ///
    /// Returns `EMSGSIZE` if the message has no room left.
    pub(crate) fn flow_details(&self, flow: u32, now: Time, out: &mut Details) -> Result {
        match self.scheduler.first_above_us(flow, now) {
            // CAST: The value has the same bits as the signed value in user space.
            Some(time) => out.put_u32(FIRST_ABOVE, time as u32),
            None => Ok(()),
        }
    }

    /// Returns the statistics of a flow at the time `now`; [`None`] if there is no such flow.
    pub(crate) fn flow_stats(&self, flow: u32, now: Time) -> Option<FlowStats<Xstats>> {
        let stats = self.scheduler.class_stats(flow, now)?;
        // CAST: The values have the same bits as the signed values in user space.
        let (deficit, drop_next) = (stats.deficit as u32, stats.drop_next as u32);
        Some(FlowStats {
            qlen: self.scheduler.flow(flow)?.packets.count(),
            backlog: self.scheduler.backlog(flow)?,
            stats: Xstats::of_flow([
                deficit,
                stats.ldelay,
                stats.count,
                stats.lastcount,
                stats.dropping.into(),
                drop_next,
            ]),
        })
    }
}
