// SPDX-License-Identifier: GPL-2.0

//! `sch_rfq_codel` with traffic: what CoDel does in its flows, and changes under way.

use anyhow::{ensure, Context as _, Result};

use super::parents::{drained, queues, Queue};
use super::{KIND, MODULE, TWINS};
use crate::suite::Context;
use crate::sys::bench::Bench;
use crate::sys::cmd;
use crate::sys::codel::attribute;
use crate::sys::qdisc::How;
use crate::sys::twins::{session, BLOCKED};

/// ECN bits of the DS field (RFC 3168).
const NOT_ECT: u8 = 0;
const ECT_1: u8 = 1;
const ECT_0: u8 = 2;

/// Has 200 packets of one flow wait, lets them through a slow line, and returns our queue when
/// they are gone.
fn through_slow_line(bench: &Bench, options: &str, dsfield: u8) -> Result<Queue> {
    cmd::run(BLOCKED)?;
    cmd::run(&format!(
        "tc qdisc add dev tkd0 parent 1:1 {KIND} {options}"
    ))?;
    bench.device.send_flow(7000, dsfield, 0, 199)?;
    cmd::run("tc qdisc change dev tkd0 root handle 1: tbf rate 400kbit burst 200 limit 5000")?;
    // The line looks at its new rate when a packet comes.
    bench.device.send_flow(7000, dsfield, 0, 1)?;
    let mut all = drained("tkd0")?;
    cmd::run("tc qdisc del dev tkd0 root")?;
    let ours = all.iter().position(|queue| queue.kind == KIND);
    Ok(all.swap_remove(ours.context("our queue is there")?))
}

/// Each case is with packets that waited for some milliseconds, all but the first few.
pub(super) fn marks_and_drops(context: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let eager = "target 1us interval 1us";
    let lazy = "target 100s interval 100s";
    for (options, dsfield, drops, ecn_mark, ce_mark) in [
        (format!("{eager} ecn"), ECT_0, false, true, false),
        (format!("{eager} ecn"), ECT_1, false, true, false),
        (format!("{eager} ecn"), NOT_ECT, true, false, false),
        (format!("{eager} noecn"), ECT_0, true, false, false),
        (format!("{lazy} ecn"), ECT_0, false, false, false),
        (
            format!("{lazy} ce_threshold 1ms"),
            ECT_0,
            false,
            false,
            true,
        ),
        (
            format!("{lazy} ce_threshold 1ms"),
            NOT_ECT,
            false,
            false,
            false,
        ),
        (
            format!("{lazy} ce_threshold 1ms ce_threshold_selector 0x1/0x3"),
            ECT_1,
            false,
            false,
            true,
        ),
        (
            format!("{lazy} ce_threshold 1ms ce_threshold_selector 0x1/0x3"),
            ECT_0,
            false,
            false,
            false,
        ),
    ] {
        let seen = through_slow_line(&bench, &options, dsfield)?;
        let what = [seen.drops != 0, seen.ecn_mark != 0, seen.ce_mark != 0];
        ensure!(
            what == [drops, ecn_mark, ce_mark] && seen.packets + seen.drops == 200,
            "{options}, ECN {dsfield}: expected drops {drops}, marks {ecn_mark}, marks for the \
             threshold {ce_mark}, and 200 packets, got {seen:?}"
        );
        let Queue {
            drops,
            ecn_mark,
            ce_mark,
            ..
        } = seen;
        context.note(format!(
            "{options}, ECN {dsfield}: {drops} dropped, {ecn_mark} and {ce_mark} marked"
        ))?;
    }
    bench.done()
}

pub(super) fn goes_down_and_up_with_its_device(context: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let shows = ["-s qdisc show dev tkd0", "-s class show dev tkd0"].map(str::to_owned);
    let run = |kind: &str| -> Result<Vec<_>> {
        cmd::run(BLOCKED)?;
        cmd::run(&format!(
            "tc qdisc add dev tkd0 parent 1:1 handle 10: {kind} flows 64"
        ))?;
        let mut said = Vec::new();
        for _ in 0..3 {
            bench.device.send_flow(5001, 0, 0, 20)?;
            bench.device.send_flow(5002, 0, 0, 20)?;
            said.extend(session(kind, &shows)?);
            bench.tc.set_up(bench.device.index, false)??;
            said.extend(session(kind, &shows)?);
            let left = queues("tkd0")?;
            ensure!(
                left.iter().all(|queue| queue.qlen == 0),
                "expected no packets on a device that is down, got {left:?}"
            );
            bench.tc.set_up(bench.device.index, true)??;
        }
        cmd::run("tc qdisc del dev tkd0 root")?;
        Ok(said)
    };
    let (theirs, ours) = (run(TWINS.theirs)?, run(TWINS.ours)?);
    let lines: Vec<_> = shows.iter().cycle().take(ours.len()).cloned().collect();
    let size = TWINS.compare(&lines, &theirs, &ours)?;
    context.note(format!("{size} bytes the same"))?;
    bench.done()
}

/// The options of the `number`-th change, and its limit.
fn change(number: u32) -> (u32, Vec<u8>) {
    let limit = number % 7;
    let words = [
        (1, 1 + 500 * number),
        (2, limit),
        (3, 100_000 - 400 * number),
        (4, number % 2),
        (6, 256 + number),
        (7, 1000),
        (8, number % 5),
        (9, 1000 * number),
    ];
    let bytes = words.map(|(kind, value): (u16, u32)| attribute(kind, &value.to_ne_bytes()));
    (limit, bytes.concat())
}

pub(super) fn changes_under_traffic(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let (device, tc) = (&bench.device, &bench.tc);
    // Without the short cut for an empty queue: every packet is enqueued.
    let start = attribute(2, &0u32.to_ne_bytes());
    tc.put(How::Add, device.index, KIND, Some(&start))??;
    device.under_traffic(|| {
        for number in 0..200 {
            let (limit, options) = change(number);
            bench.change(KIND, &options)??;
            let (shown, limit) = (bench.show()?.options, attribute(2, &limit.to_ne_bytes()));
            ensure!(
                shown.windows(limit.len()).any(|bytes| bytes == limit),
                "expected {limit:?} among the options, got {shown:?}"
            );
        }
        Ok(())
    })?;
    let shown = bench.show()?;
    ensure!(shown.packets > 0, "expected packets sent, got {shown:?}");
    bench.done()
}

pub(super) fn replaced_under_traffic(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let (device, tc) = (&bench.device, &bench.tc);
    device.under_traffic(|| {
        for _ in 0..50 {
            tc.put(How::Replace, device.index, KIND, None)??;
            // With a reader of the flows that come and go.
            cmd::run("tc -s class show dev tkd0")?;
            tc.put(How::Replace, device.index, TWINS.theirs, None)??;
        }
        Ok(())
    })?;
    bench.done()
}
