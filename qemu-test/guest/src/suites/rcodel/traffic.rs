// SPDX-License-Identifier: GPL-2.0

//! Tests `sch_rcodel` with traffic: options change during the traffic, and on a slow link the delay
//! stays low and the throughput high. The benchmarks compare the delay and the throughput with
//! `codel`.

use anyhow::{ensure, Result};
use tackle_link::Measured;

use super::MODULE;
use crate::suite::{skip, Context};
use crate::sys::codel::{Options, Xstats};
use crate::sys::dummy::Dummy;
use crate::sys::kernel::has_kasan;
use crate::sys::link;
use crate::sys::module;
use crate::sys::qdisc::{How, Shown, Tc};

const SECONDS: u32 = 8;

pub(super) fn changes_under_traffic(_: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(MODULE, "")?;
    let device = Dummy::new("tkd0", 1)?;
    let tc = Tc::open()?;
    // With a limit of 0, the kernel does not bypass an empty queue, so every packet is enqueued.
    let start = Options {
        limit: Some(0),
        ..Options::default()
    };
    tc.put(How::Add, device.index, "rcodel", Some(&start.encode()))??;
    device.under_traffic(|| {
        for number in 0..200 {
            let options = Options {
                limit: Some(1 + number % 7),
                target: Some(1 + 500 * number),
                interval: Some(100_000 - 400 * number),
                ecn: Some(number % 2),
                ce_threshold: (number % 3 == 0).then_some(1000),
            };
            tc.put(How::Change, device.index, "rcodel", Some(&options.encode()))??;
            let shown = Options::decode(&tc.show(device.index)?.options)?;
            ensure!(
                shown.limit == options.limit && shown.ecn == options.ecn,
                "expected {options:?}, got {shown:?}"
            );
        }
        Ok(())
    })?;
    let shown = tc.show(device.index)?;
    ensure!(shown.packets > 0, "expected packets sent, got {shown:?}");
    drop(device);
    stack.unload()
}

pub(super) fn replaced_under_traffic(_: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(MODULE, "")?;
    let device = Dummy::new("tkd0", 1)?;
    let tc = Tc::open()?;
    device.under_traffic(|| {
        for _ in 0..50 {
            tc.put(How::Replace, device.index, "rcodel", None)??;
            tc.put(How::Replace, device.index, "codel", None)??;
        }
        Ok(())
    })?;
    drop(device);
    stack.unload()
}

type Outcome = (Measured, Shown);

fn report(context: &mut Context<'_>, queue: &str, (measured, shown): &Outcome) -> Result<()> {
    let pings = &measured.delays;
    context.note(format!(
        "{queue}: ping min/p50/p95 {:.1}/{:.1}/{:.1} ms of {}, {:.2} Mbit/s, {} dropped",
        pings.percentile(0),
        pings.percentile(50),
        pings.percentile(95),
        pings.count(),
        measured.mbit,
        shown.drops
    ))
}

pub(super) fn keeps_the_delay_low(context: &mut Context<'_>) -> Result<()> {
    if has_kasan() {
        return skip("with KASAN the kernel is slower than the line");
    }
    let stack = module::stack(MODULE, "")?;
    if let Err(error) = beats_pfifo(context) {
        // The guest may have stood still for seconds during one of the measurements.
        context.note(format!("once more, since {error:#}"))?;
        beats_pfifo(context)?;
    }
    stack.unload()
}

fn beats_pfifo(context: &mut Context<'_>) -> Result<()> {
    let line = link::slow(SECONDS)?;
    let mut measure = |queue: &str| -> Result<Outcome> {
        let outcome = link::measure(&line, queue)?;
        report(context, queue, &outcome)?;
        Ok(outcome)
    };
    let (pfifo, _) = measure("pfifo limit 1000")?;
    let (rcodel, shown) = measure("rcodel")?;
    drop(line);
    for percent in [50, 95] {
        let long = pfifo.delays.percentile(percent);
        let short = rcodel.delays.percentile(percent);
        ensure!(
            short < long / 2.0,
            "p{percent} of ping: expected under half of pfifo's {long} ms, got {short} ms"
        );
    }
    ensure!(
        rcodel.mbit > pfifo.mbit / 2.0,
        "expected over half of pfifo's {} Mbit/s, got {}",
        pfifo.mbit,
        rcodel.mbit
    );
    ensure!(shown.drops > 0, "expected drops, got none");
    let xstats = Xstats::decode(&shown.xstats)?;
    ensure!(
        xstats.count > 0 && xstats.maxpacket >= 1000,
        "expected drops and full-size packets, got {xstats:?}"
    );
    Ok(())
}
