// SPDX-License-Identifier: GPL-2.0

//! Tests queues whose device goes down, or is removed with its network namespace.

use std::net::UdpSocket;
use std::time::Duration;

use anyhow::{ensure, Result};
use tackle_link::Space;

use super::queue::queues;
use crate::suite::Context;
use crate::sys::bench::Bench;
use crate::sys::dummy::Dummy;
use crate::sys::kernel::patience;
use crate::sys::twins::{session, Twins, BLOCKED};
use crate::sys::{cmd, module, wait_for};
use crate::walk::Target;

pub fn goes_down_and_up_with_its_device(
    context: &mut Context<'_>,
    target: Target,
    twins: Twins,
    options: &str,
) -> Result<()> {
    const ROUNDS: usize = 3;
    let bench = Bench::new(target.module)?;
    let shows = ["-s qdisc show dev tkd0", "-s class show dev tkd0"].map(str::to_owned);
    let run = |kind: &str| -> Result<Vec<_>> {
        cmd::run(BLOCKED)?;
        cmd::run(&format!(
            "tc qdisc add dev tkd0 parent 1:1 handle 10: {kind} {options}"
        ))?;
        let mut said = Vec::new();
        for _ in 0..ROUNDS {
            bench.device.send_flow(5001, 0, 0, 20)?;
            bench.device.send_flow(5002, 0, 0, 20)?;
            said.extend(session(kind, &shows)?);
            bench.tc.set_up(bench.device.index, false)??;
            said.extend(session(kind, &shows)?);
            let left = queues("tkd0")?;
            ensure!(
                left.iter().all(|queue| queue.qlen == 0),
                "expected no packets on a device that is down, got {left:?}"
            );
            bench.tc.set_up(bench.device.index, true)??;
        }
        cmd::run("tc qdisc del dev tkd0 root")?;
        Ok(said)
    };
    let lines = vec![shows.clone(); 2 * ROUNDS].concat();
    let (_, size) = twins.both(&lines, run)?;
    context.note(format!("{size} bytes the same"))?;
    bench.done()
}

/// Tests a queue with packets. Another namespace has a device of the same name, which must remain.
pub fn goes_with_its_name_space(target: Target) -> Result<()> {
    const COUNT: u32 = 50;
    let kind = target.kind;
    let bench = Bench::new(target.module)?;
    bench.fresh(kind, None)??;
    // The packets come from outside. A packet of a socket inside would keep the namespace alive.
    let space = Space::new()?;
    space.batch(
        "ip",
        &[
            "link add tkv1 type veth peer name tkv0 netns 1",
            "addr add 10.78.5.1/24 dev tkv1",
            "link set tkv1 up",
        ]
        .map(str::to_owned),
    )?;
    space.set("/proc/sys/net/ipv4/ip_forward", "1")?;
    space.enter(|| {
        // The device is removed with the namespace.
        std::mem::forget(Dummy::new("tkd0", 2)?);
        cmd::run(BLOCKED)?;
        cmd::run(&format!("tc qdisc add dev tkd0 parent 1:1 {kind}"))
    })?;
    for line in [
        "ip addr add 10.78.5.2/24 dev tkv0",
        "ip link set tkv0 up",
        "ip route add 10.78.2.0/24 via 10.78.5.1",
    ] {
        cmd::run(line)?;
    }
    let socket = UdpSocket::bind("10.78.5.2:0")?;
    let limit = patience(Duration::from_secs(20));
    wait_for("packets in the queue", limit, || {
        for _ in 0..COUNT {
            socket.send_to(b"tackle", ("10.78.2.2", 9))?;
        }
        let inner = space.enter(|| queues("tkd0"))?;
        let waits = inner
            .iter()
            .any(|queue| queue.kind == kind && queue.qlen > COUNT / 2);
        Ok(waits.then_some(()))
    })?;
    let before = module::uses(target.module)?;
    drop(space);
    wait_for("the queue to go with its name space", limit, || {
        Ok((module::uses(target.module)? < before).then_some(()))
    })?;
    bench.device.send(3)?;
    let packets = bench.show()?.packets;
    ensure!(packets == 3, "expected 3 packets outside, got {packets}");
    bench.done()
}
