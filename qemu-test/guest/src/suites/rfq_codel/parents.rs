// SPDX-License-Identifier: GPL-2.0

//! `sch_rfq_codel` below other queueing disciplines, which have to be told of its drops.

use std::time::Duration;

use anyhow::{ensure, Context as _, Result};
use serde::Deserialize;

use super::{KIND, MODULE};
use crate::suite::Context;
use crate::sys::bench::Bench;
use crate::sys::kernel::patience;
use crate::sys::netns::Dummy;
use crate::sys::{cmd, debugfs, module, wait_for};

/// A qdisc in the output of `tc -s -j qdisc show`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Queue {
    pub(super) kind: String,
    pub(super) packets: u32,
    pub(super) drops: u32,
    pub(super) backlog: u32,
    pub(super) qlen: u32,
    #[serde(default)]
    pub(super) ecn_mark: u32,
    #[serde(default)]
    pub(super) ce_mark: u32,
}

/// All of a device.
pub(super) fn queues(device: &str) -> Result<Vec<Queue>> {
    // The options of `hfsc` tc prints as it does without `-j`.
    let text =
        cmd::run(&format!("tc -s -j qdisc show dev {device}"))?.replace("{default 1 }", "{}");
    serde_json::from_str(&text).with_context(|| format!("not JSON from tc: {text}"))
}

/// Waits until none of the qdiscs of a device has packets, and returns them.
pub(super) fn drained(device: &str) -> Result<Vec<Queue>> {
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

/// Each parent: its name, and lines of `tc` that put queues of our kind below it.
const PARENTS: [(&str, &[&str]); 6] = [
    (
        "prio",
        &[
            "qdisc add dev tkd0 root handle 1: prio",
            "qdisc add dev tkd0 parent 1:1 KIND",
            "qdisc add dev tkd0 parent 1:2 KIND",
            "qdisc add dev tkd0 parent 1:3 KIND",
        ],
    ),
    (
        "tbf",
        &[
            "qdisc add dev tkd0 root handle 1: tbf rate 800kbit burst 200 limit 5000",
            "qdisc add dev tkd0 parent 1:1 KIND",
        ],
    ),
    (
        "htb",
        &[
            "qdisc add dev tkd0 root handle 1: htb default 1",
            "class add dev tkd0 parent 1: classid 1:1 htb rate 800kbit burst 200 cburst 200",
            "qdisc add dev tkd0 parent 1:1 KIND",
        ],
    ),
    (
        "hfsc",
        &[
            "qdisc add dev tkd0 root handle 1: hfsc default 1",
            "class add dev tkd0 parent 1: classid 1:1 hfsc sc rate 800kbit ul rate 800kbit",
            "qdisc add dev tkd0 parent 1:1 KIND",
        ],
    ),
    (
        "netem",
        &[
            "qdisc add dev tkd0 root handle 1: netem delay 5ms limit 1000",
            "qdisc add dev tkd0 parent 1:1 KIND",
        ],
    ),
    (
        "two of our kind",
        &[
            "qdisc add dev tkd0 root handle 1: prio bands 2 priomap 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0",
            "qdisc add dev tkd0 parent 1:1 handle 2: tbf rate 800kbit burst 200 limit 5000",
            "qdisc add dev tkd0 parent 2:1 KIND",
            "qdisc add dev tkd0 parent 1:2 KIND",
        ],
    ),
];

/// Sends through the device: 12 flows of 25 packets.
fn send(device: &Dummy) -> Result<u32> {
    for port in 6000..6012 {
        device.send_flow(port, 0, 0, 25)?;
    }
    Ok(12 * 25)
}

pub(super) fn works_below_others(context: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    for (name, lines) in PARENTS {
        // With a short queue, packets are dropped below all but `prio`.
        for options in ["", " limit 20 drop_batch 4"] {
            for line in lines {
                let line = line.replace("KIND", &format!("{KIND}{options}"));
                cmd::run(&format!("tc {line}"))?;
            }
            let sent = send(&bench.device)?;
            let all = drained("tkd0")?;
            let (root, ours): (Vec<_>, Vec<_>) = all.iter().partition(|queue| queue.kind != KIND);
            let had: u32 = ours.iter().map(|queue| queue.packets).sum();
            let dropped: u32 = ours.iter().map(|queue| queue.drops).sum();
            ensure!(
                had + dropped == sent && root[0].packets == had,
                "{name}: expected {sent} packets sent or dropped, and the same sent by the root, \
                 got {all:?}"
            );
            context.note(format!("{name}{options}: {had} sent, {dropped} dropped"))?;
            cmd::run("tc qdisc del dev tkd0 root")?;
        }
    }
    bench.done()
}

pub(super) fn is_the_default_below_mq(_: &mut Context<'_>) -> Result<()> {
    const DEFAULT: &str = "/proc/sys/net/core/default_qdisc";
    let stack = module::stack(MODULE, "")?;
    let before = debugfs::read(DEFAULT)?;
    debugfs::set(DEFAULT, KIND)?;
    let device = Dummy::with_queues("tkd0", 1, 4)?;
    cmd::run("tc qdisc add dev tkd0 root handle 1: mq")?;
    let sent = send(&device)?;
    let all = drained("tkd0")?;
    debugfs::set(DEFAULT, before.trim())?;
    let ours: Vec<_> = all.iter().filter(|queue| queue.kind == KIND).collect();
    let had: u32 = ours.iter().map(|queue| queue.packets).sum();
    ensure!(
        ours.len() == 4 && had == sent,
        "expected {sent} packets through 4 queues, got {all:?}"
    );
    drop(device);
    stack.unload()
}
