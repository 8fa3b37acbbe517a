// SPDX-License-Identifier: GPL-2.0

//! What a qdisc does besides.

use super::{limited, line, MTU};
use crate::fq_model::{Packet, Scheduler, Sim};
use tackle_core::codel::Time;
use tackle_core::fq_codel::{Flow, FqCodel, Params, Quantum, Stats, MAX_FLOWS};

#[test]
fn a_lower_limit_takes_packets_from_the_head() {
    let mut line = line();
    for flow in [0, 1] {
        line.fill(flow, 10, 1_500);
    }
    assert_eq!(line.sim.peek().map(|packet| packet.id), Some(0));
    assert_eq!(line.sim.host.qlen, 20, "it still waits");
    let limit = 16;
    let params = line.sim.sched.params;
    line.sim.change(Params { limit, ..params });
    let ids: Vec<u32> = line.sim.host.gone.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [0, 10, 1, 11], "that which was peeked at, and turns");
    assert_eq!(line.sim.parent.sum.packets, 4);
    assert_eq!(line.sim.parent.sum.len, 6_000);
    assert_eq!((line.sim.host.qlen, line.sim.host.drops), (16, 4));
    assert_eq!((line.stats().drop_change, line.sim.host.sent), (4, 0));

    let memory_limit = 10 * 3_000;
    line.sim.change(Params {
        memory_limit,
        ..params
    });
    assert_eq!(line.sim.host.qlen, 10);
    assert_eq!(line.stats().memory_usage, memory_limit);
}

#[test]
fn a_peek_shows_what_comes_next() {
    let mut line = line();
    assert_eq!(line.sim.peek(), None);
    line.fill(0, 3, 1_500);
    let peeked = line.sim.peek().cloned();
    assert_eq!(line.sim.peek().cloned(), peeked);
    // Even if a new flow would go before it.
    _ = line.put(1, 100);
    assert_eq!(line.sim.dequeue(), peeked);
    assert_eq!(line.take(), Some(1));
    assert_eq!(line.sim.host.sent, 2);
}

#[test]
fn it_is_idle_once_a_dequeue_has_found_no_flow() {
    let mut line = line();
    assert!(line.sim.sched.is_idle());
    _ = line.put(3, 100);
    assert!(!line.sim.sched.is_idle());
    assert_eq!(line.take(), Some(3));
    assert!(!line.sim.sched.is_idle(), "the flow is on its list still");
    assert_eq!(line.take(), None);
    assert!(line.sim.sched.is_idle());
}

#[test]
fn a_reset_forgets_the_packets_and_keeps_the_counts() {
    let mut line = limited(20);
    line.fill(0, 20, 1_000);
    _ = line.put(1, 100);
    line.sim.host.gone.clear();
    let before = line.stats();
    line.sim.reset();
    assert_eq!(line.sim.host.gone.len(), 11);
    let expected = Stats {
        memory_usage: 0,
        drop_reset: 11,
        ..before
    };
    assert_eq!(line.stats(), expected);
    assert_eq!(line.lists(), (vec![], vec![]));
    assert_eq!(line.take(), None);
    let class = line.sim.sched.class_stats(0, Time(0)).expect("there is");
    assert_eq!(class.count, 0);
    line.fill(0, 20, 1_000);
    assert_eq!(line.take(), Some(0));
}

#[test]
fn a_packet_without_a_flow_comes_back() {
    let mut line = line();
    let packet = Packet {
        len: 100,
        ..Packet::default()
    };
    let host = &mut line.sim.host;
    let back = line.sim.sched.enqueue(host, 16, packet.clone());
    assert_eq!(back, Err(packet));
    assert_eq!(line.sim.host.qlen, 0);
    assert_eq!(line.stats().new_flow_count, 0);
}

#[test]
fn hashes_spread_over_all_flows() {
    for flows in [1, 7, 1_024, MAX_FLOWS as u32] {
        let sched = Sim::new(flows as usize, Params::new(MTU)).sched;
        assert_eq!(sched.flow_of_hash(0), 0);
        assert_eq!(sched.flow_of_hash(u32::MAX), flows - 1);
        assert_eq!(sched.flow_of_hash(1 << 31), flows / 2);
    }
}

#[test]
fn classes_count_from_one() {
    let handle = 0x8001_0000;
    let sched = line().sim.sched;
    assert_eq!(sched.flow_of_class(handle), None);
    assert_eq!(sched.flow_of_class(handle | 1), Some(0));
    assert_eq!(sched.flow_of_class(handle | 16), Some(15));
    assert_eq!(sched.flow_of_class(handle | 17), None);
    assert_eq!(sched.flow_of_priority(handle | 16, handle), Some(15));
    assert_eq!(sched.flow_of_priority(handle, handle), None);
    assert_eq!(sched.flow_of_priority(6, handle), None);
    assert_eq!(sched.flow_of_priority(0x8002_0001, handle), None);
}

#[test]
fn tables_have_to_fit() {
    let make = |flows: usize, backlogs: usize| -> Option<Scheduler> {
        let table = (0..flows).map(|_| Flow::default()).collect();
        FqCodel::new(table, vec![0; backlogs], Params::new(MTU))
    };
    assert!(make(0, 0).is_none());
    assert!(make(2, 1).is_none());
    assert!(make(MAX_FLOWS + 1, MAX_FLOWS + 1).is_none());
    let most = make(MAX_FLOWS, MAX_FLOWS).expect("they fit");
    assert_eq!(most.flows_cnt() as usize, MAX_FLOWS);
}

#[test]
fn a_flow_is_a_cache_line() {
    // With two pointers for its packets, as in the kernel.
    assert_eq!(size_of::<Flow<[usize; 2]>>(), 64);
}

#[test]
fn a_quantum_has_bounds() {
    let bytes = |bytes| Quantum::new(bytes).map(Quantum::bytes);
    assert_eq!(bytes(0), Some(256));
    assert_eq!(bytes(257), Some(257));
    assert_eq!(bytes(1 << 20), Some(1 << 20));
    assert_eq!(bytes((1 << 20) + 1), None);
}

#[test]
fn defaults() {
    let params = Params::new(1_514);
    assert_eq!((params.limit, params.memory_limit), (10_240, 32 << 20));
    assert_eq!((params.quantum.bytes(), params.codel.mtu), (1_514, 1_514));
    assert_eq!(params.drop_batch.get(), 64);
    assert!(params.codel.ecn);
    let params = Params::new(60);
    assert_eq!((params.quantum.bytes(), params.codel.mtu), (256, 60));
    let params = Params::new(2 << 20);
    assert_eq!(
        (params.quantum.bytes(), params.codel.mtu),
        (1 << 20, 1 << 20)
    );
}
