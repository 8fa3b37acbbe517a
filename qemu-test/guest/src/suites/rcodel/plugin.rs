// SPDX-License-Identifier: GPL-2.0

//! Tests the plug-in of `tc` for `rcodel`: the options that it sends, and that its output is like
//! that of `tc` for `codel`.

use anyhow::{ensure, Context as _, Result};
use regex::Regex;

use super::options::expect_options;
use super::{Bench, MODULE, TWINS};
use crate::suite::Context;
use crate::sys::cmd::{self, Output};
use crate::sys::codel::Options;
use crate::sys::dummy::Dummy;
use crate::sys::module::{self, Installed};
use crate::sys::twins::{self, orders, BLOCKED, SHOWS};

pub(super) fn tc_sets_options(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let line = "limit 1000 target 5ms interval 100ms ecn ce_threshold 1ms";
    cmd::run(&format!("tc qdisc add dev tkd0 root rcodel {line}"))?;
    let asked = Options {
        limit: Some(1000),
        target: Some(5000),
        interval: Some(100_000),
        ecn: Some(1),
        ce_threshold: Some(1000),
    };
    expect_options(line, bench.options()?, asked.as_shown())?;
    bench.done()
}

pub(super) fn tc_changes_options(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    cmd::run("tc qdisc add dev tkd0 root rcodel ecn")?;
    // Expect the defaults, and the options that are set in addition.
    let mut expected = Options {
        limit: Some(1000),
        target: Some(5000),
        interval: Some(100_000),
        ecn: Some(1),
        ce_threshold: None,
    };
    let mut change = |line: &str, step: fn(&mut Options)| {
        cmd::run(&format!("tc qdisc change dev tkd0 root rcodel {line}"))?;
        step(&mut expected);
        expect_options(line, bench.options()?, expected.as_shown())
    };
    change("limit 7", |options| options.limit = Some(7))?;
    change("noecn", |options| options.ecn = Some(0))?;
    change("target 2500us interval 0.2s", |options| {
        options.target = Some(2500);
        options.interval = Some(200_000);
    })?;
    change("ce_threshold 0", |options| options.ce_threshold = Some(0))?;
    // A value of 0 means no change.
    change("limit 0 target 0 interval 0", |_| ())?;
    bench.done()
}

pub(super) fn tc_refuses_bad_options(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    cmd::run("tc qdisc add dev tkd0 root rcodel limit 17")?;
    let before = bench.options()?;
    for line in [
        "limit few",
        "limit -1",
        "limit 4294967296",
        "target 5parsecs",
        "target -1ms",
        "target 2199023255us",
        "interval 4295s",
        "ce_threshold nan",
    ] {
        let output = cmd::output(&format!("tc qdisc change dev tkd0 root rcodel ecn {line}"))?;
        let option = line.split_whitespace().next().unwrap_or_default();
        let most = if option == "limit" {
            "4294967295"
        } else {
            "2199023254us"
        };
        let said = &output.err;
        ensure!(
            output.code == 1
                && said.starts_with(&format!("Illegal \"{option}\": allowed is "))
                && said.contains(&format!(" to {most}"))
                && said.lines().count() == 1,
            "{line}: expected exit status 1 and a line with the range, got {output:?}"
        );
        expect_options(line, bench.options()?, before)?;
    }
    bench.done()
}

pub(super) fn tc_takes_what_it_takes_for_codel(context: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let lines = [
        "limit +5",
        "limit 0x1F",
        "limit 017",
        "limit +0X10",
        "limit 4294967295",
        "limit 1 limit 2",
        "target 0x80us",
        "target +128usecs",
        "target 128",
        "target 0x1p7",
        "target 1.28e2USEC",
        "target 64ms interval 2sec",
        "interval .512s",
        "interval 6400msecs",
        "interval 128.9us",
        "target 2199023254us",
        "interval 2199023254us",
        "ce_threshold 2199023254us",
        "ce_threshold 0x0",
        "ce_threshold +1.28MS",
        "ecn noecn",
        "noecn ecn",
        "limit 0 target 0 interval 0",
    ];
    TWINS.expect_same_options(context, &bench, &lines)?;
    bench.done()
}

