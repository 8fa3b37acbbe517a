// SPDX-License-Identifier: GPL-2.0

//! The network namespaces of a link, the devices between them, and their qdiscs.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::load::{load, Measured};
use crate::space::Space;

/// Address of the server.
pub(crate) const SERVER: &str = "10.79.2.2";

/// Packets that are on their way in the longest of cases: `netem` drops what is more.
const IN_FLIGHT: u32 = 100_000;

/// What a link is like, and how it is loaded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Rate of the link, in kbit/s.
    pub kbit: u32,
    /// The round trip without a queue.
    pub rtt: Duration,
    /// TCP flows.
    pub flows: u32,
    /// How long they send before it counts.
    pub warm_up: Duration,
    /// How long is measured.
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
    /// Makes one. Only root may.
    ///
    /// # Errors
    /// When `ip` or `tc` is not there, or the kernel lacks what they ask for.
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
        // A slow link's packets are single ones, not tens in one.
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

    /// Puts a queue such as `pfifo limit 1000` before the link, loads it and measures.
    ///
    /// # Errors
    /// When the kernel does not know the queue, or nothing gets through.
    pub fn measure(&self, queue: &str) -> Result<Measured> {
        let (measured, ()) = self.measure_and(queue, || Ok(()))?;
        Ok(measured)
    }

    /// Does what [`measure`](Self::measure) does, and calls `look` in the router's namespace
    /// before the queue is removed: it has the handle `10:` on the device `r1`, below `1:1`.
    ///
    /// # Errors
    /// Those of [`measure`](Self::measure), and of `look`.
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
        // The next one starts empty, be it of the same kind.
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

/// Bytes that may go at once: what a timer that is 2 ms late would have sent, and a packet.
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
