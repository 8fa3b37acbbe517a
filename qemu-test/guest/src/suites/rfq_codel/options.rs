// SPDX-License-Identifier: GPL-2.0

//! Tests options of `sch_rfq_codel`, in netlink messages and in the input and output of `tc`.

use anyhow::{ensure, Context as _, Result};
use tackle_core::codel::MAX_US;

use super::{KIND, MODULE, TWINS};
use crate::suite::Context;
use crate::sys::bench::Bench;
use crate::sys::cmd;
use crate::sys::codel::{attribute, times_rounded_up, FQ_TIMES};
use crate::sys::twins::orders;

// C header: `include/uapi/linux/pkt_sched.h`, `TCA_FQ_CODEL_*`.
const TARGET: u16 = 1;
/// The maximum number of packets.
pub(super) const LIMIT: u16 = 2;
const INTERVAL: u16 = 3;
const ECN: u16 = 4;
const FLOWS: u16 = 5;
const QUANTUM: u16 = 6;
const CE_THRESHOLD: u16 = 7;
const DROP_BATCH_SIZE: u16 = 8;
const MEMORY_LIMIT: u16 = 9;
const CE_THRESHOLD_SELECTOR: u16 = 10;
const CE_THRESHOLD_MASK: u16 = 11;

/// The options of four bytes that can be changed.
const CHANGEABLE: [u16; 8] = [
    TARGET,
    LIMIT,
    INTERVAL,
    ECN,
    QUANTUM,
    CE_THRESHOLD,
    DROP_BATCH_SIZE,
    MEMORY_LIMIT,
];

fn word(kind: u16, value: u32) -> Vec<u8> {
    attribute(kind, &value.to_ne_bytes())
}

/// Returns sets of options: one by one, several at once, and at the ends of their ranges.
fn samples() -> Vec<Vec<u8>> {
    let values = [
        0,
        1,
        255,
        256,
        12_345,
        1 << 20,
        i32::MAX as u32,
        MAX_US,
        u32::MAX,
    ];
    // Returns the largest valid value. Other tests check that larger values are refused.
    let most = |kind: u16| match kind {
        QUANTUM => 1 << 20,
        _ if FQ_TIMES.contains(&kind) => MAX_US,
        _ => u32::MAX,
    };
    let mut samples = Vec::new();
    for kind in CHANGEABLE {
        let values = values.iter().filter(|value| **value <= most(kind));
        samples.extend(values.map(|value| word(kind, *value)));
    }
    let threshold = word(CE_THRESHOLD, 1000);
    let selector = attribute(CE_THRESHOLD_SELECTOR, &[0x50]);
    let mask = attribute(CE_THRESHOLD_MASK, &[0xfc]);
    samples.push([&threshold[..], &selector, &mask].concat());
    samples.push([selector, mask].concat());
    samples.push([threshold, word(LIMIT, 17), word(ECN, 0), word(TARGET, 2000)].concat());
    samples
}

/// Tests that the dumps of both kinds with the same options are the same, byte by byte, except for
/// the rounding of times. The options are set for new queues, and then changed.
pub(super) fn the_same_options_give_the_same_dumps(context: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let mut starts = samples();
    starts.extend([1, 2, 1024, 65_536].map(|flows| word(FLOWS, flows)));
    starts.push(Vec::new());
    let changes = samples();
    let run = |kind: &str| -> Result<Vec<Vec<u8>>> {
        let mut seen = Vec::new();
        bench.fresh(kind, None)??;
        seen.push(bench.show()?.options);
        for start in &starts {
            bench.fresh(kind, Some(start))??;
            seen.push(bench.show()?.options);
        }
        for change in &changes {
            bench.change(kind, change)??;
            seen.push(bench.show()?.options);
        }
        Ok(seen)
    };
    let (mut theirs, ours) = (run(TWINS.theirs)?, run(TWINS.ours)?);
    for options in &mut theirs {
        *options = times_rounded_up(options, &FQ_TIMES)?;
    }
    for (number, (theirs, ours)) in theirs.iter().zip(&ours).enumerate() {
        ensure!(!ours.is_empty(), "number {number}: no options");
        ensure!(
            ours == theirs,
            "number {number}: expected {theirs:?}, got {ours:?}"
        );
    }
    context.note(format!("{} dumps are the same", ours.len()))?;
    bench.done()
}

