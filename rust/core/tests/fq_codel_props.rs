// SPDX-License-Identifier: GPL-2.0

//! What holds for FQ-CoDel whatever the traffic.

mod fq_model;

use fq_model::{Packet, Sim, Why};
use proptest::collection::vec;
use proptest::prelude::*;
use std::num::NonZeroU32;
use tackle_core::codel::Time;
use tackle_core::fq_codel::{Enqueued, Params, Quantum};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

#[derive(Clone, Debug)]
enum Step {
    Enqueue {
        flow: usize,
        len: u32,
        truesize: u32,
        wmem: bool,
    },
    Dequeue,
    Peek,
    Limit(u32),
    MemoryLimit(u32),
    Reset,
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let enqueue = (any::<usize>(), 1..1_600u32, 0..5_000u32, any::<bool>());
    let step = prop_oneof![
        60 => enqueue.prop_map(|(flow, len, truesize, wmem)| {
            Step::Enqueue { flow, len, truesize, wmem }
        }),
        40 => Just(Step::Dequeue),
        5 => Just(Step::Peek),
        1 => (0..100u32).prop_map(Step::Limit),
        1 => (0..200_000u32).prop_map(Step::MemoryLimit),
        1 => Just(Step::Reset),
    ];
    vec((0..20 * MS, step), 0..400)
}

fn params() -> impl Strategy<Value = Params> {
    (0..60u32, 0..150_000u32, 0..3_000u32, 1..70u32, 0..2_000u32).prop_map(
        |(limit, memory_limit, quantum, drop_batch, interval)| {
            let mut params = Params::new(1_514);
            params.limit = limit;
            params.memory_limit = memory_limit;
            params.quantum = Quantum::new(quantum).expect("in the range");
            params.drop_batch = NonZeroU32::new(drop_batch).expect("not 0");
            params.codel.interval = Time(interval);
            params
        },
    )
}

/// The flow of each packet, by its number, and its length.
type Arrived = Vec<(usize, u32)>;

/// Plays a step; returns the packet that was sent.
fn play(sim: &mut Sim, step: &Step, arrived: &mut Arrived) -> Option<Packet> {
    let params = sim.sched.params;
    match *step {
        Step::Enqueue {
            flow,
            len,
            truesize,
            wmem,
        } => {
            let flow = flow % sim.sched.flows_cnt() as usize;
            arrived.push((flow, len));
            let packet = sim.arrive(Packet {
                len,
                truesize,
                wmem,
                ..Packet::default()
            });
            let over = sim.host.qlen == params.limit;
            let result = sim.enqueue(flow as u32, packet);
            // The limits were kept before: one batch is enough for the one of packets.
            assert!(sim.host.qlen <= params.limit);
            assert!(!over || result != Enqueued::Queued);
        }
        Step::Dequeue => return sim.dequeue(),
        Step::Peek => _ = sim.peek(),
        Step::Limit(limit) => sim.change(Params { limit, ..params }),
        Step::MemoryLimit(memory_limit) => sim.change(Params {
            memory_limit,
            ..params
        }),
        Step::Reset => sim.reset(),
    }
    None
}

/// Checks that all tables and counts are about the same packets.
fn check_tables(sim: &Sim) -> Result<(), TestCaseError> {
    let sched = &sim.sched;
    let mut listed: Vec<u32> = sched.new_flows().chain(sched.old_flows()).collect();
    let on_lists = listed.len();
    listed.sort_unstable();
    listed.dedup();
    prop_assert_eq!(on_lists, listed.len(), "a flow is on two lists");

    let (mut qlen, mut backlog, mut memory) = (0, 0, 0);
    for index in 0..sched.flows_cnt() {
        let flow = sched.flow(index).expect("there is");
        let bytes: u32 = flow.packets.iter().map(|packet| packet.len).sum();
        prop_assert_eq!(flow.is_listed(), listed.binary_search(&index).is_ok());
        prop_assert!(flow.is_listed() || flow.packets.is_empty());
        prop_assert_eq!(sched.backlog(index), Some(bytes));
        qlen += flow.packets.len() as u32;
        backlog += bytes;
        memory += (flow.packets.iter())
            .map(|p| if p.wmem { 0 } else { p.truesize })
            .sum::<u32>();
        let deficit = sched.class_stats(index, Time(0)).expect("there is").deficit;
        prop_assert!((-1_600..=3_000).contains(&deficit), "{}", deficit);
    }
    prop_assert_eq!(memory, sched.stats().memory_usage);
    let parked = sim.host.parked.as_ref().map_or((0, 0), |p| (1, p.len));
    prop_assert_eq!(qlen + parked.0, sim.host.qlen);
    prop_assert_eq!(backlog + parked.1, sim.host.backlog);
    Ok(())
}

