// SPDX-License-Identifier: GPL-2.0

//! Tests flows of `sch_rfq_codel`: their packets, their classes, and how a flow is selected. They
//! are compared with flows of `fq_codel` for the same packets in the same order.

use anyhow::{ensure, Result};

use super::{dropping, MODULE, TWINS};
use crate::suite::Context;
use crate::sys::bench::Bench;
use crate::sys::cmd::{self, Output};
use crate::sys::dummy::Dummy;
use crate::sys::twins::{session, BLOCKED};

/// The arguments of `tc` that show the queue.
const SHOWN: [&str; 6] = [
    "-s -d qdisc show dev tkd0",
    "-j -s qdisc show dev tkd0",
    "-s class show dev tkd0",
    "-j -s class show dev tkd0",
    "filter show dev tkd0 parent 10:",
    "-s qdisc show dev tkd0 parent 1:1",
];

/// Adds a queue with these options below [`BLOCKED`], runs the lines of `tc`, calls `work`, and
/// returns the output of `tc` for these lines and for [`SHOWN`].
fn blocked(
    kind: &str,
    options: &str,
    lines: &[&str],
    work: impl Fn() -> Result<()>,
) -> Result<Vec<Output>> {
    cmd::run(BLOCKED)?;
    let child = "qdisc add dev tkd0 parent 1:1 handle 10:";
    cmd::run(&format!("tc {child} {kind} {options}"))?;
    let owned = |lines: &[&str]| {
        lines
            .iter()
            .map(|line| (*line).to_owned())
            .collect::<Vec<_>>()
    };
    let mut said = session(kind, &owned(lines))?;
    work()?;
    said.extend(session(kind, &owned(&SHOWN))?);
    cmd::run("tc qdisc del dev tkd0 root")?;
    Ok(said)
}

/// Does the same with both kinds, compares the output of `tc`, and returns that of our kind.
fn twice(
    context: &mut Context<'_>,
    options: &str,
    lines: &[&str],
    work: impl Fn() -> Result<()>,
) -> Result<Vec<Output>> {
    let all: Vec<_> = lines
        .iter()
        .chain(&SHOWN)
        .map(|line| (*line).to_owned())
        .collect();
    let (mut ours, size) = TWINS.both(&all, |kind| blocked(kind, options, lines, &work))?;
    context.note(format!(
        "{options}, {} filters: {size} bytes the same",
        lines.len()
    ))?;
    let shown = ours.split_off(lines.len());
    // A line that both kinds refuse would compare as equal, so check that none fails.
    ensure!(
        ours.iter().all(|output| output.code == 0),
        "tc refuses {lines:?}: {ours:?}"
    );
    Ok(shown)
}

/// Checks that a text is in the output.
fn expect_shown(shown: &[Output], text: &str) -> Result<()> {
    ensure!(
        shown.iter().any(|output| output.out.contains(text)),
        "expected `{text}`, got {shown:?}"
    );
    Ok(())
}

pub(super) fn counts_and_classes_are_those_of_fq_codel(context: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let work = || {
        for (port, count) in [(5001, 30), (5002, 5), (5003, 20), (5001, 9), (5004, 1)] {
            bench.device.send_flow(port, 0, 0, count)?;
        }
        Ok(())
    };
    for (options, expected) in [
        ("", " drop_overlimit 0 "),
        ("flows 64 limit 40 drop_batch 8", "backlog"),
        ("flows 4 limit 10 drop_batch 1 quantum 256", "backlog"),
        ("limit 1", "backlog"),
        ("flows 1 limit 7 ecn ce_threshold 1ms", "backlog"),
    ] {
        let shown = twice(context, options, &[], work)?;
        expect_shown(&shown, expected)?;
    }
    let shown = twice(context, "limit 40 drop_batch 8", &[], work)?;
    ensure!(
        !shown[0].out.contains(" drop_overlimit 0 "),
        "expected packets to be dropped, got {}",
        shown[0].out
    );
    expect_shown(&shown, "class rfq_codel 10:")?;
    bench.done()
}

/// Tests the limit of memory. Packets of sockets are charged to the socket, and mirrored packets
/// are charged to no socket.
pub(super) fn memory_is_limited(context: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let send = || bench.device.send_flow(5001, 0, 0, 9);
    let shown = twice(context, "memory_limit 1", &[], send)?;
    expect_shown(&shown, " drop_overlimit 0 ")?;

    let other = Dummy::new("tkd1", 2)?;
    cmd::run("tc qdisc add dev tkd1 root handle 1: prio")?;
    cmd::run(
        "tc filter add dev tkd1 parent 1: protocol ip matchall \
         action mirred egress mirror dev tkd0",
    )?;
    let mirror = || other.send_flow(5001, 0, 0, 50);
    let shown = twice(context, "memory_limit 10kb", &[], mirror)?;
    expect_shown(&shown, " memory_used ")?;
    expect_shown(&shown, " drop_overmemory ")?;
    drop(other);
    bench.done()
}

pub(super) fn filters_pick_the_flow(context: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let other = Dummy::new("tkd1", 2)?;
    let work = || {
        bench.device.send_flow(5001, 0, 0, 7)?;
        bench.device.send_flow(5002, 0, 0, 5)
    };
    let add = "filter add dev tkd0 parent 10: protocol ip";
    let flower = format!("{add} prio 1 flower ip_proto udp src_port 5001 classid 10:1");
    let (all_to_7, rest_to_2) = (
        format!("{add} prio 1 matchall classid 10:7"),
        format!("{add} prio 2 matchall classid 10:2"),
    );
    let beyond = format!("{add} prio 1 matchall classid 10:41");
    let u32 = format!("{add} prio 1 u32 match ip sport 5002 0xffff classid 10:40");
    let redirect = format!(
        "{add} prio 1 matchall action mirred egress redirect dev {}",
        other.name
    );
    let (down, drops) = dropping()?;
    let drop_5001 = format!("{add} prio 1 flower ip_proto udp src_port 5001 {drops}");
    for (lines, expected) in [
        (vec![&all_to_7[..]], "class rfq_codel 10:7 parent 10:"),
        (vec![&flower, &rest_to_2], "class rfq_codel 10:2 parent 10:"),
        // The other packets match no filter.
        (vec![&u32], "(dropped 7,"),
        (vec![&beyond], "(dropped 12,"),
        (vec![&redirect], "(dropped 0,"),
        (
            vec![&drop_5001, &rest_to_2],
            "class rfq_codel 10:2 parent 10:",
        ),
        (
            vec![&all_to_7, "filter del dev tkd0 parent 10:"],
            "class rfq_codel 10:",
        ),
    ] {
        let shown = twice(context, "flows 64", &lines, work)?;
        expect_shown(&shown, expected)?;
    }
    drop((other, down));
    bench.done()
}

pub(super) fn sockets_pick_the_flow(context: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    for (priority, class) in [(0x10_0003, "10:3 "), (0x10_0040, "10:40 ")] {
        let work = || bench.device.send_flow(5001, 0, priority, 9);
        let shown = twice(context, "flows 64", &[], work)?;
        expect_shown(&shown, &format!("class rfq_codel {class}"))?;
    }
    // A priority without a flow, or of another qdisc, has no effect.
    for priority in [0x10_0041, 0x10_0000, 0x11_0003] {
        let work = || bench.device.send_flow(5001, 0, priority, 9);
        twice(context, "flows 64", &[], work)?;
    }
    bench.done()
}
