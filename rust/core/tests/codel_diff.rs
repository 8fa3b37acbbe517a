// SPDX-License-Identifier: GPL-2.0

//! The Rust CoDel against the kernel's, over a million packets and more.
//!
//! Needs `TACKLE_KERNEL_SRC` to name an unpacked kernel source at build time.

mod model;
mod original;
mod trace;

use original::rng;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRng;
use tackle_core::codel::{Params, Time, Vars};
use trace::load::{Load, MS, PACKETS, SECOND, US};
use trace::{compare, Event, Seen};

fn params() -> Params {
    with_mtu(1_514)
}

fn with_mtu(mtu: u32) -> Params {
    Params {
        mtu,
        ..Params::default()
    }
}

fn check(name: &str, trace: &[Event], seen: &mut Seen) {
    if let Err(difference) = compare(trace, seen) {
        panic!("{name}: {difference}");
    }
}

/// Plays a load under each of some parameters, and says what came of it.
fn play(name: &str, seed: u8, cases: impl IntoIterator<Item = (Params, Load)>) -> Seen {
    let mut rng = rng(seed);
    let mut seen = Seen::default();
    for (i, (params, load)) in cases.into_iter().enumerate() {
        let mut trace = vec![Event::Restart, Event::Params(params)];
        load.events(&mut rng, &mut trace);
        check(&format!("{name} {i}"), &trace, &mut seen);
    }
    println!("{name}: {seen:?}");
    assert!(seen.packets >= PACKETS, "{name}: {seen:?}");
    seen
}

#[test]
#[cfg_attr(not(have_kernel_src), ignore = "set TACKLE_KERNEL_SRC")]
fn overload() {
    let seen = play(
        "overload",
        1,
        (0..10).map(|i| {
            let mut load = Load::OVERLOAD;
            load.gap = (100 + 100 * i) * US..=(200 + 100 * i) * US;
            (params(), load)
        }),
    );
    assert!(seen.drops > 1_000 && seen.resumed > 0, "{seen:?}");
    assert_eq!(seen.ecn_marks + seen.ce_marks, 0);
}

#[test]
#[cfg_attr(not(have_kernel_src), ignore = "set TACKLE_KERNEL_SRC")]
fn ecn() {
    let seen = play(
        "ecn",
        2,
        (0..10).map(|i| {
            let mut load = Load::OVERLOAD;
            load.gap = (400 + 80 * i) * US..=(600 + 80 * i) * US;
            let mut params = params();
            params.ecn = true;
            (params, load)
        }),
    );
    assert!(seen.ecn_marks > 1_000 && seen.drops > 100, "{seen:?}");
}

#[test]
#[cfg_attr(not(have_kernel_src), ignore = "set TACKLE_KERNEL_SRC")]
fn ce_threshold() {
    let masks = [(0, 0), (3, 1), (3, 0), (0xfc, 0xb8), (0xff, 0x12)];
    let cases = masks.into_iter().flat_map(|(mask, selector)| {
        [false, true].map(|ecn| {
            let params = Params {
                ecn,
                ce_threshold: Time::from_us(if ecn { 1_000 } else { 20_000 }),
                ce_threshold_mask: mask,
                ce_threshold_selector: selector,
                ..params()
            };
            (params, Load::OVERLOAD)
        })
    });
    let seen = play("ce_threshold", 3, cases);
    assert!(seen.ce_marks > 1_000 && seen.ecn_marks > 100, "{seen:?}");
}

#[test]
#[cfg_attr(not(have_kernel_src), ignore = "set TACKLE_KERNEL_SRC")]
fn idle_gaps() {
    let cases = (0..10).map(|i| {
        let mut load = Load::OVERLOAD;
        load.gap = 500 * US..=900 * US;
        // Up to twice the 16 intervals for which the count is remembered.
        load.idle = (500, MS..=(3_200 * MS) >> (i / 2));
        load.stalls = i % 2 == 1;
        (params(), load)
    });
    let seen = play("idle_gaps", 4, cases);
    assert!(seen.drops > 1_000 && seen.resumed > 10, "{seen:?}");
}

#[test]
#[cfg_attr(not(have_kernel_src), ignore = "set TACKLE_KERNEL_SRC")]
fn bursts() {
    let cases = (0..10).map(|i| {
        let mut load = Load::OVERLOAD;
        load.gap = MS..=300 * MS;
        load.burst = 1..=40 * (i + 1);
        load.limit = 10_000;
        let mut params = params();
        params.ecn = i % 3 == 2;
        (params, load)
    });
    let seen = play("bursts", 5, cases);
    assert!(seen.drops > 1_000 && seen.ecn_marks > 100, "{seen:?}");
}

#[test]
#[cfg_attr(not(have_kernel_src), ignore = "set TACKLE_KERNEL_SRC")]
fn clock_wraps() {
    // The clock of CoDel is 0 at a multiple of 2^42 ns; at half of that the
    // difference to 0 changes its sign.
    let wraps = [
        1 << 41,
        1 << 42,
        (1 << 42) + (1 << 41),
        1 << 43,
        u64::MAX >> 21 << 21,
    ];
    let cases = wraps.into_iter().flat_map(|wrap: u64| {
        [2, 5].map(|seconds| {
            let mut load = Load::OVERLOAD;
            load.start = wrap - seconds * SECOND;
            // The last one must not pass the end of the 64 bits.
            load.start -= if wrap == u64::MAX >> 21 << 21 {
                60 * SECOND
            } else {
                0
            };
            (params(), load)
        })
    });
    let seen = play("clock_wraps", 6, cases);
    assert!(seen.drops > 1_000, "{seen:?}");
}

