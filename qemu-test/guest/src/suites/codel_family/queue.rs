// SPDX-License-Identifier: GPL-2.0

//! Reads queues from the output of `tc`, and sends packets through them.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::de::DeserializeOwned;
use serde::Deserialize;

use crate::sys::bench::Bench;
use crate::sys::kernel::patience;
use crate::sys::twins::BLOCKED;
use crate::sys::{cmd, wait_for};

/// The number of packets that [`through_slow_line`] sends.
pub const PACKETS: u32 = 200;

/// A qdisc in the output of `tc -s -j qdisc show`.
#[derive(Clone, Debug, Deserialize)]
pub struct Queue {
    pub kind: String,
    pub packets: u32,
    pub drops: u32,
    pub backlog: u32,
    pub qlen: u32,
    #[serde(default)]
    pub ecn_mark: u32,
    #[serde(default)]
    pub ce_mark: u32,
}

/// Returns what `tc -j -s WHAT` prints.
pub fn printed<T: DeserializeOwned>(what: &str) -> Result<T> {
    // `tc` prints the options of `hfsc` as text even with `-j`.
    let text = cmd::run(&format!("tc -j -s {what}"))?.replace("{default 1 }", "{}");
    serde_json::from_str(&text).with_context(|| format!("not JSON from tc: {text}"))
}

/// Returns all queues of a device.
pub fn queues(device: &str) -> Result<Vec<Queue>> {
    printed(&format!("qdisc show dev {device}"))
}

/// Waits until none of the qdiscs of a device has packets, and returns them.
pub fn drained(device: &str) -> Result<Vec<Queue>> {
    let mut last = Vec::new();
    let limit = patience(Duration::from_secs(20));
    let empty = wait_for("the queues to run empty", limit, || {
        last = queues(device)?;
        let empty = last
            .iter()
            .all(|queue| (queue.qlen, queue.backlog) == (0, 0));
        Ok(empty.then(|| last.clone()))
    });
    empty.with_context(|| format!("of {last:?}"))
}

/// Lets packets of one flow wait in a queue with these options, and then lets them leave.
pub fn through_slow_line(
    bench: &Bench,
    kind: &str,
    options: &str,
    dsfield: u8,
    rate: &str,
) -> Result<()> {
    cmd::run(BLOCKED)?;
    let child = "tc qdisc add dev tkd0 parent 1:1 handle 10:";
    cmd::run(&format!("{child} {kind} {options}"))?;
    bench.device.send_flow(7000, dsfield, 0, PACKETS - 1)?;
    let line = "tc qdisc change dev tkd0 root handle 1: tbf";
    cmd::run(&format!("{line} rate {rate} burst 200 limit 5000"))?;
    // The parent applies its new rate when a packet is enqueued.
    bench.device.send_flow(7000, dsfield, 0, 1)
}
