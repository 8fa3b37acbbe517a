// SPDX-License-Identifier: GPL-2.0

//! What RFC 8289 asks of CoDel, by example.

mod model;

use model::Sim;
use tackle_core::codel::{Params, Time, Vars, MAX_DROPS_PER_DEQUEUE, MAX_US};

const US: u64 = 1_000;
const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const MTU: u32 = 1_514;
const ECT0: Option<u8> = Some(2);
const CE: Option<u8> = Some(3);

fn sim(params: Params) -> Sim {
    Sim {
        params: Params { mtu: MTU, ..params },
        ..Sim::default()
    }
}

/// Takes a packet at `ns` from a long queue in which all waited for `delay` ns;
/// returns the number of those dropped.
fn take(sim: &mut Sim, ns: u64, delay: u64, dsfield: Option<u8>) -> usize {
    while sim.fifo.packets.len() < 2 * MAX_DROPS_PER_DEQUEUE as usize {
        sim.enqueue(ns, 1_000, dsfield);
    }
    for packet in &mut sim.fifo.packets {
        packet.at = Time::from_ns(ns - delay);
    }
    sim.dequeue(ns).expect("the queue is long");
    sim.fifo.dropped.len()
}

/// Takes a packet each ms of a range of them; returns the ms with drops.
fn run(sim: &mut Sim, range_ms: std::ops::Range<u64>, delay: u64) -> Vec<u64> {
    range_ms
        .filter(|ms| take(sim, ms * MS, delay, None) > 0)
        .collect()
}

#[test]
fn below_target_nothing_is_dropped() {
    let mut sim = sim(Params::default());
    assert_eq!(run(&mut sim, 1_000..11_000, 4_900 * US), []);
    assert!(!sim.vars.dropping);
    assert_eq!(sim.vars.first_above_time, Time(0));
}

#[test]
fn first_drop_comes_after_an_interval_above_target() {
    let mut sim = sim(Params::default());
    assert_eq!(run(&mut sim, 1_000..1_101, 10 * MS), []);
    assert!(!sim.vars.dropping);
    assert_eq!(run(&mut sim, 1_101..1_102, 10 * MS), [1_101]);
    assert!(sim.vars.dropping);
    assert_eq!((sim.vars.count, sim.vars.lastcount), (1, 1));
    assert_eq!((sim.stats.drop_count, sim.stats.drop_len), (1, 1_000));
}

#[test]
fn one_packet_below_target_starts_the_interval_anew() {
    let mut sim = sim(Params::default());
    assert_eq!(run(&mut sim, 1_000..1_090, 10 * MS), []);
    assert_eq!(run(&mut sim, 1_090..1_091, 4 * MS), []);
    assert_eq!(run(&mut sim, 1_091..1_191, 10 * MS), []);
    assert_eq!(run(&mut sim, 1_191..1_200, 10 * MS), [1_192]);
}

#[test]
fn drops_are_an_interval_by_the_root_of_count_apart() {
    let mut sim = sim(Params::default());
    run(&mut sim, 1_000..1_102, 10 * MS);
    let interval = f64::from(sim.params.interval.0);
    let mut before = sim.vars;
    let mut ns = 1_102 * MS;
    while sim.vars.count < 1_000 {
        ns += 20 * US;
        if take(&mut sim, ns, 10 * MS, None) == 0 {
            continue;
        }
        let count = sim.vars.count;
        assert_eq!(count, before.count + 1);
        let step = f64::from(sim.vars.drop_next.since(before.drop_next).0);
        let law = interval / f64::from(count).sqrt();
        // One step of Newton's method for each drop takes some to get near.
        let error = if count < 4 { 0.3 } else { 0.03 };
        assert!(
            (step / law - 1.0).abs() < error,
            "{count}: {step}, not {law}"
        );
        before = sim.vars;
    }
    assert!(sim.vars.dropping);
}

#[test]
fn a_sojourn_time_below_target_ends_the_dropping() {
    let mut sim = sim(Params::default());
    run(&mut sim, 1_000..3_000, 10 * MS);
    assert!(sim.vars.dropping);
    assert_eq!(run(&mut sim, 3_000..3_001, 4 * MS), []);
    assert!(!sim.vars.dropping);
}