#[test]
#[cfg_attr(not(have_kernel_src), ignore = "set TACKLE_KERNEL_SRC")]
fn far_behind_schedule() {
    // Intervals of some units only, and a link that stands still now and then:
    // more drops are due than one dequeue may do.
    let cases = [0, 1, 2, 3, 10, 50, 200, 1_000, 3_000, 1 << 28]
        .into_iter()
        .map(|interval| {
            let mut load = Load::OVERLOAD;
            load.gap = 400 * US..=600 * US;
            load.service = 300 * US..=1_500 * US;
            load.burst = 1..=3;
            load.limit = 3_000;
            load.idle = (500, 10 * MS..=2 * SECOND);
            load.stalls = true;
            let params = Params {
                target: Time(interval / 20),
                interval: Time(interval),
                ..params()
            };
            (params, load)
        });
    let seen = play("far_behind_schedule", 7, cases);
    assert!(seen.capped > 10 && seen.drops > 1_000, "{seen:?}");
}

#[test]
#[cfg_attr(not(have_kernel_src), ignore = "set TACKLE_KERNEL_SRC")]
fn any_state() {
    // States that no traffic leads to, such as a count just below its wrap.
    let mut rng = rng(8);
    let mut seen = Seen::default();
    let mut trace = Vec::new();
    while seen.packets < PACKETS {
        trace.clear();
        for _ in 0..2_000 {
            random_state(&mut rng, &mut trace);
        }
        check("any_state", &trace, &mut seen);
    }
    println!("any_state: {seen:?}");
    assert!(seen.drops > 1_000 && seen.capped > 0, "{seen:?}");
}

/// Appends a random state under random parameters, and a few dequeues from it.
fn random_state(rng: &mut TestRng, trace: &mut Vec<Event>) {
    // Half of the numbers are small ones or just below a wrap.
    let word = |rng: &mut TestRng| match rng.random_range(0..4) {
        0 => rng.random_range(0..200),
        1 => u32::MAX - rng.random_range(0..200),
        _ => rng.random(),
    };
    trace.push(Event::Restart);
    let [target, interval, ce_threshold] = [(); 3].map(|()| Time(word(rng)));
    let params = with_mtu(rng.random_range(0..2_000));
    trace.push(Event::Params(Params {
        target,
        // With longer intervals C takes a `drop_next` in the future for one in the past.
        interval: Time(interval.0 % (i32::MAX as u32 / 17)),
        ce_threshold,
        ecn: rng.random(),
        ce_threshold_mask: rng.random_range(0..4),
        ce_threshold_selector: rng.random_range(0..4),
        ..params
    }));
    let mut ns = rng.random_range(0..1u64 << 43);
    trace.push(Event::Vars(Vars {
        count: word(rng),
        lastcount: word(rng),
        dropping: rng.random(),
        rec_inv_sqrt: rng.random(),
        first_above_time: Time(word(rng)),
        drop_next: Time(word(rng)),
        ldelay: Time(word(rng)),
    }));
    for _ in 0..rng.random_range(0..30) {
        // Now and then enough for the cap on drops.
        let most = if rng.random_bool(0.02) { 800 } else { 6 };
        for _ in 0..rng.random_range(0..most) {
            trace.push(Event::Enqueue {
                ns,
                len: rng.random_range(0..3_000),
                dsfield: rng.random_bool(0.9).then(|| rng.random()),
            });
        }
        ns += u64::from(word(rng)) << rng.random_range(0..10);
        trace.push(Event::Dequeue { ns });
    }
    trace.push(Event::ToUs(Time(word(rng))));
}

#[test]
#[cfg_attr(not(have_kernel_src), ignore = "set TACKLE_KERNEL_SRC")]
fn defaults_and_units() {
    let ends = [0, 1, 999, 1_000, 1_001, i32::MAX as u32, 1 << 31, u32::MAX];
    let mut trace = vec![Event::Defaults];
    trace.extend(ends.map(|time| Event::ToUs(Time(time))));
    check("defaults_and_units", &trace, &mut Seen::default());
}

fn any_params() -> impl Strategy<Value = Params> {
    let times = (0..20_000u32, 0..200_000u32, 0..50_000u32);
    (times, 0..3_000u32, any::<bool>(), 0..4u8, 0..4u8).prop_map(
        |((target, interval, ce_threshold), mtu, ecn, mask, selector)| Params {
            target: Time(target),
            interval: Time(interval),
            ce_threshold: Time(ce_threshold),
            ecn,
            ce_threshold_mask: mask,
            ce_threshold_selector: selector,
            ..with_mtu(mtu)
        },
    )
}

proptest! {
    #![proptest_config(original::config())]

    /// Small random traces, which shrink to the few events that matter.
    #[test]
    #[cfg_attr(not(have_kernel_src), ignore = "set TACKLE_KERNEL_SRC")]
    fn short_traces(
        params in any_params(),
        start in 0..1u64 << 43,
        steps in vec((0..50 * MS, 0..1_600u32, any::<Option<u8>>(), any::<bool>()), 0..200),
    ) {
        let mut ns = start;
        let mut trace = vec![Event::Params(params)];
        for (gap, len, dsfield, put) in steps {
            ns += gap;
            trace.push(if put {
                Event::Enqueue { ns, len, dsfield }
            } else {
                Event::Dequeue { ns }
            });
        }
        compare(&trace, &mut Seen::default()).map_err(TestCaseError::fail)?;
    }
}
