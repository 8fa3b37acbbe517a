// SPDX-License-Identifier: GPL-2.0

//! CoDel in each flow.

use super::{Line, MS, MTU};
use crate::fq_model::{Packet, Why};
use tackle_core::codel::Time;
use tackle_core::fq_codel::{Control, Enqueued, Params, Quantum};

/// Ten bulk packets wait for 50 ms each, and a thin one for nothing; 2 s long.
fn standing_queue(mut params: Params, dsfield: Option<u8>) -> Line {
    params.quantum = Quantum::new(300).expect("in the range");
    let mut line = Line::new(16, params);
    let bulk = |line: &mut Line| {
        let packet = Packet {
            len: 1_000,
            dsfield,
            ..Packet::default()
        };
        assert_eq!(line.enqueue(0, packet), Enqueued::Queued);
    };
    for _ in 0..10 {
        line.sim.host.ns += 5 * MS;
        bulk(&mut line);
    }
    for _ in 0..400 {
        line.sim.host.ns += 5 * MS;
        while line.sim.sched.backlog(0) < Some(10_000) {
            bulk(&mut line);
        }
        _ = line.put(1, 100);
        let taken = line.take_all::<2>();
        assert!(taken.contains(&1), "{taken:?}");
    }
    line
}

#[test]
fn only_the_flow_with_a_standing_queue_is_dropped_from() {
    let params = Params::new(MTU);
    let line = standing_queue(params, None);
    let gone = &line.sim.host.gone;
    assert!(gone.len() > 10, "{}", gone.len());
    for (id, why) in gone {
        assert_eq!((line.flow_of[*id as usize], *why), (0, Why::Congested));
    }
    let now = Time::from_ns(line.sim.host.ns);
    let class = |flow| line.sim.sched.class_stats(flow, now).expect("there is");
    assert!(class(0).dropping && class(0).ldelay > 5_000);
    assert!(!class(1).dropping && class(1).ldelay < 5_000);
    assert_eq!(class(16 - 1), Default::default());
    assert!(line.sim.sched.class_stats(16, now).is_none());
    // All of them are told to the parents.
    assert_eq!(line.sim.parent.drops as usize, gone.len());
    assert_eq!(line.stats().drop_target as usize, gone.len());
    assert_eq!(line.stats().maxpacket, 1_000);
    assert_eq!(line.stats().ecn_mark, 0);
    // Its CoDel has been above the target for longer than the interval.
    let expected = Control {
        above: 1,
        dropping: 1,
    };
    assert_eq!(line.sim.sched.control(), expected);
    let first_above = |flow| line.sim.sched.first_above_us(flow, now);
    assert!(first_above(0) < Some(0), "{:?}", first_above(0));
    assert_eq!((first_above(1), first_above(16)), (None, None));
}

#[test]
fn packets_are_marked_instead_by_default() {
    let line = standing_queue(Params::new(MTU), Some(2));
    assert!(line.sim.host.gone.is_empty());
    assert!(line.stats().ecn_mark > 10);
}

#[test]
fn ce_threshold_marks_in_all_flows() {
    let mut params = Params::new(MTU);
    params.codel.ce_threshold = Time::from_us(1_000);
    let mut line = Line::new(16, params);
    for flow in [1, 2] {
        let packet = Packet {
            len: 100,
            dsfield: Some(1),
            ..Packet::default()
        };
        assert_eq!(line.enqueue(flow, packet), Enqueued::Queued);
    }
    line.sim.host.ns += 2 * MS;
    for _ in 0..2 {
        let packet = line.sim.dequeue().expect("there are two");
        assert_eq!(packet.dsfield, Some(3));
    }
    assert_eq!(line.stats().ce_mark, 2);
}
