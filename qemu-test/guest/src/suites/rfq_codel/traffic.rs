// SPDX-License-Identifier: GPL-2.0

//! Tests `sch_rfq_codel` with traffic: CoDel in its flows, and changes of options during the
//! traffic.

use anyhow::{ensure, Context as _, Result};

use super::{KIND, MODULE, TWINS};
use crate::suite::Context;
use crate::suites::codel_family::{drained, through_slow_line, Queue, PACKETS};
use crate::sys::bench::Bench;
use crate::sys::cmd;
use crate::sys::codel::attribute;
use crate::sys::dummy::{ECT_0, ECT_1, NOT_ECT};
use crate::sys::qdisc::How;

/// Sends packets through a slow link, and returns our queue when all packets have left.
fn sent(bench: &Bench, options: &str, dsfield: u8) -> Result<Queue> {
    through_slow_line(bench, KIND, options, dsfield, "400kbit")?;
    let mut all = drained("tkd0")?;
    cmd::run("tc qdisc del dev tkd0 root")?;
    let ours = all.iter().position(|queue| queue.kind == KIND);
    Ok(all.swap_remove(ours.context("our queue is there")?))
}

/// Tests marks and drops. In each case all packets except the first few wait for some milliseconds.
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
        let seen = sent(&bench, &options, dsfield)?;
        let what = [seen.drops != 0, seen.ecn_mark != 0, seen.ce_mark != 0];
        ensure!(
            what == [drops, ecn_mark, ce_mark] && seen.packets + seen.drops == PACKETS,
            "{options}, ECN {dsfield}: expected drops {drops}, marks {ecn_mark}, marks for the \
             threshold {ce_mark}, and {PACKETS} packets, got {seen:?}"
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

/// Returns the options of the `number`-th change, and its limit.
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
    // With a limit of 0, the kernel does not bypass an empty queue, so every packet is enqueued.
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

pub(super) fn replaced_under_traffic(context: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let (device, tc) = (&bench.device, &bench.tc);
    device.under_traffic(|| {
        for round in 0..50 {
            context.note(format!("round {round}"))?;
            tc.put(How::Replace, device.index, KIND, None)??;
            // Read the list of flows while flows begin and end.
            cmd::run("tc -s class show dev tkd0")?;
            tc.put(How::Replace, device.index, TWINS.theirs, None)??;
        }
        Ok(())
    })?;
    bench.done()
}
