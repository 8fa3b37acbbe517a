// SPDX-License-Identifier: GPL-2.0

//! A slow line with a queue before it, which is where CoDel matters.
//!
//! ```text
//!   sender ---- a0|r0 router r1|b0 ---- receiver
//!                            |
//!            tbf, 5 Mbit/s, with the queue under test
//! ```
//!
//! The receiver answers through a delay of 10 ms, so the shortest round trip
//! is that long.

use std::thread;

use anyhow::{Context, Result};
use tackle_link::Delays;

use super::codel::Xstats;
use super::netns::Spaces;
use super::qdisc::{handle, Tc};
use super::traffic;

/// Rate of the slow line, in Mbit/s: low enough for an emulated processor to
/// be faster.
pub const RATE: f64 = 5.0;

const SENDER: &str = "tk-sender";
const ROUTER: &str = "tk-router";
const RECEIVER: &str = "tk-receiver";
const ADDRESS: &str = "10.77.2.2";

/// What one queue did to the traffic.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Round trips beside the bulk traffic.
    pub pings: Delays,
    /// Throughput of the bulk traffic, in Mbit/s.
    pub mbit: f64,
    /// Packets that the queue dropped.
    pub drops: u32,
    /// CoDel's own statistics, if it was such a queue.
    pub xstats: Option<Xstats>,
}

/// The line, ready to be tried with one queue after the other.
pub struct Bottleneck {
    spaces: Spaces,
    /// Index of the router's device towards the receiver.
    index: u32,
}

impl Bottleneck {
    /// Makes the name spaces, the devices between them and the slow line.
    ///
    /// # Errors
    ///
    /// `ip` or `tc` fails.
    pub fn new() -> Result<Self> {
        let spaces = Spaces::new(&[SENDER, ROUTER, RECEIVER])?;
        spaces.ip(
            ROUTER,
            &[
                format!("link add r0 type veth peer name a0 netns {SENDER}").as_str(),
                &format!("link add r1 type veth peer name b0 netns {RECEIVER}"),
                "addr add 10.77.1.1/24 dev r0",
                "addr add 10.77.2.1/24 dev r1",
                "link set r0 up",
                "link set r1 up",
            ],
        )?;
        spaces.ip(SENDER, &end("a0", "10.77.1.2", "10.77.1.1"))?;
        spaces.ip(RECEIVER, &end("b0", ADDRESS, "10.77.2.1"))?;
        super::cmd::run(&format!(
            "ip netns exec {ROUTER} sysctl -q -w net.ipv4.ip_forward=1"
        ))?;
        spaces.tc(
            ROUTER,
            &[format!(
                "qdisc add dev r1 root handle 1: tbf rate {RATE}mbit burst 5k latency 1s"
            )],
        )?;
        spaces.tc(RECEIVER, &["qdisc add dev b0 root netem delay 10ms"])?;
        let index = index_of(ROUTER, "r1")?;
        Ok(Self { spaces, index })
    }

    /// Puts a queue such as `pfifo limit 1000` before the line, sends for
    /// `seconds` and measures.
    ///
    /// # Errors
    ///
    /// The kernel does not know the queue, or no traffic gets through.
    pub fn measure(&self, queue: &str, seconds: u32) -> Result<Measured> {
        let place = "dev r1 parent 1:1 handle 10:";
        self.spaces
            .tc(ROUTER, &[&format!("qdisc replace {place} {queue}")])?;
        let (pings, mbit) = thread::scope(|scope| {
            let pings = scope.spawn(|| traffic::ping(SENDER, ADDRESS, seconds + 1));
            let mbit = traffic::iperf(SENDER, RECEIVER, ADDRESS, seconds);
            let pings = pings.join().expect("parsing pings does not panic");
            (pings, mbit)
        });
        let shown = Tc::open_in(ROUTER)?.find(self.index, handle(1, 1))?;
        // The same kind again would only be changed, and its statistics go on.
        self.spaces
            .tc(ROUTER, &["qdisc del dev r1 parent 1:1 handle 10:"])?;
        Ok(Measured {
            pings: pings.with_context(|| format!("with {queue}"))?,
            mbit: mbit.with_context(|| format!("with {queue}"))?,
            drops: shown.drops,
            xstats: Xstats::decode(&shown.xstats).ok(),
        })
    }
}

fn end(device: &str, address: &str, gateway: &str) -> [String; 3] {
    [
        format!("addr add {address}/24 dev {device}"),
        format!("link set {device} up"),
        format!("route add default via {gateway}"),
    ]
}

fn index_of(space: &str, device: &str) -> Result<u32> {
    let text = super::cmd::run(&format!(
        "ip netns exec {space} cat /sys/class/net/{device}/ifindex"
    ))?;
    text.trim().parse().context("an index is a number")
}