#[test]
fn an_empty_queue_ends_the_dropping() {
    let mut sim = sim(Params::default());
    run(&mut sim, 1_000..3_000, 10 * MS);
    sim.fifo = Default::default();
    assert!(!sim.vars.is_idle());
    assert_eq!(sim.dequeue(3 * SECOND), None);
    assert!(sim.vars.is_idle());
    assert!(!sim.vars.dropping);
    assert_eq!(sim.vars.first_above_time, Time(0));
    assert_eq!(
        sim.fifo.clock_reads.get(),
        0,
        "no packet, no need for the time"
    );
}

#[test]
fn dropping_again_soon_goes_on_from_the_count() {
    let mut sim = sim(Params::default());
    run(&mut sim, 1_000..3_000, 10 * MS);
    let count = sim.vars.count;
    assert!(count > 10);
    run(&mut sim, 3_000..3_010, 4 * MS);
    let drops = run(&mut sim, 3_010..3_112, 10 * MS);
    assert_eq!(drops, [3_111]);
    assert_eq!(
        sim.vars.count,
        count - 1,
        "less the last count, which was 1"
    );
    assert_eq!(sim.vars.lastcount, count - 1);
}

#[test]
fn dropping_again_late_starts_from_one() {
    let mut sim = sim(Params::default());
    run(&mut sim, 1_000..3_000, 10 * MS);
    run(&mut sim, 3_000..4_600, 4 * MS);
    assert_eq!(run(&mut sim, 4_600..4_702, 10 * MS), [4_701]);
    assert_eq!((sim.vars.count, sim.vars.lastcount), (1, 1));
}

#[test]
fn ecn_marks_instead_of_drops() {
    let mut marking = sim(Params {
        ecn: true,
        ..Params::default()
    });
    let mut dropping = sim(Params::default());
    for ms in 1_000..4_000 {
        assert_eq!(take(&mut marking, ms * MS, 10 * MS, ECT0), 0);
        take(&mut dropping, ms * MS, 10 * MS, ECT0);
    }
    assert!(marking.stats.ecn_mark > 10);
    assert_eq!(marking.stats.ecn_mark, dropping.stats.drop_count);
    assert_eq!(marking.stats.ce_mark, 0);
}

#[test]
fn ecn_drops_what_cannot_be_marked() {
    for dsfield in [None, Some(0xb8)] {
        let mut sim = sim(Params {
            ecn: true,
            ..Params::default()
        });
        let drops = (1_000..1_102).map(|ms| take(&mut sim, ms * MS, 10 * MS, dsfield));
        assert_eq!(drops.sum::<usize>(), 1);
        assert_eq!(sim.stats.ecn_mark, 0);
    }
}

#[test]
fn one_dequeue_drops_no_more_than_the_cap() {
    let mut sim = sim(Params {
        interval: Time(2),
        target: Time(1),
        ..Params::default()
    });
    for ms in 1_000..1_003 {
        take(&mut sim, ms * MS, 10 * MS, None);
    }
    assert!(sim.vars.dropping);
    // A minute without a dequeue: drops are due for each 2 us of it.
    let later = 60 * SECOND;
    let dropped = take(&mut sim, later, 10 * MS, None);
    assert_eq!(dropped, MAX_DROPS_PER_DEQUEUE as usize);
    assert!(sim.vars.dropping);
    let now = Time::from_ns(later);
    assert!(sim.vars.drop_next.after(now), "a new schedule starts");
    assert!(sim.vars.drop_next.before(now.plus(Time(3))));
}

#[test]
fn a_backlog_of_one_mtu_is_never_too_long() {
    let mut sim = sim(Params::default());
    for ms in (1_000..6_000).step_by(20) {
        // After it is taken there are 1514 bytes left, each time waiting 20 ms.
        sim.enqueue(ms * MS, MTU, None);
        if ms == 1_000 {
            continue;
        }
        let packet = sim.dequeue((ms + 15) * MS).expect("there are two");
        assert!(Time::from_ns((ms + 15) * MS)
            .since(packet.at)
            .after(sim.params.target));
    }
    assert_eq!(sim.fifo.backlog, MTU);
    assert_eq!((sim.stats.drop_count, sim.vars.dropping), (0, false));

    // With one byte more than that they are.
    sim.params.mtu -= 1;
    for ms in (6_000..7_000).step_by(20) {
        sim.enqueue(ms * MS, MTU, None);
        sim.dequeue((ms + 15) * MS);
    }
    assert!(sim.stats.drop_count > 0);
}

