// SPDX-License-Identifier: GPL-2.0

//! Tests that wake-ups are counted by pair of tasks, and that none is lost when a set is full.

use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use tackle_core::numa::{set_of_pair, Pair, PairSet, TaskId, Waking};

fn task(pid: i32) -> TaskId {
    TaskId {
        pid,
        tgid: pid,
        start: 7,
        ..TaskId::default()
    }
}

fn waking(waker: i32, wakee: i32) -> Waking {
    Waking {
        waker: (waker != 0).then(|| task(waker)),
        wakee: task(wakee),
        waker_node: 0,
        wakee_node: 1,
    }
}

fn set(places: usize) -> PairSet<Vec<Pair>> {
    PairSet::new(vec![Pair::default(); places])
}

fn counts(set: &PairSet<Vec<Pair>>) -> Vec<(i32, i32, u64)> {
    let pid = |pair: &Pair| pair.waking.waker.map_or(0, |waker| waker.pid);
    let mut all: Vec<_> = set
        .iter()
        .map(|pair| (pid(pair), pair.waking.wakee.pid, pair.count))
        .collect();
    all.sort_unstable();
    all
}

#[test]
fn each_pair_has_a_row() {
    let mut set = set(4);
    for (waker, wakee) in [(1, 2), (2, 1), (1, 2), (0, 1)] {
        set.count(&waking(waker, wakee));
    }
    assert_eq!(counts(&set), [(0, 1, 1), (1, 2, 2), (2, 1, 1)]);
    assert_eq!((set.others(), set.evicted()), (0, 0));
}

#[test]
fn nodes_and_start_times_distinguish_pairs() {
    let mut set = set(4);
    let first = waking(1, 2);
    let mut moved = first;
    moved.wakee_node = 2;
    let mut reused = first;
    reused.wakee.start = 8;
    for one in [first, moved, reused, first] {
        set.count(&one);
    }
    assert_eq!(counts(&set), [(1, 2, 1), (1, 2, 1), (1, 2, 2)]);
}

#[test]
fn a_pair_has_the_latest_names() {
    let mut set = set(2);
    let mut one = waking(1, 2);
    set.count(&one);
    one.wakee.comm[0] = b'x';
    set.count(&one);
    let pair = set.iter().next().unwrap();
    assert_eq!((pair.waking.wakee.name(), pair.count), (&b"x"[..], 2));
}

#[test]
fn a_full_set_evicts_the_pair_that_was_counted_least_recently() {
    let mut set = set(2);
    for (waker, wakee) in [(1, 2), (3, 4), (1, 2), (3, 4), (1, 2), (5, 6)] {
        set.count(&waking(waker, wakee));
    }
    assert_eq!(counts(&set), [(1, 2, 3), (5, 6, 1)]);
    assert_eq!((set.others(), set.evicted()), (2, 1));
    set.clear();
    assert_eq!((counts(&set), set.others(), set.evicted()), (vec![], 0, 1));
}

#[test]
fn a_set_without_places_counts_others() {
    let mut set = set(0);
    set.count(&waking(1, 2));
    assert_eq!((set.others(), set.evicted()), (1, 0));
}

#[test]
fn pairs_are_spread_over_the_sets() {
    let mut used = BTreeMap::new();
    for waker in 100..132 {
        for wakee in 100..132 {
            *used
                .entry(set_of_pair(&waking(waker, wakee), 64))
                .or_insert(0) += 1;
        }
    }
    assert_eq!(used.len(), 64);
    assert!(used.values().all(|&pairs| pairs <= 40), "{used:?}");
}

proptest! {
    /// Each pair has one row with at most its count, and all counts are in rows or in others.
    #[test]
    fn no_wakeup_is_lost(wakings in vec((0i32..6, 1i32..6), 0..300), places in 0usize..12) {
        let mut set = set(places);
        let mut expected = BTreeMap::new();
        for &(waker, wakee) in &wakings {
            set.count(&waking(waker, wakee));
            *expected.entry((waker, wakee)).or_insert(0u64) += 1;
        }
        let kept = counts(&set);
        for pair in kept.windows(2) {
            prop_assert!((pair[0].0, pair[0].1) != (pair[1].0, pair[1].1));
        }
        for &(waker, wakee, count) in &kept {
            prop_assert!(count <= expected[&(waker, wakee)]);
        }
        let sum: u64 = kept.iter().map(|&(_, _, count)| count).sum();
        prop_assert_eq!(sum + set.others(), wakings.len() as u64);
        if places >= expected.len() {
            prop_assert_eq!(set.others(), 0);
        }
    }
}