/// Checks that what users see counts each packet once: as sent, or as dropped for one reason.
fn check_counts(sim: &Sim, sent: u32, gone: u32) -> Result<(), TestCaseError> {
    let stats = sim.sched.stats();
    let drops = stats.drop_target + stats.drop_overlimit + stats.drop_change + stats.drop_reset;
    prop_assert_eq!((sim.host.sent, sim.host.drops), (sent, gone));
    prop_assert_eq!(drops, gone);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_packet_is_sent_or_dropped_once_and_in_order(
        flows in 1..20usize,
        params in params(),
        start in any::<u32>(),
        steps in steps(),
    ) {
        let mut sim = Sim::new(flows, params);
        sim.host.ns = u64::from(start) * 1_024;
        let mut arrived = Vec::new();
        // The number of the next packet of each flow, at least.
        let mut next = vec![0; flows];
        let (mut sent, mut gone) = (0, 0);
        for (gap, step) in &steps {
            sim.host.ns += gap;
            let packet = play(&mut sim, step, &mut arrived);
            check_tables(&sim)?;
            sent += u32::from(packet.is_some());
            for (id, why) in sim.host.gone.drain(..) {
                gone += 1;
                prop_assert!(why != Why::NoFlow);
                // What was peeked at is no longer in its flow.
                if why != Why::Discarded {
                    let (flow, _) = arrived[id as usize];
                    prop_assert!(id >= next[flow], "{} of flow {}", id, flow);
                    next[flow] = id + 1;
                }
            }
            if let Some(packet) = packet {
                prop_assert_eq!(packet.len, arrived[packet.id as usize].1);
            }
        }
        prop_assert_eq!(arrived.len() as u32, sent + gone + sim.host.qlen);
        check_counts(&sim, sent, gone)?;

        // What is left comes out, too, unless CoDel drops it.
        while sim.dequeue().is_some() {
            sent += 1;
        }
        gone += sim.host.gone.len() as u32;
        prop_assert_eq!(arrived.len() as u32, sent + gone);
        check_counts(&sim, sent, gone)?;
        prop_assert_eq!(sim.host.backlog, 0);
        check_tables(&sim)?;
        prop_assert_eq!(sim.sched.new_flows().count() + sim.sched.old_flows().count(), 0);
    }

    #[test]
    fn parents_count_the_same(params in params(), steps in steps()) {
        let mut sim = Sim::new(4, params);
        sim.host.ns = SECOND;
        let mut arrived = Vec::new();
        // As a parent counts: what was taken, less what it sent and what it was told of.
        let (mut qlen, mut backlog) = (0i64, 0i64);
        for (gap, step) in &steps {
            sim.host.ns += gap;
            let is_enqueue = matches!(step, Step::Enqueue { .. });
            let before = arrived.len();
            let packet = play(&mut sim, step, &mut arrived);
            let parent = std::mem::take(&mut sim.parent);
            if is_enqueue {
                let (flow, len) = arrived[before];
                let congested = sim.host.gone.iter().any(|(id, _)| arrived[*id as usize].0 == flow);
                if !congested {
                    qlen += 1;
                    backlog += i64::from(len);
                }
            }
            if let Some(packet) = packet {
                qlen -= 1;
                backlog -= i64::from(packet.len);
            }
            qlen -= i64::from(parent.sum.packets);
            backlog -= i64::from(parent.sum.len);
            if matches!(step, Step::Reset) {
                (qlen, backlog) = (0, 0);
            }
            sim.host.gone.clear();
            prop_assert_eq!(qlen, i64::from(sim.host.qlen));
            prop_assert_eq!(backlog, i64::from(sim.host.backlog));
            prop_assert_eq!(parent.called && sim.host.qlen == 0, parent.emptied);
        }
    }

    #[test]
    fn busy_flows_send_the_same_number_of_bytes(
        quantum in 256..4_000u32,
        flows in 2..6usize,
        lens in vec(1..1_600u32, 1..50),
    ) {
        let mut params = Params::new(1_514);
        params.quantum = Quantum::new(quantum).expect("in the range");
        let mut sim = Sim::new(flows, params);
        let mut lens = lens.into_iter().cycle();
        let mut flow_of = Vec::new();
        let mut sent = vec![0u32; flows];
        for _ in 0..500 {
            for flow in 0..flows as u32 {
                while sim.sched.backlog(flow) < Some(2 * quantum + 1_600) {
                    let len = lens.next().expect("endless");
                    let packet = sim.arrive(Packet { len, ..Packet::default() });
                    flow_of.push(flow);
                    prop_assert_eq!(sim.enqueue(flow, packet), Enqueued::Queued);
                }
            }
            let packet = sim.dequeue().expect("all are full");
            sent[flow_of[packet.id as usize] as usize] += packet.len;
        }
        // One flow can be a turn ahead, and each a packet off its turns.
        let most = quantum + 2 * 1_600;
        let (least, best) = (sent.iter().min(), sent.iter().max());
        prop_assert!(best.unwrap() - least.unwrap() <= most, "{:?}", sent);
    }
}
