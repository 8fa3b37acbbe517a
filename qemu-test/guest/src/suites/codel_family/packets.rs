// SPDX-License-Identifier: GPL-2.0

//! Tests packets other than small datagrams: GSO packets, packets with VLAN tags, multicast
//! packets, packets of unknown protocols, and packets that are larger or smaller after a change of
//! the MTU.

use std::net::{Ipv4Addr, UdpSocket};

use anyhow::{ensure, Context as _, Result};
use nix::sys::socket::{setsockopt, sockopt};

use super::queue::drained;
use crate::suite::Context;
use crate::sys::bench::Bench;
use crate::sys::cmd;
use crate::sys::dummy::{Dummy, ECT_0, NOT_ECT};
use crate::sys::frame::{self, Segment};
use crate::sys::twins::{session, Twins};
use crate::walk::Target;

/// The lines of `tc` for a parent that lets one packet through, and the next one a second later for
/// each byte of the first. Unlike `tbf`, it accepts packets of any size. Unlike `htb`, it applies a
/// new rate at once.
const HELD: [&str; 2] = [
    "tc qdisc add dev tkd0 root handle 1: hfsc default 1",
    "tc class add dev tkd0 parent 1: classid 1:1 hfsc rt rate 8bit",
];
const OPEN: &str = "tc class change dev tkd0 parent 1: classid 1:1 hfsc rt rate 1gbit";

/// With these options no packet waits long enough to be dropped, and all packets with ECN are
/// marked.
const OPTIONS: &str = "target 100s interval 100s ecn ce_threshold 1us";

/// The arguments of `tc` while all packets wait, and after they have left.
const SHOWS: [&str; 2] = ["-s -d qdisc show dev tkd0", "-s class show dev tkd0"];

/// Returns a socket that is bound to this port.
fn socket(port: u16, dsfield: u8) -> Result<UdpSocket> {
    let socket = UdpSocket::bind(("10.78.1.1", port)).context("cannot open a socket")?;
    setsockopt(&socket, sockopt::Ipv4Tos, &dsfield.into())?;
    Ok(socket)
}

/// Sends a datagram that has to be cut into segments of 1000 bytes.
fn send_gso(device: &Dummy, port: u16, bytes: usize) -> Result<()> {
    let socket = socket(port, ECT_0)?;
    setsockopt(&socket, sockopt::UdpGsoSegment, &1000)?;
    socket.send_to(&vec![0; bytes], device.peer)?;
    Ok(())
}

/// Sends a datagram of this size to this address.
fn send_to(address: [u8; 4], port: u16, dsfield: u8, bytes: usize) -> Result<()> {
    let address = Ipv4Addr::from(address);
    let socket = socket(port, dsfield)?;
    socket.set_broadcast(true)?;
    socket.set_multicast_loop_v4(false)?;
    let sent = socket.send_to(&vec![0; bytes], (address, 9));
    sent.with_context(|| format!("cannot send {bytes} bytes to {address}"))?;
    Ok(())
}

/// Sends packets of all kinds through the device. Returns the number of segments.
fn send(device: &Dummy) -> Result<u32> {
    let mtu = |bytes: u32| cmd::run(&format!("ip link set tkd0 mtu {bytes}"));
    // The first packet does not wait, and the second one is soon dequeued by the parent. Such
    // packets may or may not be marked, so they have no ECN.
    send_to([10, 78, 1, 2], 6000, NOT_ECT, 1400)?;
    device.send_flow(6000, NOT_ECT, 0, 1)?;
    device.send_flow(6000, ECT_0, 0, 1)?;
    send_gso(device, 6001, 10_000)?;
    send_gso(device, 6002, 1_500)?;
    for port in [6003, 6004] {
        let segment = Segment {
            source: (Ipv4Addr::new(10, 78, 1, 1), port),
            destination: (Ipv4Addr::new(10, 78, 1, 2), 9),
            dsfield: ECT_0,
        };
        for tags in [&[0x0005][..], &[0x6007, 0x2008], &[]] {
            frame::send(device.name, &segment.tagged(tags), 2)?;
        }
    }
    // Send ARP without data behind its header, and an EtherType for experiments (RFC 9542).
    for kind in [0x0806, 0x88b5] {
        frame::send(device.name, &frame::of_type(kind, 46), 2)?;
    }
    cmd::run("ip route add 239.0.0.0/8 dev tkd0")?;
    send_to([239, 1, 2, 3], 6005, ECT_0, 100)?;
    send_to([10, 78, 1, 255], 6006, ECT_0, 100)?;
    mtu(9000)?;
    send_to([10, 78, 1, 2], 6007, ECT_0, 8000)?;
    // With a smaller MTU, IPv6 would restart on the device afterwards, and send packets.
    mtu(1280)?;
    send_to([10, 78, 1, 2], 6008, ECT_0, 1200)?;
    mtu(1500)?;
    cmd::run("ip route del 239.0.0.0/8 dev tkd0")?;
    Ok(3 + 10 + 2 + 12 + 4 + 2 + 2)
}

pub fn carries_packets_of_all_kinds(
    context: &mut Context<'_>,
    target: Target,
    twins: Twins,
) -> Result<()> {
    let bench = Bench::new(target.module)?;
    let shows = SHOWS.map(str::to_owned);
    let mut marks = 0;
    let run = |kind: &str| -> Result<Vec<_>> {
        for line in HELD {
            cmd::run(line)?;
        }
        let child = "tc qdisc add dev tkd0 parent 1:1 handle 10:";
        cmd::run(&format!("{child} {kind} {OPTIONS}"))?;
        let sent = send(&bench.device)?;
        // When `tc` has shown the queues, all packets have waited for longer than the threshold.
        let mut said = session(kind, &shows)?;
        cmd::run(OPEN)?;
        // The parent applies its new rate when a packet is enqueued.
        bench.device.send_flow(6000, NOT_ECT, 0, 1)?;
        let queues = drained("tkd0")?;
        let queue = queues.iter().find(|queue| queue.kind == kind);
        let queue = queue.with_context(|| format!("no {kind} among {queues:?}"))?;
        ensure!(
            (queue.packets, queue.drops) == (sent + 1, 0) && queue.ce_mark > 0,
            "{kind}: expected {} packets, no drop, and marks, got {queue:?}",
            sent + 1
        );
        marks = queue.ce_mark;
        said.extend(session(kind, &shows[..1])?);
        cmd::run("tc qdisc del dev tkd0 root")?;
        Ok(said)
    };
    let lines = [&shows[..], &shows[..1]].concat();
    let (_, size) = twins.both(&lines, run)?;
    context.note(format!("{marks} marked; {size} bytes the same"))?;
    bench.done()
}
