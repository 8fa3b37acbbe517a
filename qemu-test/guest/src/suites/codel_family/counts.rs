// SPDX-License-Identifier: GPL-2.0

//! Tests that each packet is counted once: as sent, as dropped for a reason, or as waiting. Also
//! tests that packets are freed if a change drops them.

use std::net::UdpSocket;
use std::time::Duration;

use anyhow::{ensure, Context as _, Result};
use fastrand::Rng;
use serde_json::Value;
use tackle_link::Space;

use super::details::{shown, sum};
use super::queue::printed;
use crate::suite::Context;
use crate::sys::bench::Bench;
use crate::sys::kernel::{has_our_patches, patience};
use crate::sys::tun::Tun;
use crate::sys::twins::BLOCKED;
use crate::sys::{cmd, module, wait_for};
use crate::walk::Target;

/// The number of steps of a random sequence.
const STEPS: u32 = 40;

/// Returns the counts of a queue: packets sent, dropped, and waiting.
fn counts(queue: &Value) -> [u64; 3] {
    ["packets", "drops", "qlen"].map(|key| queue[key].as_u64().unwrap_or_default())
}

/// Checks the counts after `enqueued` packets have been enqueued. The check is repeated, because
/// the kernel does not read all counts at the same time, and packets leave in between.
fn expect_counts(what: &str, kind: &str, enqueued: u64) -> Result<Value> {
    let mut last = Value::Null;
    let limit = patience(Duration::from_secs(5));
    let fits = wait_for("counts that add up", limit, || {
        last = shown(kind)?;
        let [sent, dropped, waiting] = counts(&last);
        let reasons = sum(&last["details"]["drops"])?;
        let fits = sent + dropped + waiting == enqueued && reasons == dropped;
        Ok(fits.then(|| last.clone()))
    });
    fits.with_context(|| {
        format!("{what}: expected {enqueued} packets, each counted once, got {last}")
    })
}

/// Runs a random sequence of enqueues, dequeues, changes, peeks by the parent, and resets.
/// `changes` are options that make a queue shorter or longer.
pub fn counts_each_packet_once(
    context: &mut Context<'_>,
    target: Target,
    changes: &[&str],
) -> Result<()> {
    let Target { module, kind } = target;
    let bench = Bench::new(module)?;
    let seed = fastrand::u64(..);
    let mut rng = Rng::with_seed(seed);
    cmd::run(BLOCKED)?;
    let child = "tc qdisc add dev tkd0 parent 1:1 handle 10:";
    cmd::run(&format!("{child} {kind} target 1ms interval 1ms"))?;
    let (mut enqueued, mut done) = (0, Vec::new());
    for number in 0..STEPS {
        let step = match rng.u8(..10) {
            0..=4 => {
                for port in 5000..5004 {
                    let count = rng.u32(..10);
                    bench.device.send_flow(port, 0, 0, count)?;
                    enqueued += u64::from(count);
                }
                "send".to_owned()
            }
            // tbf applies a new rate when the next packet comes. At 400 kbit/s the packets leave
            // one by one, each after a peek.
            5..=6 => {
                let rate = if rng.bool() { "400kbit" } else { "8bit" };
                let line = "tc qdisc change dev tkd0 root handle 1: tbf";
                cmd::run(&format!(
                    "{line} rate {rate} burst 250 limit 5000 overhead 70"
                ))?;
                rate.to_owned()
            }
            7..=8 => {
                let options = rng.choice(changes).context("a change")?;
                let line = "tc qdisc change dev tkd0 parent 1:1 handle 10:";
                cmd::run(&format!("{line} {kind} {options}"))?;
                (*options).to_owned()
            }
            _ => {
                bench.tc.set_up(bench.device.index, false)??;
                bench.tc.set_up(bench.device.index, true)??;
                "down and up".to_owned()
            }
        };
        done.push(step);
        expect_counts(
            &format!("seed {seed}, step {number} of {done:?}"),
            kind,
            enqueued,
        )?;
    }
    context.note(format!("seed {seed}: {}", shown(kind)?))?;
    bench.done()
}