pub(super) fn tc_refuses_what_codel_makes_another_value(context: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let lines = [
        "limit -18446744073709551615",
        "limit -0",
        "target -0",
        "target -.5us",
        "target 4294967296us",
        "target 5000s",
        "target 1e30s",
        "target nan",
        "interval -1us",
        "interval inf",
        "ecn ce_threshold -5ms",
        "ce_threshold 4295s",
        "target 2199023255us",
        "interval 2200s",
        "ce_threshold 4294967295us",
    ];
    TWINS.expect_refused_by_ours(context, &bench, &lines)?;
    bench.done()
}

pub(super) fn tc_prints_as_for_codel(context: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let mut lines = orders(&[
        "add KIND",
        "change KIND limit 10 target 2ms interval 50ms ecn ce_threshold 1ms",
        "replace KIND noecn ce_threshold 80us limit 0x20 interval 1.5s target 3",
        "change KIND ce_threshold 0 limit 0 target 999s",
        "change KIND limit 4294967295 interval 1us",
        "change KIND",
    ]);
    lines.extend(
        [
            "qdisc add dev tkd0 root KIND help",
            "qdisc add dev tkd0 root KIND limit 3 help ecn",
            "qdisc add dev tkd0 root KIND limit",
            "qdisc add dev tkd0 root KIND ecn target",
            "qdisc add dev tkd0 root KIND limit 3 foo",
            "qdisc add dev tkd0 root KIND Limit 3",
            "qdisc add dev tkd0 root KIND limit 3",
            "qdisc add dev tkd0 parent 1:1 KIND limit 3",
            "-s class show dev tkd0",
            "class add dev tkd0 parent 1: classid 1:1 KIND limit 3",
            "qdisc del dev tkd0 root KIND",
            "qdisc change dev tkd0 root KIND limit 3",
        ]
        .map(str::to_owned),
    );
    TWINS.expect_same(context, &lines)?;
    bench.done()
}

pub(super) fn tc_prints_counts_as_for_codel(context: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let shows = twins::shown(SHOWS);
    let run = |kind: &str| -> Result<Vec<Output>> {
        cmd::run(BLOCKED)?;
        let child = "qdisc add dev tkd0 parent 1:1 handle 10:";
        cmd::run(&format!("tc {child} {kind} limit 5 ecn ce_threshold 1ms"))?;
        bench.device.send(50)?;
        let shown = twins::session(kind, &shows)?;
        cmd::run("tc qdisc del dev tkd0 root")?;
        Ok(shown)
    };
    let (ours, size) = TWINS.both(&shows, run)?;
    let counted = Regex::new(r"maxpacket 48 ecn_mark 0 drop_overlimit [1-9]")?;
    ensure!(
        ours.iter().any(|output| counted.is_match(&output.out)),
        "expected packets and drops, got {}",
        ours[1].out
    );
    context.note(format!("{} commands, {size} bytes the same", shows.len()))?;
    bench.done()
}

pub(super) fn is_loaded_by_its_alias(_: &mut Context<'_>) -> Result<()> {
    let device = Dummy::new("tkd0", 1)?;
    let installed = Installed::new(&[module::LIBRARY, MODULE])?;
    cmd::run("tc qdisc add dev tkd0 root rcodel limit 3")?;
    let shown = cmd::run("tc qdisc show dev tkd0")?;
    ensure!(
        shown.starts_with("qdisc rcodel ") && shown.contains(" limit 3p "),
        "expected rcodel with limit 3p, got {shown}"
    );
    drop((installed, device));
    for name in [MODULE, module::LIBRARY] {
        module::rmmod(name).with_context(|| format!("cannot unload {name}"))?;
    }
    Ok(())
}
