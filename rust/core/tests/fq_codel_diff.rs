// SPDX-License-Identifier: GPL-2.0

//! The Rust FQ-CoDel against the kernel's, over a million packets and more.
//!
//! Needs `TACKLE_KERNEL_SRC` to name an unpacked kernel source at build time.

mod fq_model;
mod fq_trace;
mod original;

use fq_trace::load::{Load, MS, SECOND, US};
use fq_trace::{compare, Arrival, Event, Options, Seen};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRng;

/// Packets in each test that counts them: eight of these are more than a million.
const PACKETS: u64 = 130_000;
/// The parameters under which each of these tests plays a load.
const CASES: u64 = 10;

fn check(name: &str, trace: &[Event], seen: &mut Seen) {
    if let Err(difference) = compare(trace, seen) {
        panic!("{name}: {difference}");
    }
}

/// Plays a load under each of some options, and says what came of it.
fn play(name: &str, seed: u8, case: impl Fn(u64, &mut TestRng) -> (Options, Load)) -> Seen {
    let mut rng = original::rng(seed);
    let mut seen = Seen::default();
    for i in 0..CASES {
        let (options, load) = case(i, &mut rng);
        let mut trace = vec![Event::New {
            mtu: [1_514, 1_514, 90, 65_536, 2 << 20][i as usize % 5],
            handle: load.handle,
            has_filter: seed == 8,
            options,
        }];
        load.events(&mut rng, &mut trace);
        check(&format!("{name} {i}"), &trace, &mut seen);
    }
    println!("{name}: {seen:?}");
    assert!(seen.packets >= PACKETS, "{name}: {seen:?}");
    seen
}

fn flows(i: u64) -> Option<u32> {
    [
        None,
        Some(1),
        Some(2),
        Some(7),
        Some(64),
        Some(1_000),
        Some(300),
    ][i as usize % 7]
}

fn quantum(i: u64) -> Option<u32> {
    [
        None,
        Some(300),
        Some(0),
        Some(1_514),
        Some(10_000),
        Some(1 << 20),
    ][i as usize % 6]
}

#[test]
#[cfg_attr(not(have_kernel_src), ignore = "set TACKLE_KERNEL_SRC")]
fn turns() {
    let seen = play("turns", 1, |i, _| {
        let mut load = Load::OVERLOAD;
        load.senders = 1 + (3 << i) as u32;
        load.gap = 900 * US..=1_400 * US + 30 * i * US;
        load.burst = 1..=1 + i % 3;
        load.service = 700 * US..=900 * US;
        let options = Options {
            flows: flows(i),
            quantum: quantum(i),
            ecn: Some(0),
            ..Options::default()
        };
        (options, load)
    });
    assert!(
        seen.codel_drops > 1_000 && seen.new_flows > 1_000,
        "{seen:?}"
    );
    assert!(seen.most_listed > 100, "{seen:?}");
}

#[test]
#[cfg_attr(not(have_kernel_src), ignore = "set TACKLE_KERNEL_SRC")]
fn overload() {
    let seen = play("overload", 2, |i, _| {
        let mut load = Load::OVERLOAD;
        load.gap = 300 * US..=700 * US;
        load.senders = 1 + 40 * i as u32;
        load.burst = 1..=1 + 2 * i;
        let options = Options {
            flows: flows(i + 3),
            limit: [Some(100), Some(0), Some(1), Some(20), Some(1_000)][i as usize % 5],
            drop_batch: [None, Some(1), Some(0), Some(5), Some(1_000)][i as usize / 2],
            interval: (i % 4 == 3).then_some(3_000_000),
            ..Options::default()
        };
        (options, load)
    });
    assert!(seen.overloads > 10_000, "{seen:?}");
    assert!(
        seen.congested > 1_000 && seen.overloads > seen.congested + 1_000,
        "{seen:?}"
    );
    assert_eq!(seen.overmemory_drops, 0);
}

