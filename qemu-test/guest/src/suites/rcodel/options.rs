// SPDX-License-Identifier: GPL-2.0

//! Tests options and statistics of `sch_rcodel`, compared with the kernel's `codel`.

use anyhow::{ensure, Result};

use tackle_core::codel::MAX_US;

use super::{CODEL, KIND, MODULE};
use crate::suite::Context;
use crate::sys::bench::Bench;
use crate::sys::codel::{attribute, Options, Xstats};

pub(super) fn expect_options(what: &str, seen: Options, expected: Options) -> Result<()> {
    ensure!(
        seen == expected,
        "{what}: expected {expected:?}, got {seen:?}"
    );
    Ok(())
}

pub(super) fn has_the_defaults_of_codel(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let expected = Options::default_as_shown();
    bench.fresh(CODEL, None)??;
    expect_options(CODEL, bench.options()?.rounded_up(), expected)?;
    bench.fresh(KIND, None)??;
    expect_options(KIND, bench.options()?, expected)?;
    bench.done()
}

/// Returns sets of options: one by one, all at once, and at the ends of their ranges.
fn samples() -> Vec<Options> {
    let none = Options::default();
    vec![
        Options {
            limit: Some(1),
            ..none
        },
        Options {
            target: Some(12_345),
            ..none
        },
        Options {
            interval: Some(50_000),
            ..none
        },
        Options {
            ecn: Some(1),
            ..none
        },
        Options {
            ecn: Some(7),
            ..none
        },
        Options {
            ce_threshold: Some(1000),
            ..none
        },
        Options {
            limit: Some(17),
            target: Some(2000),
            interval: Some(30_000),
            ecn: Some(1),
            ce_threshold: Some(9000),
        },
        Options {
            limit: Some(u32::MAX),
            target: Some(0),
            interval: Some(0),
            ecn: Some(0),
            ce_threshold: Some(0),
        },
        Options {
            target: Some(MAX_US),
            ..none
        },
        Options {
            interval: Some(MAX_US),
            ..none
        },
        Options {
            ce_threshold: Some(MAX_US),
            ..none
        },
    ]
}

pub(super) fn takes_options_as_codel_does(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    for sample in samples() {
        let options = sample.encode();
        bench.fresh(CODEL, Some(&options))??;
        let theirs = bench.options()?.rounded_up();
        bench.fresh(KIND, Some(&options))??;
        let ours = bench.options()?;
        expect_options(&format!("after {sample:?}"), ours, theirs)?;
    }
    // The options must not only match those of codel, but also be those that were set.
    let asked = samples()[6];
    bench.fresh(KIND, Some(&asked.encode()))??;
    expect_options("as asked", bench.options()?, asked.as_shown())?;
    bench.done()
}

pub(super) fn changes_options_as_codel_does(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let run = |kind: &str| -> Result<Vec<Options>> {
        bench.fresh(kind, None)??;
        let mut seen = Vec::new();
        for sample in samples() {
            bench.change(kind, &sample.encode())??;
            seen.push(bench.options()?);
        }
        Ok(seen)
    };
    let (theirs, ours) = (run(CODEL)?, run(KIND)?);
    for ((sample, theirs), ours) in samples().iter().zip(theirs).zip(ours) {
        expect_options(
            &format!("after changing {sample:?}"),
            ours,
            theirs.rounded_up(),
        )?;
    }
    bench.done()
}

pub(super) fn shows_xstats(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    bench.fresh(KIND, None)??;
    let fresh = bench.xstats()?;
    // A new queue has seen no packet and is not dropping.
    ensure!(
        fresh == Xstats::default(),
        "expected zeroes in a new queue, got {fresh:?}"
    );
    bench.fresh(CODEL, None)??;
    let codel = bench.xstats()?;
    ensure!(fresh == codel, "expected {codel:?} as codel, got {fresh:?}");
    bench.done()
}

pub(super) fn limit_zero_drops_everything(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let options = Options {
        limit: Some(0),
        ..Options::default()
    };
    for kind in [CODEL, KIND] {
        bench.fresh(kind, Some(&options.encode()))??;
        bench.device.send(50)?;
        let (shown, xstats) = (bench.show()?, bench.xstats()?);
        let seen = (shown.packets, shown.drops, xstats.drop_overlimit);
        ensure!(
            seen == (0, 50, 50),
            "{kind}: expected 0 sent, 50 dropped, 50 over the limit, got {seen:?}"
        );
    }
    bench.done()
}

/// Returns options that `tc` would never send, and a description of each.
fn odd_options() -> Vec<(&'static str, Vec<u8>)> {
    let good = attribute(2, &17u32.to_ne_bytes());
    vec![
        ("a target of 2 bytes", attribute(1, &[1, 2])),
        ("a limit of 0 bytes", attribute(2, &[])),
        ("an interval of 3 bytes", attribute(3, &[1, 2, 3])),
        ("a threshold of 1 byte", attribute(5, &[1])),
        (
            "a limit of 8 bytes",
            attribute(2, &[17, 0, 0, 0, 1, 1, 1, 1]),
        ),
        ("an unknown attribute", attribute(99, &[1, 0, 0, 0])),
        (
            "a good limit and a short ecn",
            [good.clone(), attribute(4, &[1])].concat(),
        ),
        ("a length beyond the end", vec![40, 0, 2, 0, 17, 0]),
        ("a length below the header", vec![2, 0, 2, 0, 17, 0, 0, 0]),
        ("two bytes", vec![8, 0]),
        ("a good limit and two bytes", [good, vec![8, 0]].concat()),
        ("nothing", vec![]),
    ]
}

pub(super) fn refuses_what_codel_refuses(context: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let mut refused = 0;
    for (what, bytes) in odd_options() {
        bench.fresh(CODEL, None)??;
        let theirs = bench.change(CODEL, &bytes)?;
        let after_theirs = bench.options()?.rounded_up();
        bench.fresh(KIND, None)??;
        let ours = bench.change(KIND, &bytes)?;
        let after_ours = bench.options()?;
        ensure!(ours == theirs, "{what}: expected {theirs:?}, got {ours:?}");
        expect_options(what, after_ours, after_theirs)?;
        if ours.is_err() {
            refused += 1;
            expect_options(what, after_ours, Options::default_as_shown())?;
        }
    }
    context.note(format!("{refused} of {} refused", odd_options().len()))?;
    ensure!(refused >= 5, "expected 5 refusals at least, got {refused}");
    bench.done()
}
