// SPDX-License-Identifier: GPL-2.0

//! Turns: sections 4.1 and 4.2.

use super::line;

#[test]
fn a_flow_has_a_quantum_of_bytes_in_a_turn() {
    let mut line = line();
    for flow in [3, 1] {
        line.fill(flow, 10, 500);
    }
    // In the order of their first packets, three of 500 bytes at a time.
    assert_eq!(line.take_all(), [3, 3, 3, 1, 1, 1, 3, 3, 3, 1]);
}

#[test]
fn a_packet_longer_than_the_deficit_is_taken_off_the_next_turn() {
    let mut line = line();
    for flow in [0, 1] {
        line.fill(flow, 10, 1_000);
    }
    // 1500 pay for 1000 and 1000, then 1000 are left for one.
    assert_eq!(line.take_all(), [0, 0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1]);
}

#[test]
fn flows_share_by_bytes_and_not_by_packets() {
    let mut line = line();
    let mut sent = [0; 2];
    line.fill(0, 1_000, 1_500);
    line.fill(1, 5_000, 100);
    for _ in 0..2_000 {
        let flow = line.take().expect("there are enough");
        sent[flow as usize] += [1_500, 100][flow as usize];
    }
    assert!(u32::abs_diff(sent[0], sent[1]) <= 1_600, "{sent:?}");
}

#[test]
fn a_new_flow_goes_before_the_old_ones() {
    let mut line = line();
    for flow in [0, 1, 2] {
        line.fill(flow, 10, 1_500);
    }
    line.take_all::<4>();
    _ = line.put(7, 100);
    assert_eq!(line.take_all(), [7, 1]);
}

#[test]
fn new_flows_go_in_the_order_of_their_coming() {
    let mut line = line();
    for flow in [5, 2, 9] {
        _ = line.put(flow, 100);
    }
    assert_eq!(line.lists(), (vec![5, 2, 9], vec![]));
    assert_eq!(line.take_all(), [5, 2, 9]);
}

#[test]
fn a_new_flow_with_more_than_a_quantum_becomes_old() {
    let mut line = line();
    line.fill(0, 10, 1_500);
    line.take_all::<2>();
    line.fill(1, 4, 1_000);
    assert_eq!(line.take_all(), [1, 1]);
    assert_eq!(line.lists(), (vec![1], vec![0]));
    assert_eq!(line.take_all(), [1, 0, 1]);
    assert_eq!(line.lists(), (vec![], vec![1, 0]));
}

#[test]
fn an_emptied_new_flow_goes_through_the_old_ones_once() {
    let mut line = line();
    for flow in [0, 1] {
        line.fill(flow, 10, 1_500);
    }
    line.take_all::<4>();
    _ = line.put(2, 100);
    assert_eq!(line.take_all(), [2, 0]);
    assert_eq!(line.lists(), (vec![], vec![0, 2, 1]), "2 waits there");
    let count = line.stats().new_flow_count;

    // It is not new while it is there.
    _ = line.put(2, 100);
    assert_eq!(line.stats().new_flow_count, count);
    assert_eq!(line.take_all(), [2, 1]);
    assert_eq!(line.lists(), (vec![], vec![1, 0]), "2 was found empty");

    _ = line.put(2, 100);
    assert_eq!(line.stats().new_flow_count, count + 1);
    assert_eq!(line.take(), Some(2));
}

#[test]
fn an_emptied_new_flow_leaves_when_there_are_no_old_ones() {
    let mut line = line();
    for flow in [2, 3] {
        _ = line.put(flow, 100);
    }
    line.take_all::<2>();
    assert_eq!(line.lists(), (vec![3], vec![]));
    assert_eq!(line.take(), None);
    assert_eq!(line.lists(), (vec![], vec![]));
    assert!(!line.sim.sched.flow(2).expect("there is").is_listed());
}

#[test]
fn a_thin_flow_waits_for_no_bulk_flow() {
    let mut line = line();
    for flow in 0..8 {
        line.fill(flow, 200, 1_500);
    }
    line.take_all::<16>();
    for _ in 0..100 {
        _ = line.put(9, 100);
        assert_eq!(line.take(), Some(9));
        // All of the others once, and with that it can be new again.
        let round = line.take_all::<9>();
        assert!((0..8).all(|flow| round.contains(&flow)), "{round:?}");
    }
}

#[test]
fn flows_that_come_and_go_do_not_starve_an_old_one() {
    let mut line = line();
    line.fill(0, 100, 1_500);
    line.take_all::<2>();
    let mut turns = 0;
    for _ in 0..100 {
        // Each is filled again as soon as it is empty.
        for flow in [1, 2] {
            if line.sim.sched.backlog(flow) == Some(0) {
                _ = line.put(flow, 1_500);
            }
        }
        turns += u32::from(line.take() == Some(0));
    }
    // A third of all, but for the start.
    assert!(turns >= 30, "{turns} of 100");
}