/// Tests the counts when all packets wait, except two that have left, and the parent has peeked at
/// one of the others.
pub fn counts_what_a_change_and_a_reset_drop(target: Target) -> Result<()> {
    let Target { module, kind } = target;
    let bench = Bench::new(module)?;
    cmd::run(BLOCKED)?;
    cmd::run(&format!(
        "tc qdisc add dev tkd0 parent 1:1 handle 10: {kind} target 100s"
    ))?;
    bench.device.send(52)?;
    let expect = |what: &str, expected: [u64; 3], reasons: [u64; 2]| -> Result<()> {
        let queue = expect_counts(what, kind, 52)?;
        let drops = &queue["details"]["drops"];
        let seen = ["change", "reset"].map(|key| drops[key].as_u64().unwrap_or_default());
        ensure!(
            counts(&queue) == expected && seen == reasons,
            "{what}: expected {expected:?} sent, dropped and waiting, of the dropped {reasons:?} \
             by a change and a reset, got {queue}"
        );
        Ok(())
    };
    expect("before", [2, 0, 50], [0, 0])?;
    cmd::run(&format!(
        "tc qdisc change dev tkd0 parent 1:1 handle 10: {kind} limit 10"
    ))?;
    expect("a lower limit", [2, 40, 10], [40, 0])?;
    bench.tc.set_up(bench.device.index, false)??;
    expect("a reset", [2, 50, 0], [40, 10])?;
    bench.done()
}

/// Tests a queue on a device that sends nothing more. A packet that is not freed keeps a reference
/// to its network namespace. kmemleak, if the kernel has it, reports the packet at the end of the
/// suite.
pub fn frees_what_a_change_drops(
    context: &mut Context<'_>,
    target: Target,
    original: &'static str,
) -> Result<()> {
    let stack = module::stack(target.module, "")?;
    context.note(stalled(target.kind, target.module)?)?;
    stack.unload()?;
    if has_our_patches() {
        let module = format!("sch_{original}");
        cmd::run(&format!("modprobe {module}"))?;
        context.note(stalled(original, &module)?)?;
    }
    Ok(())
}

fn stalled(kind: &str, module: &str) -> Result<String> {
    let limit = patience(Duration::from_secs(20));
    let before = module::uses(module)?;
    let space = Space::new()?;
    let tun = space.enter(|| Tun::new("tkt0"))?;
    space.set("/proc/sys/net/ipv6/conf/tkt0/disable_ipv6", "1")?;
    let ip = [
        "link set tkt0 txqueuelen 4 up",
        "addr add 10.78.6.1/24 dev tkt0",
        // The device is removed with the namespace, together with its qdisc.
        "link add tkd0 type dummy",
        "link set tkd0 up",
    ];
    space.batch("ip", &ip.map(str::to_owned))?;
    let tc = [
        format!("qdisc replace dev tkt0 root {kind} target 1us interval 1us"),
        format!("qdisc add dev tkd0 root {kind}"),
    ];
    space.batch("tc", &tc)?;
    let told = space.enter(|| {
        let queue = || -> Result<Value> {
            let all: Vec<Value> = printed("-d qdisc show dev tkt0")?;
            all.into_iter().next().context("no qdisc on tkt0")
        };
        let socket = UdpSocket::bind("10.78.6.1:0")?;
        for _ in 0..60 {
            socket.send_to(&[0; 1000], "10.78.6.2:9")?;
        }
        let full = queue()?;
        ensure!(
            counts(&full)[2] >= 50,
            "expected 50 packets and more to wait for a device that is full, got {full}"
        );
        cmd::run(&format!("tc qdisc change dev tkt0 root {kind} limit 1"))?;
        let trimmed = queue()?;
        ensure!(
            counts(&trimmed)[2] <= 1,
            "expected one packet to be left, got {trimmed}"
        );
        // rfq_codel calls CoDel for each packet that is removed, and CoDel drops some of them.
        let of_codel = trimmed["details"]["drops"]["target"].as_u64();
        ensure!(
            kind != "rfq_codel" || of_codel > Some(0),
            "expected CoDel to have dropped packets, got {trimmed}"
        );
        cmd::run("tc qdisc del dev tkt0 root")?;
        Ok(format!("{kind}: {}", trimmed["details"]["drops"]))
    })?;
    drop((tun, space));
    wait_for("the name space to go with its packets", limit, || {
        Ok((module::uses(module)? == before).then_some(()))
    })?;
    Ok(told)
}
