// SPDX-License-Identifier: GPL-2.0

//! The decision about a fault: by example, against a plain model, and by many
//! threads at once.

use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use tackle_core::fault::{Attr, Failure};

/// A random number for settings that leave nothing to chance.
fn never() -> u32 {
    panic!("no random number is needed")
}

fn attr(probability: u64, interval: u64, times: i32, space: i32) -> Attr {
    let attr = Attr::new();
    attr.probability.store(probability, Relaxed);
    attr.interval.store(interval, Relaxed);
    attr.times.store(times, Relaxed);
    attr.space.store(space, Relaxed);
    attr
}

/// Which of `passes` passes of a fault point fail, counted from 1.
fn failures(attr: &Attr, passes: u32) -> Vec<u32> {
    (1..=passes)
        .filter(|_| attr.should_fail(1, false, || true, || 99).is_some())
        .collect()
}

#[test]
fn the_defaults_never_fail() {
    let attr = Attr::default();
    assert!((0..100).all(|_| attr.should_fail(1, true, || true, never).is_none()));
    assert_eq!(attr.times.load(Relaxed), 1);
}

#[test]
fn space_picks_the_nth_pass() {
    for n in 1..50 {
        assert_eq!(failures(&attr(100, 1, 1, n), 100), [n as u32]);
    }
    assert_eq!(failures(&attr(100, 1, 1, 0), 3), [1]);
    assert_eq!(failures(&attr(100, 1, 1, -7), 3), [1]);
}

#[test]
fn space_is_charged_by_size() {
    let attr = attr(100, 1, -1, 10);
    assert!(attr.should_fail(4, false, || true, never).is_none());
    assert!(attr.should_fail(4, false, || true, never).is_none());
    // 2 are left, so 4 fail, and 1 does not.
    assert!(attr.should_fail(4, false, || true, || 0).is_some());
    assert!(attr.should_fail(u64::MAX, false, || true, || 0).is_some());
    assert!(attr.should_fail(1, false, || true, never).is_none());
    assert!(attr.should_fail(1, false, || true, || 0).is_some());
    assert_eq!(attr.space.load(Relaxed), 1);
}

#[test]
fn size_zero_passes_while_there_is_space() {
    let attr = attr(100, 1, -1, 1);
    assert!((0..10).all(|_| attr.should_fail(0, false, || true, never).is_none()));
    attr.space.store(0, Relaxed);
    assert!(attr.should_fail(0, false, || true, || 0).is_some());
}

#[test]
fn interval_lets_every_nth_fail() {
    assert_eq!(failures(&attr(100, 3, -1, 0), 10), [3, 6, 9]);
    assert_eq!(failures(&attr(100, 0, -1, 0), 3), [1, 2, 3]);
    // Passes that space lets through are not counted.
    assert_eq!(failures(&attr(100, 3, -1, 3), 10), [5, 8]);
}

#[test]
fn times_is_the_number_of_failures() {
    let limited = attr(100, 1, 4, 0);
    assert_eq!(failures(&limited, 10), [1, 2, 3, 4]);
    assert_eq!(limited.times.load(Relaxed), 0);
    let unlimited = attr(100, 1, -1, 0);
    assert_eq!(failures(&unlimited, 5).len(), 5);
    assert_eq!(unlimited.times.load(Relaxed), -1);
}

#[test]
fn nothing_is_used_up_once_times_is_zero() {
    let attr = attr(100, 2, 0, 5);
    assert!(failures(&attr, 10).is_empty());
    assert_eq!((attr.space.load(Relaxed), attr.count.load(Relaxed)), (5, 0));
}

#[test]
fn probability_is_in_percent() {
    for percent in 0..=100 {
        let attr = attr(percent, 1, -1, 0);
        let failed = (0..100)
            .filter(|&random| attr.should_fail(1, false, || true, || random).is_some())
            .count();
        assert_eq!(failed as u64, percent);
    }
    assert_eq!(failures(&attr(u64::MAX, 1, -1, 0), 2), [1, 2]);
}

#[test]
fn the_filter_spares_other_tasks() {
    let attr = attr(100, 1, -1, 0);
    attr.task_filter.store(true, Relaxed);
    assert!(attr.should_fail(1, false, || true, never).is_none());
    assert!(attr.should_fail(1, true, || true, || 0).is_some());
    attr.space.store(9, Relaxed);
    assert!(attr.should_fail(1, false, || true, never).is_none());
    assert_eq!(attr.space.load(Relaxed), 9, "the filter comes first");
}

#[test]
fn a_failure_tells_what_led_to_it() {
    let attr = attr(100, 1, 3, 1);
    attr.verbose.store(1, Relaxed);
    let failure = Failure {
        probability: 100,
        interval: 1,
        times: 3,
        space: 1,
        verbose: 1,
    };
    assert_eq!(attr.should_fail(1, false, || true, || 0), Some(failure));
    assert_eq!(attr.times.load(Relaxed), 2);
}