#[test]
#[cfg_attr(not(have_kernel_src), ignore = "set TACKLE_KERNEL_SRC")]
fn memory() {
    let seen = play("memory", 3, |i, _| {
        let mut load = Load::OVERLOAD;
        load.gap = 300 * US..=700 * US;
        load.senders = 5 + 40 * i as u32;
        load.burst = 1..=10;
        // So that the limit is met now and then, and not only passed.
        load.page = 1_024;
        let options = Options {
            flows: flows(i),
            limit: (i % 2 == 0).then_some(60),
            memory_limit: Some([100, 0, 3, 1_024, 80][i as usize / 2] << 10),
            target: Some(20_000),
            ..Options::default()
        };
        (options, load)
    });
    assert!(seen.overmemory_drops > 1_000, "{seen:?}");
    assert!(
        seen.overlimit_drops > seen.overmemory_drops + 100,
        "{seen:?}"
    );
}

#[test]
#[cfg_attr(not(have_kernel_src), ignore = "set TACKLE_KERNEL_SRC")]
fn marks() {
    let selected = [(0, 0), (3, 1), (3, 0), (0xfc, 0xb8), (0xff, 0x12)];
    let seen = play("marks", 4, |i, _| {
        let mut load = Load::OVERLOAD;
        load.senders = 1 + 10 * i as u32;
        load.gap = 400 * US..=1_300 * US;
        let (mask, selector) = selected[i as usize / 2];
        let options = Options {
            ecn: Some(i as u32 % 3),
            quantum: quantum(i),
            ce_threshold: (i != 3).then_some(if i % 2 == 0 { 1_000 } else { 20_000 }),
            ce_threshold_mask: Some(mask),
            ce_threshold_selector: Some(selector),
            ..Options::default()
        };
        (options, load)
    });
    assert!(seen.ecn_marks > 1_000 && seen.ce_marks > 1_000, "{seen:?}");
    assert!(seen.codel_drops > 1_000, "{seen:?}");
}

#[test]
#[cfg_attr(not(have_kernel_src), ignore = "set TACKLE_KERNEL_SRC")]
fn idle_gaps() {
    let seen = play("idle_gaps", 5, |i, _| {
        let mut load = Load::OVERLOAD;
        load.senders = 1 + 4 * i as u32;
        load.gap = 600 * US..=900 * US;
        load.idle = (500, MS..=(3_200 * MS) >> (i / 2));
        load.stalls = i % 2 == 1;
        load.peek = 50;
        let options = Options {
            flows: flows(i),
            interval: Some(if i % 3 == 0 { 100 } else { 100_000 }),
            target: Some(if i % 3 == 0 { 10 } else { 5_000 }),
            quantum: quantum(i + 1),
            ..Options::default()
        };
        (options, load)
    });
    assert!(seen.codel_drops > 1_000, "{seen:?}");
}

#[test]
#[cfg_attr(not(have_kernel_src), ignore = "set TACKLE_KERNEL_SRC")]
fn clock_wraps() {
    // The clock of CoDel is 0 at a multiple of 2^42 ns; at half of that the difference to
    // 0 changes its sign.
    let wraps: [u64; 5] = [
        1 << 41,
        1 << 42,
        (1 << 42) + (1 << 41),
        1 << 43,
        (u64::MAX >> 21 << 21) - 60 * SECOND,
    ];
    let seen = play("clock_wraps", 6, |i, _| {
        let mut load = Load::OVERLOAD;
        load.start = wraps[i as usize / 2] - [1, 5][i as usize % 2] * SECOND;
        load.burst = 1..=2;
        load.service = 900 * US..=1_000 * US;
        (Options::default(), load)
    });
    assert!(seen.codel_drops > 100 && seen.ecn_marks > 100, "{seen:?}");
}

