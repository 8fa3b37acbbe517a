// SPDX-License-Identifier: GPL-2.0

//! Tests options that are times: which values are refused, and that shown values can be set again.

use std::ops::RangeInclusive;

use anyhow::{ensure, Result};
use nix::errno::Errno;
use regex::Regex;
use tackle_core::codel::MAX_US;

use super::details::{drained, sum};
use super::queue::through_slow_line;
use crate::sys::bench::Bench;
use crate::sys::codel::attribute;
use crate::sys::dummy::ECT_0;
use crate::sys::{cmd, expect_errno};
use crate::walk::Target;

/// Tests the limit of times. `times` are the numbers of the attributes target, interval and
/// ce_threshold.
pub fn refuses_times_that_are_too_long(target: Target, times: &[u16]) -> Result<()> {
    let Target { module, kind } = target;
    let bench = Bench::new(module)?;
    for &time in times {
        bench.fresh(kind, None)??;
        let before = bench.show()?.options;
        for us in [MAX_US + 1, 3_000_000_000, u32::MAX] {
            let what = format!("attribute {time} of {us} us");
            let options = [
                attribute(2, &7u32.to_ne_bytes()),
                attribute(time, &us.to_ne_bytes()),
            ];
            let answer = bench.change(kind, &options.concat())?;
            expect_errno(&format!("changing {what}"), answer, Errno::EINVAL)?;
            ensure!(
                bench.show()?.options == before,
                "{what} has changed options"
            );
        }
        let options = attribute(time, &(MAX_US + 1).to_ne_bytes());
        let answer = bench.fresh(kind, Some(&options))?;
        expect_errno("adding", answer, Errno::EINVAL)?;
    }
    cmd::run("tc qdisc del dev tkd0 root")?;
    let longest = ["target", "interval", "ce_threshold"].map(|name| format!("{name} {MAX_US}us"));
    through_slow_line(&bench, kind, &longest.join(" "), ECT_0, "800kbit")?;
    let queue = drained(kind)?;
    let details = &queue["details"];
    ensure!(
        queue["drops"] == 0 && sum(&details["marks"])? == 0,
        "expected neither drops nor marks with the longest times, got {queue}"
    );
    bench.done()
}

/// Tests that options can be set to the values that are shown. `kinds` are the numbers of the
/// attributes of four bytes.
pub fn shown_options_can_be_set_again(target: Target, kinds: RangeInclusive<u16>) -> Result<()> {
    let Target { module, kind } = target;
    let bench = Bench::new(module)?;
    // `tc` accepts the text that it prints, too.
    let times = Regex::new("(?:target|interval|ce_threshold) [^ ]+")?;
    cmd::run(&format!("tc qdisc add dev tkd0 root {kind}"))?;
    for time in ["12345us", "1234567us", "100.5ms", "2199s", "2199023254us"] {
        let change = format!("tc qdisc change dev tkd0 root {kind}");
        cmd::run(&format!(
            "{change} target {time} interval {time} ce_threshold {time}"
        ))?;
        let before = bench.show()?.options;
        let text = cmd::run("tc qdisc show dev tkd0")?;
        let shown: Vec<_> = times.find_iter(&text).map(|found| found.as_str()).collect();
        ensure!(shown.len() == 3, "expected three times, got {text}");
        cmd::run(&format!("{change} {}", shown.join(" ")))?;
        ensure!(
            bench.show()?.options == before,
            "{shown:?} has changed options"
        );
    }
    bench.fresh(kind, None)??;
    for us in [
        0,
        1,
        2,
        43,
        80,
        999,
        4_999,
        5_000,
        12_345,
        100_000,
        1 << 20,
        MAX_US,
    ] {
        for number in kinds.clone() {
            let options = attribute(number, &u32::to_ne_bytes(us));
            // Some changes are refused: a quantum that is too large, and another number of flows.
            let _ = bench.change(kind, &options)?;
            let shown = bench.show()?.options;
            bench.change(kind, &shown)??;
            let again = bench.show()?.options;
            ensure!(
                again == shown,
                "attribute {number}, {us}: expected {shown:?} again, got {again:?}"
            );
        }
    }
    bench.done()
}
