// SPDX-License-Identifier: GPL-2.0

//! Demonstrates `rcodel`: the same traffic through a long queue and through `rcodel`.

use anyhow::{ensure, Result};

use super::Page;
use crate::sys::codel::Xstats;
use crate::sys::link::{self, RATE};
use crate::sys::{module, worker};

const SECONDS: u32 = 6;

/// Shows the delay of pings and the throughput for each queue.
///
/// # Errors
///
/// A step of the demonstration failed.
pub(super) fn show(page: &mut Page) -> Result<()> {
    // The NUMA section keeps node 0 busy. Run this thread and all that it starts on node 1. This
    // fails on a machine with one node.
    let _ = worker::pin(1);
    let stack = module::stack("sch_rcodel", "")?;
    let line = link::slow(SECONDS)?;
    page.say(format!(
        "   {RATE} Mbit/s, 10 ms away, 4 TCP flows and a thin one, {SECONDS} s each"
    ));
    page.say(format!(
        "   {:<18}{:>9}{:>9}{:>9}{:>9}{:>9}",
        "queue", "ping min", "p50", "p95", "Mbit/s", "drops"
    ));
    let mut medians = Vec::new();
    for queue in ["pfifo limit 1000", "rcodel"] {
        let (measured, shown) = link::measure(&line, queue)?;
        let ping = |percent| measured.delays.percentile(percent);
        page.say(format!(
            "   {queue:<18}{:>9.1}{:>9.1}{:>9.1}{:>9.2}{:>9}",
            ping(0),
            ping(50),
            ping(95),
            measured.mbit,
            shown.drops
        ));
        medians.push(ping(50));
        if let Ok(xstats) = Xstats::decode(&shown.xstats) {
            page.say(format!(
                "   {queue}: largest packet {} bytes, last delay {} us, drop count {}",
                xstats.maxpacket, xstats.ldelay, xstats.count
            ));
        }
    }
    drop(line);
    stack.unload()?;
    let ratio = medians[0] / medians[1];
    page.say(format!("   the median ping is {ratio:.1} times shorter"));
    ensure!(ratio > 1.0, "rcodel did not shorten the ping");
    Ok(())
}
