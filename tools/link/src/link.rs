// SPDX-License-Identifier: GPL-2.0

//! Implements a link: network namespaces, the devices between them, and their qdiscs.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::load::{load, Measured};
use crate::space::Space;

/// Address of the server.
pub(crate) const SERVER: &str = "10.79.2.2";

/// The packet limit of `netem`, which drops further packets. It exceeds the number of packets in
/// flight at the highest rate and round-trip time.
const IN_FLIGHT: u32 = 100_000;

/// The properties of a link and of its load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Rate of the link, in kbit/s.
    pub kbit: u32,
    /// The round-trip time without a queue.
    pub rtt: Duration,
    /// The number of TCP flows.
    pub flows: u32,
    /// How long the flows send before the measurement begins.
    pub warm_up: Duration,
    /// The duration of the measurement.
    pub time: Duration,
}

/// A link.
#[derive(Debug)]
pub struct Link {
    client: Space,
    router: Space,
    server: Space,
    plan: Plan,
}

impl Link {
    /// Creates a link. Only root may do so.
    ///
    /// # Errors
    /// Returns an error if `ip` or `tc` is not installed, or if the kernel lacks a required
    /// feature.
    pub fn new(plan: Plan) -> Result<Self> {
        let link = Self {
            client: Space::new()?,
            router: Space::new()?,
            server: Space::new()?,
            plan,
        };
        link.connect().context("cannot make the link")?;
        Ok(link)
    }

    fn connect(&self) -> Result<()> {
        let Self {
            client,
            router,
            server,
            plan,
        } = self;
        let veth = |name, peer, space: &Space| {
            let path = space.path();
            format!("link add {name} type veth peer name {peer} netns {path}")
        };
        let mut lines = vec![veth("r0", "c0", client), veth("r1", "s0", server)];
        lines.extend(up("r0", "10.79.1.1"));
        lines.extend(up("r1", "10.79.2.1"));
        router.batch("ip", &lines)?;
        router.set("/proc/sys/net/ipv4/ip_forward", "1")?;
        let mut lines = up("c0", "10.79.1.2").to_vec();
        // A slow link transmits single packets, not dozens of packets in one buffer.
        lines.push("link set c0 gso_max_segs 1".into());
        lines.push("route add default via 10.79.1.1".into());
        client.batch("ip", &lines)?;
        let mut lines = up("s0", SERVER).to_vec();
        lines.push("route add default via 10.79.2.1".into());
        server.batch("ip", &lines)?;
        router.batch(
            "tc",
            &[format!(
                "qdisc add dev r1 root handle 1: tbf rate {}kbit burst {} latency 1s",
                plan.kbit,
                burst(plan.kbit)
            )],
        )?;
        let delay = plan.rtt.as_micros();
        server.batch(
            "tc",
            &[format!(
                "qdisc add dev s0 root netem delay {delay}us limit {IN_FLIGHT}"
            )],
        )
    }

    /// Attaches a queue such as `pfifo limit 1000` to the link, loads the link and measures.
    ///
    /// # Errors
    /// Returns an error if the kernel does not know the queue, or if no packet arrives.
    pub fn measure(&self, queue: &str) -> Result<Measured> {
        let (measured, ()) = self.measure_and(queue, || Ok(()))?;
        Ok(measured)
    }

    /// Works like [`measure`](Self::measure), and calls `look` in the router's namespace before
    /// the queue is removed. The queue has the handle `10:` on the device `r1`, below `1:1`.
    ///
    /// # Errors
    /// Returns the errors of [`measure`](Self::measure) and of `look`.
    pub fn measure_and<T: Send>(
        &self,
        queue: &str,
        look: impl FnOnce() -> Result<T> + Send,
    ) -> Result<(Measured, T)> {
        let place = "dev r1 parent 1:1 handle 10:";
        let tc = |order: String| self.router.batch("tc", &[order]);
        tc(format!("qdisc replace {place} {queue}"))?;
        let measured = load(&self.client, &self.server, &self.plan)
            .and_then(|measured| Ok((measured, self.router.enter(look)?)));
        // The queue is removed so that the next one starts empty, even if it has the same kind.
        tc(format!("qdisc del {place}"))?;
        measured.with_context(|| format!("with {queue}"))
    }
}

fn up(device: &str, address: &str) -> [String; 2] {
    [
        format!("addr add {address}/24 dev {device}"),
        format!("link set {device} up"),
    ]
}

/// Returns the size of a burst in bytes: one packet, and the bytes of 2 ms, by which a timer may
/// be late.
fn burst(kbit: u32) -> u32 {
    1600 + kbit / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_a_packet_and_two_milliseconds() {
        assert_eq!(burst(0), 1600);
        // 10 Mbit/s: 2,500 bytes.
        assert_eq!(burst(10_000), 4100);
    }
}
