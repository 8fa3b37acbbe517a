// SPDX-License-Identifier: GPL-2.0

//! Tests of `sch_rcodel` with traffic: options change under it, and at a slow
//! line the delay stays low and the throughput high, as with `codel`.

use anyhow::{ensure, Context as _, Result};

use super::MODULE;
use crate::suite::{skip, Context};
use crate::sys::bottleneck::{Bottleneck, Measured, RATE};
use crate::sys::codel::Options;
use crate::sys::kernel::has_kasan;
use crate::sys::module;
use crate::sys::netns::Dummy;
use crate::sys::qdisc::{How, Tc};

const SECONDS: u32 = 8;

pub(super) fn changes_under_traffic(_: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(MODULE, "")?;
    let device = Dummy::new("tkd0", 1)?;
    let tc = Tc::open()?;
    // Without the short cut for an empty queue: every packet is enqueued.
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

fn report(context: &mut Context<'_>, queue: &str, measured: &Measured) -> Result<()> {
    let pings = &measured.pings;
    context.note(format!(
        "{queue}: ping min/p50/p95 {:.1}/{:.1}/{:.1} ms of {}, {:.2} Mbit/s, {} dropped",
        pings.percentile(0),
        pings.percentile(50),
        pings.percentile(95),
        pings.count(),
        measured.mbit,
        measured.drops
    ))
}

pub(super) fn keeps_the_delay_low(context: &mut Context<'_>) -> Result<()> {
    if has_kasan() {
        return skip("with KASAN the kernel is slower than the line");
    }
    let stack = module::stack(MODULE, "")?;
    let line = Bottleneck::new()?;
    let mut measure = |queue: &str| -> Result<Measured> {
        let measured = line.measure(queue, SECONDS)?;
        report(context, queue, &measured)?;
        Ok(measured)
    };
    let pfifo = measure("pfifo limit 1000")?;
    let codel = measure("codel")?;
    let rcodel = measure("rcodel")?;
    drop(line);
    for percent in [50, 95] {
        let long = pfifo.pings.percentile(percent);
        let short = rcodel.pings.percentile(percent);
        ensure!(
            short < long / 2.0,
            "p{percent} of ping: expected under half of pfifo's {long} ms, got {short} ms"
        );
    }
    ensure!(
        rcodel.mbit > 0.6 * RATE,
        "expected over 60 % of {RATE} Mbit/s, got {}",
        rcodel.mbit
    );
    ensure!(rcodel.drops > 0, "expected drops, got none");
    let xstats = rcodel.xstats.context("no xstats of rcodel")?;
    ensure!(
        xstats.count > 0 && xstats.maxpacket >= 1000,
        "expected drops and full-size packets, got {xstats:?}"
    );
    let ratio = rcodel.pings.percentile(50) / codel.pings.percentile(50);
    context.note(format!("p50 is {ratio:.2} of codel's"))?;
    ensure!(
        (0.5..=2.0).contains(&ratio),
        "expected a median ping within twice and half of codel's, got {ratio:.2} times"
    );
    stack.unload()
}