#[test]
fn the_clock_may_wrap_around() {
    // 2 s before the u32 of the clock wraps, and all that happens thereafter,
    // is the same as 2 s before any other time.
    let wrap = 1 << 42;
    let mut far = sim(Params::default());
    let mut near = sim(Params::default());
    let start = |sim: &mut Sim, base: u64| -> Vec<usize> {
        // Not a multiple of ms, so that no time happens to be the special 0.
        (0..5_000)
            .map(|ms| take(sim, base - 2 * SECOND + ms * MS + 300 * US, 10 * MS, None))
            .collect()
    };
    assert_eq!(start(&mut far, wrap), start(&mut near, wrap / 4));
    assert_eq!(far.stats, near.stats);
    assert_eq!(far.vars.count, near.vars.count);
    assert!(far.stats.drop_count > 20);
}

#[test]
fn ce_threshold_marks_at_once() {
    let mut sim = sim(Params {
        ce_threshold: Time::from_us(1_000),
        ..Params::default()
    });
    take(&mut sim, SECOND, 900 * US, ECT0);
    assert_eq!(sim.stats.ce_mark, 0);
    take(&mut sim, SECOND + MS, 1_100 * US, ECT0);
    assert_eq!(sim.stats.ce_mark, 1);
}

#[test]
fn ce_threshold_is_for_those_selected() {
    // The marking of L4S: only ECT(1).
    let params = Params {
        ce_threshold: Time::from_us(1_000),
        ce_threshold_mask: 3,
        ce_threshold_selector: 1,
        ..Params::default()
    };
    for (dsfield, want) in [
        (ECT0, ECT0),
        (Some(1), CE),
        (Some(0), Some(0)),
        (None, None),
    ] {
        let mut sim = sim(params);
        sim.enqueue(SECOND, 1_000, dsfield);
        let packet = sim.dequeue(SECOND + 2 * MS).expect("there is one");
        assert_eq!(packet.dsfield, want);
        assert_eq!(sim.stats.ce_mark, u32::from(dsfield != want));
    }
}

#[test]
fn defaults() {
    let params = Params::default();
    assert_eq!(
        (params.target.to_us(), params.interval.to_us()),
        (4_999, 99_999)
    );
    assert_eq!(params.ce_threshold, Time::DISABLED);
    assert!(!params.ecn);
}

#[test]
fn next_drop_in_microseconds() {
    let mut vars = Vars {
        drop_next: Time(5),
        ..Vars::default()
    };
    assert_eq!(vars.drop_next_us(Time(0)), 0, "not in the dropping state");
    vars.dropping = true;
    assert_eq!(vars.drop_next_us(Time(0)), 5);
    assert_eq!(vars.drop_next_us(Time(5)), 0);
    assert_eq!(vars.drop_next_us(Time(1_005)), -1_024);
    assert_eq!(vars.drop_next_us(Time(u32::MAX)), 6);
    // Half of the range away, where the sign turns.
    vars.drop_next = Time(1 << 31);
    assert_eq!(
        vars.drop_next_us(Time(0)),
        2_199_023_255_u32.wrapping_neg() as i32
    );
}

#[test]
fn the_last_dropping_state_is_recent_with_the_longest_interval_too() {
    let interval = Time::from_option_us(MAX_US).expect("the longest");
    let now = Time::from_ns(SECOND);
    // The next drop may be ahead: the state was left before it was due.
    for (drop_next, recent) in [
        (now.plus(interval), true),
        (now.plus(Time(1)), true),
        (now, true),
        (now.since(Time(2)), false),
    ] {
        let mut sim = sim(Params {
            interval,
            ..Params::default()
        });
        sim.vars = Vars {
            count: 9,
            lastcount: 4,
            first_above_time: now.since(Time(1)),
            drop_next,
            ..Vars::default()
        };
        assert_eq!(take(&mut sim, SECOND, 10 * MS, None), 1);
        let expected = if recent { 5 } else { 1 };
        assert_eq!(sim.vars.count, expected, "{drop_next:?}");
    }
}