#[test]
#[cfg_attr(not(have_kernel_src), ignore = "set TACKLE_KERNEL_SRC")]
fn changes() {
    /// A value of up to `most`, or a multiple of that by up to 2^`shift`.
    fn some(rng: &mut TestRng, most: u32, shift: u32) -> Option<u32> {
        let shift = rng.random_range(0..=shift);
        rng.random_bool(0.3)
            .then(|| rng.random_range(0..=most) << shift)
    }
    let seen = play("changes", 7, |i, _| {
        let mut load = Load::OVERLOAD;
        load.senders = 1 + 20 * i as u32;
        load.burst = 1..=8;
        load.gap = 2_000 * US..=4_000 * US;
        load.peek = 20;
        load.reset = 5_000;
        load.change = (100, |rng| Options {
            target: some(rng, 20_000, 0),
            limit: some(rng, 2_000, 0),
            interval: some(rng, 200_000, 0),
            ecn: some(rng, 2, 0),
            // Refused, as a quantum of more than 2^20 is.
            flows: rng.random_bool(0.05).then_some(10),
            quantum: some(rng, 4_000, 9),
            ce_threshold: some(rng, 50_000, 0),
            drop_batch: some(rng, 100, 0),
            memory_limit: some(rng, 10_000, 18),
            ce_threshold_selector: some(rng, 300, 0),
            ce_threshold_mask: some(rng, 300, 0),
        });
        let options = Options {
            flows: flows(i),
            ..Options::default()
        };
        (options, load)
    });
    assert!(seen.discarded > 1_000 && seen.overloads > 100, "{seen:?}");
}

#[test]
#[cfg_attr(not(have_kernel_src), ignore = "set TACKLE_KERNEL_SRC")]
fn filters() {
    let seen = play("filters", 8, |i, _| {
        let mut load = Load::OVERLOAD;
        load.senders = 1 + 10 * i as u32;
        load.gap = 700 * US..=1_100 * US;
        load.peek = 100;
        let options = Options {
            flows: if i == CASES - 1 {
                Some(65_536)
            } else {
                flows(i)
            },
            limit: Some(500),
            ..Options::default()
        };
        if i == CASES - 1 {
            load.classes = 8_000;
        }
        (options, load)
    });
    assert!(seen.rejected > 1_000, "{seen:?}");
}

fn small_options() -> impl Strategy<Value = Options> {
    let times = (0..20_000u32, 0..200_000u32, 0..50_000u32);
    let limits = (0..30u32, 0..60_000u32, 0..5u32, 1..5u32, 0..2_000u32);
    (times, limits, 0..2u32, 0..4u32, 0..4u32).prop_map(
        |((target, interval, ce_threshold), limits, ecn, mask, selector)| Options {
            target: Some(target),
            limit: Some(limits.0),
            interval: Some(interval),
            ecn: Some(ecn),
            flows: Some(limits.3),
            quantum: Some(limits.4),
            ce_threshold: Some(ce_threshold),
            drop_batch: Some(limits.2),
            memory_limit: Some(limits.1),
            ce_threshold_selector: Some(selector),
            ce_threshold_mask: Some(mask),
        },
    )
}

proptest! {
    #![proptest_config(original::config())]

    /// Small random traces, which shrink to the few events that matter.
    #[test]
    #[cfg_attr(not(have_kernel_src), ignore = "set TACKLE_KERNEL_SRC")]
    fn short_traces(
        options in small_options(),
        start in 0..1u64 << 43,
        steps in vec(
            (0..50 * MS, 1..1_600u32, any::<Option<u8>>(), any::<u32>(), 0..20u8),
            0..200,
        ),
    ) {
        let mut ns = start;
        let mut trace = vec![Event::New { mtu: 1_514, handle: 0, has_filter: false, options }];
        for (gap, len, dsfield, hash, what) in steps {
            ns += gap;
            trace.push(match what {
                0 => Event::Peek { ns },
                1 => Event::Classes { ns },
                2 => Event::Change(Options { limit: Some(hash >> 28), ..Options::default() }),
                3..10 => Event::Dequeue { ns },
                _ => Event::Enqueue {
                    ns,
                    packet: Arrival { len, truesize: 2 * len, dsfield, hash, ..Arrival::default() },
                },
            });
        }
        compare(&trace, &mut Seen::default()).map_err(TestCaseError::fail)?;
    }
}
