// SPDX-License-Identifier: GPL-2.0

//! Tests queues below other queueing disciplines, whose counts must include the drops of the
//! queues.

use anyhow::{ensure, Result};

use super::details::dropped_for;
use super::queue::drained;
use crate::suite::Context;
use crate::sys::bench::Bench;
use crate::sys::dummy::Dummy;
use crate::sys::{cmd, debugfs, module};
use crate::walk::Target;

/// The parents: the name, and lines of `tc` that add queues of our kind below it.
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
            "qdisc add dev tkd0 root handle 1: tbf rate 8kbit burst 200 limit 5000",
            "qdisc add dev tkd0 parent 1:1 KIND",
        ],
    ),
    (
        "htb",
        &[
            "qdisc add dev tkd0 root handle 1: htb default 1",
            "class add dev tkd0 parent 1: classid 1:1 htb rate 8kbit burst 200 cburst 200 quantum 1514",
            "qdisc add dev tkd0 parent 1:1 KIND",
        ],
    ),
    (
        "hfsc",
        &[
            "qdisc add dev tkd0 root handle 1: hfsc default 1",
            "class add dev tkd0 parent 1: classid 1:1 hfsc sc rate 8kbit ul rate 8kbit",
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
            "qdisc add dev tkd0 parent 1:1 handle 2: tbf rate 8kbit burst 200 limit 5000",
            "qdisc add dev tkd0 parent 2:1 KIND",
            "qdisc add dev tkd0 parent 1:2 KIND",
        ],
    ),
];

/// Parents that dequeue each packet at once, or when it is due. With these there may be no drops.
const AT_ONCE: [&str; 2] = ["prio", "netem"];

/// Sends 12 flows of 25 packets through the device.
fn send(device: &Dummy) -> Result<u32> {
    for port in 6000..6012 {
        device.send_flow(port, 0, 0, 25)?;
    }
    Ok(12 * 25)
}

/// Tests queues below each parent. A packet leaves the device after 48 ms, so even a slow guest
/// sends faster than that. `overlimit` are options with a limit of about 20 packets.
pub fn works_below_others(
    context: &mut Context<'_>,
    target: Target,
    overlimit: &str,
) -> Result<()> {
    let Target { module, kind } = target;
    let bench = Bench::new(module)?;
    let lazy = format!("{overlimit} target 100s interval 100s");
    for (name, lines) in PARENTS {
        // Packets are dropped when they are enqueued, and when they are dequeued. The parent is
        // informed in different ways.
        for (options, reason) in [
            (lazy.as_str(), "overlimit"),
            ("limit 1000 target 1ms interval 20ms", "target"),
        ] {
            for line in lines {
                let line = line.replace("KIND", &format!("{kind} {options}"));
                cmd::run(&format!("tc {line}"))?;
            }
            let sent = send(&bench.device)?;
            let all = drained("tkd0")?;
            let (root, ours): (Vec<_>, Vec<_>) = all.iter().partition(|queue| queue.kind != kind);
            let had: u32 = ours.iter().map(|queue| queue.packets).sum();
            let dropped: u32 = ours.iter().map(|queue| queue.drops).sum();
            ensure!(
                had + dropped == sent && (root[0].packets, root[0].drops) == (had, dropped),
                "{name}, {options}: expected {sent} packets sent or dropped, and the root to \
                 have counted both, got {all:?}"
            );
            let of_reason = dropped_for(kind, reason)?;
            ensure!(
                of_reason == dropped && (dropped != 0 || AT_ONCE.contains(&name)),
                "{name}, {options}: expected drops for '{reason}' alone, got {of_reason}, and \
                 {all:?}"
            );
            context.note(format!("{name}, {reason}: {had} sent, {dropped} dropped"))?;
            cmd::run("tc qdisc del dev tkd0 root")?;
        }
    }
    bench.done()
}

pub fn is_the_default_below_mq(target: Target) -> Result<()> {
    const DEFAULT: &str = "/proc/sys/net/core/default_qdisc";
    let stack = module::stack(target.module, "")?;
    let device = Dummy::with_queues("tkd0", 1, 4)?;
    let before = debugfs::read(DEFAULT)?;
    debugfs::set(DEFAULT, target.kind)?;
    // The setting holds a reference to the module, so restore it even after an error.
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
