// SPDX-License-Identifier: GPL-2.0

//! Controls the kernel's packet generator (pktgen) on one device and one processor.
//!
//! See `Documentation/networking/pktgen.rst` in the kernel source.

use std::net::Ipv4Addr;
use std::sync::LazyLock;

use anyhow::{bail, ensure, Context, Result};
use regex::Regex;

use crate::sys::{cmd, debugfs};

const ROOT: &str = "/proc/net/pktgen";

/// The generator for a device. The device is removed from it when this is dropped.
pub struct Pktgen {
    device: &'static str,
    packets: u32,
}

impl Pktgen {
    /// Sets up rounds of `packets` packets of 60 bytes, each passed to the qdisc of `device`, as
    /// packets of a socket are.
    ///
    /// # Errors
    ///
    /// The kernel has no pktgen, or refuses the settings.
    pub fn new(device: &'static str, packets: u32) -> Result<Self> {
        cmd::run("modprobe pktgen")?;
        let thread = format!("{ROOT}/kpktgend_0");
        debugfs::set(&thread, "rem_device_all")?;
        debugfs::set(&thread, &format!("add_device {device}"))?;
        let pktgen = Self { device, packets };
        for setting in [
            "pkt_size 60",
            "xmit_mode queue_xmit",
            "dst_mac 02:00:00:00:00:01",
            "dst 198.18.0.1",
            &format!("count {packets}"),
        ] {
            debugfs::set(pktgen.file(), setting)?;
        }
        Ok(pktgen)
    }

    /// Sends the packets from `flows` addresses in turn.
    ///
    /// # Errors
    ///
    /// The kernel refuses.
    pub fn flows(self, flows: u32) -> Result<Self> {
        let first = Ipv4Addr::new(10, 0, 0, 1);
        let last = Ipv4Addr::from(u32::from(first) + flows.saturating_sub(1));
        debugfs::set(self.file(), &format!("src_min {first}"))?;
        debugfs::set(self.file(), &format!("src_max {last}"))?;
        Ok(self)
    }

    /// Sends a round of packets. Returns the nanoseconds per packet.
    ///
    /// # Errors
    ///
    /// The kernel refuses, or a packet was not sent.
    pub fn round(&self) -> Result<f64> {
        debugfs::set(format!("{ROOT}/pgctrl"), "start")?;
        let text = debugfs::read(self.file())?;
        let sent = Sent::parse(&text).with_context(|| format!("pktgen has no result: {text}"))?;
        ensure!(
            sent.packets == self.packets && sent.errors == 0,
            "expected {} packets, pktgen sent {} with {} errors",
            self.packets,
            sent.packets,
            sent.errors
        );
        if sent.pps == 0 {
            bail!("pktgen took no time");
        }
        Ok(1e9 / f64::from(sent.pps))
    }

    fn file(&self) -> String {
        format!("{ROOT}/{}", self.device)
    }
}

impl Drop for Pktgen {
    fn drop(&mut self) {
        if let Err(error) = debugfs::set(format!("{ROOT}/kpktgend_0"), "rem_device_all") {
            eprintln!("{error:#}");
        }
    }
}

/// The result of a round.
#[derive(Debug, PartialEq, Eq)]
struct Sent {
    packets: u32,
    /// Packets per second. pktgen computes this from nanoseconds, while it truncates the times in
    /// its output to microseconds.
    pps: u32,
    errors: u32,
}

impl Sent {
    fn parse(text: &str) -> Option<Self> {
        static RESULT: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r"Result: OK: .* usec, (\d+) \(60byte,0frags\)\s+(\d+)pps .* errors: (\d+)")
                .expect("a fixed pattern")
        });
        let found = RESULT.captures(text)?;
        let number = |n: usize| found[n].parse().ok();
        Some(Self {
            packets: number(1)?,
            pps: number(2)?,
            errors: number(3)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_is_found() {
        let text = "Params: count 1000  min_pkt_size: 60  max_pkt_size: 60\n\
                    Result: OK: 2709(c2709+d0) usec, 1000 (60byte,0frags)\n  \
                    369114pps 177Mb/sec (177174720bps) errors: 2\n";
        let expected = Sent {
            packets: 1000,
            pps: 369_114,
            errors: 2,
        };
        assert_eq!(Sent::parse(text), Some(expected));
        assert_eq!(Sent::parse("Result: Idle"), None);
    }
}
