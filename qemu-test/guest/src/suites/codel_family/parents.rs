// SPDX-License-Identifier: GPL-2.0

//! Below other queueing disciplines, which have to be told of drops.

use anyhow::{ensure, Result};

use super::queue::drained;
use crate::suite::Context;
use crate::sys::bench::Bench;
use crate::sys::dummy::Dummy;
use crate::sys::{cmd, debugfs, module};
use crate::walk::Target;

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
            "qdisc add dev tkd0 root handle 1: tbf rate 80kbit burst 200 limit 5000",
            "qdisc add dev tkd0 parent 1:1 KIND",
        ],
    ),
    (
        "htb",
        &[
            "qdisc add dev tkd0 root handle 1: htb default 1",
            "class add dev tkd0 parent 1: classid 1:1 htb rate 80kbit burst 200 cburst 200",
            "qdisc add dev tkd0 parent 1:1 KIND",
        ],
    ),
    (
        "hfsc",
        &[
            "qdisc add dev tkd0 root handle 1: hfsc default 1",
            "class add dev tkd0 parent 1: classid 1:1 hfsc sc rate 80kbit ul rate 80kbit",
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
            "qdisc add dev tkd0 parent 1:1 handle 2: tbf rate 80kbit burst 200 limit 5000",
            "qdisc add dev tkd0 parent 2:1 KIND",
            "qdisc add dev tkd0 parent 1:2 KIND",
        ],
    ),
];

/// Those that have us hand over each packet as it comes, or as it is due.
const AT_ONCE: [&str; 2] = ["prio", "netem"];

/// Sends through the device: 12 flows of 25 packets.
fn send(device: &Dummy) -> Result<u32> {
    for port in 6000..6012 {
        device.send_flow(port, 0, 0, 25)?;
    }
    Ok(12 * 25)
}

/// `short` are options with which packets are dropped below a slow line.
pub fn works_below_others(context: &mut Context<'_>, target: Target, short: &str) -> Result<()> {
    let Target { module, kind } = target;
    let bench = Bench::new(module)?;
    for (name, lines) in PARENTS {
        for line in lines {
            let line = line.replace("KIND", &format!("{kind} {short}"));
            cmd::run(&format!("tc {line}"))?;
        }
        let sent = send(&bench.device)?;
        let all = drained("tkd0")?;
        let (root, ours): (Vec<_>, Vec<_>) = all.iter().partition(|queue| queue.kind != kind);
        let had: u32 = ours.iter().map(|queue| queue.packets).sum();
        let dropped: u32 = ours.iter().map(|queue| queue.drops).sum();
        ensure!(
            had + dropped == sent && root[0].packets == had,
            "{name}: expected {sent} packets sent or dropped, and the same sent by the root, got \
             {all:?}"
        );
        ensure!(
            dropped != 0 || AT_ONCE.contains(&name),
            "{name}: expected drops, got {all:?}"
        );
        context.note(format!("{name}: {had} sent, {dropped} dropped"))?;
        cmd::run("tc qdisc del dev tkd0 root")?;
    }
    bench.done()
}

pub fn is_the_default_below_mq(target: Target) -> Result<()> {
    const DEFAULT: &str = "/proc/sys/net/core/default_qdisc";
    let stack = module::stack(target.module, "")?;
    let device = Dummy::with_queues("tkd0", 1, 4)?;
    let before = debugfs::read(DEFAULT)?;
    debugfs::set(DEFAULT, target.kind)?;
    // The setting holds the module, so it goes back whatever happens.
    let added = cmd::run("tc qdisc add dev tkd0 root handle 1: mq");
    debugfs::set(DEFAULT, before.trim())?;
    added?;
    let sent = send(&device)?;
    let all = drained("tkd0")?;
    let ours: Vec<_> = all
        .iter()
        .filter(|queue| queue.kind == target.kind)
        .collect();
    let had: u32 = ours.iter().map(|queue| queue.packets).sum();
    ensure!(
        ours.len() == 4 && had == sent,
        "expected {sent} packets through 4 queues, got {all:?}"
    );
    drop(device);
    stack.unload()
}