/// Returns options that `tc` would never send, and a description of each.
fn odd_options() -> Vec<(&'static str, Vec<u8>)> {
    let good = word(LIMIT, 17);
    let with = |bytes: Vec<u8>| [good.clone(), bytes].concat();
    vec![
        ("no flows", with(word(FLOWS, 0))),
        ("too many flows", with(word(FLOWS, 65_537))),
        ("very many flows", word(FLOWS, u32::MAX)),
        ("other flows", with(word(FLOWS, 77))),
        ("too large a quantum", with(word(QUANTUM, (1 << 20) + 1))),
        ("the largest quantum", word(QUANTUM, u32::MAX)),
        ("a target of 2 bytes", attribute(TARGET, &[1, 2])),
        ("a limit of 0 bytes", attribute(LIMIT, &[])),
        (
            "a memory limit of 3 bytes",
            attribute(MEMORY_LIMIT, &[1; 3]),
        ),
        ("a mask of 0 bytes", with(attribute(CE_THRESHOLD_MASK, &[]))),
        ("a selector of 4 bytes", word(CE_THRESHOLD_SELECTOR, 5)),
        (
            "a limit of 8 bytes",
            attribute(LIMIT, &[17, 0, 0, 0, 1, 1, 1, 1]),
        ),
        ("an unknown attribute", word(99, 1)),
        ("a length beyond the end", vec![40, 0, 2, 0, 17, 0]),
        ("a length below the header", vec![2, 0, 2, 0, 17, 0, 0, 0]),
        ("nothing", vec![]),
    ]
}

pub(super) fn refuses_what_fq_codel_refuses(context: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let run = |kind: &str, bytes: &[u8]| -> Result<_> {
        let added = bench.fresh(kind, Some(bytes))?;
        let left = bench.show()?;
        bench.fresh(kind, None)??;
        let before = bench.show()?.options;
        let changed = bench.change(kind, bytes)?;
        let after = bench.show()?.options;
        // A refused change must have no effect.
        ensure!(changed.is_ok() || after == before, "{kind} has changed");
        ensure!(added.is_ok() || left.kind == "pfifo", "{kind} is there");
        let after = match kind == TWINS.theirs {
            true => times_rounded_up(&after, &FQ_TIMES)?,
            false => after,
        };
        Ok((added, changed, after))
    };
    let mut refused = 0;
    for (what, bytes) in odd_options() {
        let theirs = run(TWINS.theirs, &bytes).context(what)?;
        let ours = run(TWINS.ours, &bytes).context(what)?;
        ensure!(ours == theirs, "{what}: expected {theirs:?}, got {ours:?}");
        refused += u32::from(ours.0.is_err()) + u32::from(ours.1.is_err());
    }
    context.note(format!("{refused} refusals, as fq_codel has them"))?;
    ensure!(
        refused >= 12,
        "expected 12 refusals at least, got {refused}"
    );
    bench.done()
}

pub(super) fn tells_why_it_refuses(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    cmd::run("tc qdisc add dev tkd0 root rfq_codel flows 16")?;
    let before = bench.show()?.options;
    for (line, said) in [
        ("replace flows 17", "The number of flows cannot be changed"),
        (
            "change limit 3 flows 32",
            "The number of flows cannot be changed",
        ),
        (
            "change limit 3 quantum 1048577",
            "Invalid quantum: allowed are up to 1048576 bytes",
        ),
    ] {
        let (verb, options) = line.split_once(' ').context("a verb")?;
        let line = format!("tc qdisc {verb} dev tkd0 root {KIND} {options}");
        let output = cmd::output(&line)?;
        ensure!(
            output.code == 2 && output.err.contains(&format!("Error: {said}.")),
            "{line}: expected status 2 and `{said}`, got {output:?}"
        );
        ensure!(
            bench.show()?.options == before,
            "{line} has changed options"
        );
    }
    bench.tc.delete(bench.device.index)??;
    let output = cmd::output("tc qdisc add dev tkd0 root rfq_codel flows 65537")?;
    ensure!(
        output.code == 2
            && output
                .err
                .contains("Invalid number of flows: allowed are 1 to 65536"),
        "expected status 2 and a message, got {output:?}"
    );
    bench.done()
}

pub(super) fn the_same_number_of_flows_is_no_change(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    for limit in [100, 200] {
        cmd::run(&format!(
            "tc qdisc replace dev tkd0 root rfq_codel flows 16 limit {limit}"
        ))?;
        let text = cmd::run("tc qdisc show dev tkd0")?;
        ensure!(
            text.contains(&format!(" limit {limit}p flows 16 ")),
            "expected limit {limit} and 16 flows, got {text}"
        );
    }
    bench.done()
}

