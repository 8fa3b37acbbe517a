// SPDX-License-Identifier: GPL-2.0

//! Too many packets: section 4.1.

use super::{limited, Line, MTU};
use crate::fq_model::{Packet, Why};
use std::num::NonZeroU32;
use tackle_core::codel::Time;
use tackle_core::fq_codel::{Enqueued, Params, Reduction};

#[test]
fn a_full_queue_drops_half_of_the_longest_backlog() {
    let mut line = limited(110);
    line.fill(0, 10, 1_000);
    line.fill(1, 100, 1_000);
    let reduction = Reduction {
        packets: 50,
        len: 50_000,
    };
    assert_eq!(line.put(0, 1_000), Enqueued::Dropped(reduction));
    assert_eq!(line.dropped(), [(1, 50)]);
    // From the head of the flow, which came after ten others.
    assert_eq!(line.sim.host.gone[0].0, 10);
    assert_eq!(line.sim.sched.backlog(1), Some(50_000));
    assert_eq!(line.stats().drop_overlimit, 50);
    assert_eq!(line.stats().drop_overmemory, 0);
    assert_eq!((line.sim.host.qlen, line.sim.host.drops), (61, 50));
    assert_eq!(line.sim.parent.sum, reduction);
}

#[test]
fn half_is_rounded_up_to_packets() {
    let mut line = limited(3);
    line.fill(1, 3, 1_000);
    _ = line.put(0, 100);
    assert_eq!(line.dropped(), [(1, 2)]);

    // But an odd byte is no reason for one more.
    let mut line = limited(2);
    line.fill(1, 1, 1_000);
    line.fill(1, 1, 1_001);
    _ = line.put(0, 100);
    assert_eq!(line.dropped(), [(1, 1)]);
}

#[test]
fn it_drops_no_more_than_a_batch() {
    for (drop_batch, want) in [(64, 64), (7, 7), (1, 1), (1_000, 150)] {
        let mut params = Params::new(MTU);
        params.limit = 300;
        params.drop_batch = NonZeroU32::new(drop_batch).expect("not 0");
        let mut line = Line::new(16, params);
        line.fill(4, 300, 1_000);
        _ = line.put(5, 60);
        assert_eq!(line.dropped(), [(4, want)], "batch {drop_batch}");
    }
}

#[test]
fn the_longest_backlog_is_that_in_bytes() {
    let mut line = limited(104);
    line.fill(0, 100, 60);
    line.fill(1, 4, 1_514);
    _ = line.put(0, 60);
    assert_eq!(line.dropped(), [(0, 51)], "6060 bytes against 6056");

    let mut line = limited(103);
    line.fill(0, 99, 60);
    line.fill(1, 4, 1_514);
    _ = line.put(0, 60);
    assert_eq!(line.dropped(), [(1, 2)], "6000 bytes against 6056");
}

#[test]
fn of_equal_backlogs_the_first_one_pays() {
    let mut line = limited(4);
    line.fill(3, 2, 1_000);
    line.fill(2, 2, 1_000);
    _ = line.put(5, 100);
    assert_eq!(line.dropped(), [(2, 1)]);
}

#[test]
fn a_sender_is_told_when_its_own_flow_pays() {
    // What comes is not counted by the parents then, and so is not taken off.
    let mut line = limited(10);
    line.fill(0, 10, 100);
    let reduction = Reduction {
        packets: 10,
        len: 1_000,
    };
    assert_eq!(line.put(0, 1_500), Enqueued::Congested(reduction));
    assert_eq!(line.dropped(), [(0, 11)]);

    let mut line = limited(10);
    line.sim.sched.params.drop_batch = NonZeroU32::MIN;
    line.fill(0, 10, 100);
    // One packet comes, one goes, and there are more bytes than before.
    let reduction = Reduction {
        packets: 0,
        len: 100 - 1_500,
    };
    assert_eq!(line.put(0, 1_500), Enqueued::Congested(reduction));
    assert_eq!(line.dropped(), [(0, 1)]);
}

#[test]
fn with_no_room_at_all_a_packet_is_its_own_victim() {
    let mut line = limited(0);
    let nothing = Reduction::default();
    assert_eq!(line.put(0, 1_500), Enqueued::Congested(nothing));
    assert_eq!(line.sim.host.gone, [(0, Why::OverLimit)]);
    assert!(line.sim.parent.called && line.sim.parent.emptied);
    assert_eq!(line.sim.parent.drops, 0);
    assert_eq!(line.take(), None);
}

#[test]
fn memory_is_limited_too() {
    let mut params = Params::new(MTU);
    params.memory_limit = 20_000;
    let mut line = Line::new(16, params);
    line.fill(0, 10, 1_000);
    assert_eq!(line.stats().memory_usage, 20_000);
    // The memory of a socket is limited elsewhere.
    let of_socket = Packet {
        len: 1_000,
        truesize: 2_000,
        wmem: true,
        ..Packet::default()
    };
    assert_eq!(line.enqueue(1, of_socket), Enqueued::Queued);
    let reduction = Reduction {
        packets: 5,
        len: 5_000,
    };
    assert_eq!(line.put(1, 1), Enqueued::Dropped(reduction));
    let stats = line.stats();
    assert_eq!((stats.drop_overlimit, stats.drop_overmemory), (5, 5));
    assert_eq!(stats.memory_usage, 10_002);
}

#[test]
fn memory_that_is_just_used_up_is_not_too_much() {
    let mut params = Params::new(MTU);
    (params.limit, params.memory_limit) = (5, 6 * 2_000);
    let mut line = Line::new(16, params);
    line.fill(0, 5, 1_000);
    _ = line.put(1, 1_000);
    let stats = line.stats();
    assert_eq!((stats.drop_overlimit, stats.drop_overmemory), (3, 0));
}

#[test]
fn drops_raise_the_count_of_the_flows_codel() {
    let mut line = limited(20);
    line.fill(0, 20, 1_000);
    _ = line.put(1, 100);
    let count = |flow| {
        let class = line.sim.sched.class_stats(flow, Time(0));
        class.expect("there is such a flow").count
    };
    assert_eq!((count(0), count(1)), (10, 0));
}
