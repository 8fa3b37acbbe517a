// SPDX-License-Identifier: GPL-2.0

//! What RFC 8290 asks of FQ-CoDel, by example.

mod codel;
#[path = "../fq_model/mod.rs"]
mod fq_model;
mod overload;
mod qdisc;
mod turns;

use fq_model::{Packet, Sim, Why};
use tackle_core::codel::Time;
use tackle_core::fq_codel::{Enqueued, Params, Stats};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const MTU: u32 = 1_500;

/// A qdisc of which the flow of each packet is known.
struct Line {
    sim: Sim,
    flow_of: Vec<u32>,
}

impl Line {
    fn new(flows: usize, params: Params) -> Self {
        let mut sim = Sim::new(flows, params);
        sim.host.ns = SECOND;
        Line {
            sim,
            flow_of: Vec::new(),
        }
    }

    fn enqueue(&mut self, flow: u32, packet: Packet) -> Enqueued {
        let packet = self.sim.arrive(packet);
        assert_eq!(packet.id as usize, self.flow_of.len());
        self.flow_of.push(flow);
        self.sim.enqueue(flow, packet)
    }

    /// Puts a packet in a flow.
    fn put(&mut self, flow: u32, len: u32) -> Enqueued {
        let truesize = 2 * len;
        self.enqueue(
            flow,
            Packet {
                len,
                truesize,
                ..Packet::default()
            },
        )
    }

    /// Puts packets in a flow for which there is room.
    fn fill(&mut self, flow: u32, packets: u32, len: u32) {
        for _ in 0..packets {
            assert_eq!(self.put(flow, len), Enqueued::Queued);
        }
    }

    /// Takes a packet; returns its flow.
    fn take(&mut self) -> Option<u32> {
        let packet = self.sim.dequeue()?;
        let flow = self.flow_of[packet.id as usize];
        // The flow that has sent it is the one whose turn it is.
        let sched = &self.sim.sched;
        let stats = sched.class_stats(flow, Time(0)).expect("there is the flow");
        assert_eq!(sched.ldelay().map(Time::to_us), Some(stats.ldelay));
        Some(flow)
    }

    /// Takes packets; returns their flows.
    fn take_all<const N: usize>(&mut self) -> [u32; N] {
        [(); N].map(|()| self.take().expect("there are enough"))
    }

    fn lists(&self) -> (Vec<u32>, Vec<u32>) {
        let sched = &self.sim.sched;
        (sched.new_flows().collect(), sched.old_flows().collect())
    }

    /// The flows whose packets were dropped, each with how many.
    fn dropped(&self) -> Vec<(u32, usize)> {
        let mut flows: Vec<(u32, usize)> = Vec::new();
        for (id, why) in &self.sim.host.gone {
            assert_eq!(*why, Why::OverLimit);
            let flow = self.flow_of[*id as usize];
            match flows.iter_mut().find(|(f, _)| *f == flow) {
                Some((_, count)) => *count += 1,
                None => flows.push((flow, 1)),
            }
        }
        flows
    }

    fn stats(&self) -> Stats {
        self.sim.sched.stats()
    }
}

fn line() -> Line {
    Line::new(16, Params::new(MTU))
}

fn limited(limit: u32) -> Line {
    let params = Params::new(MTU);
    Line::new(16, Params { limit, ..params })
}