pub(super) fn tc_prints_as_for_fq_codel(context: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let mut lines = orders(&[
        "add KIND",
        "change KIND limit 10 target 2ms interval 50ms noecn ce_threshold 1ms drop_batch 3",
        "change KIND quantum 300 memory_limit 3Mb ce_threshold_selector 0x1/0x3",
        "replace KIND ecn ce_threshold 80us limit 0x20 interval 1.5s target 3 memory_limit 7kb",
        "change KIND ce_threshold 0 limit 0 target 999s memory_limit 12345",
        "change KIND limit 4294967295 interval 1us memory_limit 3.9gb quantum 1",
        "change KIND ce_threshold_selector 0/0 drop_batch 0",
        "change KIND",
    ]);
    lines.extend(
        [
            "qdisc del dev tkd0 root",
            "qdisc add dev tkd0 root handle 1: KIND flows 3 quantum 9000",
            "-s class show dev tkd0",
            "qdisc add dev tkd0 root KIND help",
            "qdisc add dev tkd0 root KIND limit",
            "qdisc add dev tkd0 root KIND ecn target",
            "qdisc add dev tkd0 root KIND limit 3 foo",
            "qdisc add dev tkd0 parent 1:1 KIND limit 3",
            "class add dev tkd0 parent 1: classid 1:1 KIND limit 3",
            "class del dev tkd0 classid 1:1",
            "class show dev tkd0 classid 1:1",
            "filter show dev tkd0",
            "filter add dev tkd0 parent 1:1 protocol all matchall classid 1:1",
            "qdisc del dev tkd0 root KIND",
            "qdisc change dev tkd0 root KIND limit 3",
        ]
        .map(str::to_owned),
    );
    TWINS.expect_same(context, &lines)?;
    bench.done()
}

pub(super) fn tc_refuses_bad_options(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    cmd::run("tc qdisc add dev tkd0 root rfq_codel limit 17")?;
    let before = bench.show()?.options;
    for line in [
        "limit few",
        "flows -1",
        "quantum 1kb",
        "memory_limit 5gb",
        "drop_batch 4294967296",
        "target 5parsecs",
        "target 2199023255us",
        "interval 4295s",
        "ce_threshold nan",
        "ce_threshold_selector 1",
        "ce_threshold_selector 1/256",
    ] {
        let output = cmd::output(&format!(
            "tc qdisc change dev tkd0 root rfq_codel noecn {line}"
        ))?;
        let option = line.split_whitespace().next().unwrap_or_default();
        let said = &output.err;
        ensure!(
            output.code == 1
                && said.starts_with(&format!("Illegal \"{option}\": allowed is "))
                && said.lines().count() == 1,
            "{line}: expected exit status 1 and a line with the range, got {output:?}"
        );
        ensure!(
            bench.show()?.options == before,
            "{line} has changed options"
        );
    }
    bench.done()
}

pub(super) fn tc_takes_what_it_takes_for_fq_codel(context: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let lines = [
        "limit +5",
        "flows 0x10",
        "flows 020",
        "quantum +0X200",
        "drop_batch +7",
        "target 0x80us interval +128ms",
        "ce_threshold 0x1p7us",
        "target 2199023254us",
        "interval 2199023254us",
        "ce_threshold 2199023254us",
        "memory_limit 0x10kb",
        "memory_limit +1.5MB",
        "memory_limit 1e6",
        "memory_limit 8kbit",
        "memory_limit 1023.9",
        "memory_limit 1gb",
        "memory_limit 2147483000",
        "memory_limit 3g",
        "memory_limit 1048577kb",
        "memory_limit 2000000kb",
        "ce_threshold 0 ce_threshold_selector +1/+0x3",
        "ce_threshold 0 ce_threshold_selector 01/0377",
        "ce_threshold_selector 0/0",
    ];
    TWINS.expect_same_options(context, &bench, &lines)?;
    bench.done()
}

pub(super) fn tc_refuses_what_fq_codel_makes_another_value(
    context: &mut Context<'_>,
) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let lines = [
        "limit -18446744073709551615",
        "flows -0",
        "quantum -18446744073709551104",
        "drop_batch -18446744073709551615",
        "memory_limit -0",
        "target 5000s",
        "interval nan",
        "ce_threshold -1us",
        "target 2199023255us",
        "interval 2200s",
        "ce_threshold 4294967295us",
        "ce_threshold_selector 1/-18446744073709551615",
        "ce_threshold_selector -0/3",
    ];
    TWINS.expect_refused_by_ours(context, &bench, &lines)?;
    bench.done()
}