/// The description in fault-injection.rst, for one CPU and in wide numbers.
#[derive(Clone, Debug)]
struct Model {
    probability: u64,
    interval: u64,
    times: i64,
    space: i64,
    filter: bool,
    count: u64,
}

impl Model {
    fn should_fail(&mut self, size: u64, task: bool, random: u32) -> bool {
        if self.probability == 0 || (self.filter && !task) || self.times == 0 {
            return false;
        }
        if i128::from(self.space) > i128::from(size) {
            self.space -= size as i64;
            return false;
        }
        if self.interval > 1 {
            self.count += 1;
            if self.count % self.interval != 0 {
                return false;
            }
        }
        if self.probability <= u64::from(random) {
            return false;
        }
        if self.times != -1 {
            self.times -= 1;
        }
        true
    }
}

fn model() -> impl Strategy<Value = Model> {
    let times = prop_oneof![Just(-1), -3..40i64];
    (0..120u64, 0..5u64, times, -5..60i64, any::<bool>()).prop_map(
        |(probability, interval, times, space, filter)| Model {
            probability,
            interval,
            times,
            space,
            filter,
            count: 0,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn decides_as_the_model(
        mut model in model(),
        calls in vec((0..5u64, any::<bool>(), 0..100u32), 0..200),
    ) {
        let attr = attr(
            model.probability, model.interval, model.times as i32, model.space as i32,
        );
        attr.task_filter.store(model.filter, Relaxed);
        for (size, task, random) in calls {
            let failed = attr.should_fail(size, task, || true, || random).is_some();
            prop_assert_eq!(failed, model.should_fail(size, task, random));
            prop_assert_eq!(i64::from(attr.times.load(Relaxed)), model.times);
            prop_assert_eq!(i64::from(attr.space.load(Relaxed)), model.space);
            prop_assert_eq!(attr.count.load(Relaxed), model.count);
        }
    }
}

const THREADS: u64 = 8;
const PASSES: u64 = 20_000;

/// The failures of all threads together.
fn failures_of_threads(attr: &Attr) -> u64 {
    let failed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..PASSES {
                    if attr.should_fail(1, false, || true, || 0).is_some() {
                        failed.fetch_add(1, Relaxed);
                    }
                }
            });
        }
    });
    failed.into_inner()
}

#[test]
fn threads_share_times() {
    let attr = attr(100, 1, 1_000, 0);
    assert_eq!(failures_of_threads(&attr), 1_000);
    assert_eq!(attr.times.load(Relaxed), 0);
}

#[test]
fn threads_share_space() {
    let attr = attr(100, 1, -1, 50_000);
    assert_eq!(failures_of_threads(&attr), THREADS * PASSES - 49_999);
    assert_eq!(attr.space.load(Relaxed), 1);
}

#[test]
fn threads_share_the_interval() {
    let attr = attr(100, 7, -1, 0);
    assert_eq!(failures_of_threads(&attr), THREADS * PASSES / 7);
}

/// A stack with these return addresses.
fn stack(entries: &[usize]) -> impl FnOnce(&mut [usize]) -> usize + '_ {
    |room| {
        let len = entries.len().min(room.len());
        room[..len].copy_from_slice(&entries[..len]);
        len
    }
}

#[test]
fn ranges_of_the_stack() {
    let attr = Attr::new();
    assert!(attr.stack_allows(|_| panic!("no stack is needed")));
    attr.require_start.store(10, Relaxed);
    attr.require_end.store(20, Relaxed);
    assert!(attr.stack_allows(stack(&[5, 10])));
    assert!(!attr.stack_allows(stack(&[5, 20])));
    attr.reject_start.store(30, Relaxed);
    attr.reject_end.store(40, Relaxed);
    assert!(!attr.stack_allows(stack(&[15, 39])));
    assert!(attr.stack_allows(stack(&[15, 40])));
    attr.stacktrace_depth.store(1, Relaxed);
    assert!(attr.stack_allows(stack(&[15, 39])));
    attr.stacktrace_depth.store(0, Relaxed);
    assert!(!attr.stack_allows(|_| panic!("no stack is needed")));
    attr.probability.store(100, Relaxed);
    let allows = || attr.stack_allows(stack(&[]));
    assert!(attr.should_fail(1, false, allows, never).is_none());
    assert_eq!(attr.times.load(Relaxed), 1);
}

#[test]
fn nth_counts_what_the_stack_allows() {
    let attr = Attr::new();
    let left = AtomicU32::new(3);
    assert!(attr.should_fail_nth(&left, false).is_none());
    let failed: Vec<_> = (0..5)
        .map(|_| attr.should_fail_nth(&left, true).is_some())
        .collect();
    assert_eq!(failed, [false, false, true, false, false]);
    assert_eq!((left.into_inner(), attr.times.load(Relaxed)), (0, 0));
    // It fails also if no failures are left.
    assert!(attr.should_fail_nth(&AtomicU32::new(1), true).is_some());
}
