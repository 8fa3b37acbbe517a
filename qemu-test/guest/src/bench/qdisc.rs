// SPDX-License-Identifier: GPL-2.0

//! What a queueing discipline costs for a packet that it neither drops nor delays.
//!
//! pktgen hands packets to a dummy device, which sends into nowhere. In the case `root`
//! the qdisc is the device's own, and always empty: the kernel then sends past it, and
//! all that it is asked is whether there is more to send. In the case `under-prio` it is
//! in the first band of a `prio`, which cannot be passed by: each packet goes through
//! its enqueue and its dequeue.

use std::sync::LazyLock;

use anyhow::{ensure, Context, Result};
use regex::Regex;

use super::pktgen::Pktgen;
use super::{least, Figure, Report, Suite};
use crate::sys::{cmd, module, netns::Dummy};

/// The suite.
pub const SUITE: Suite = Suite { name: "qdisc", run };

/// The device that packets are handed to.
const DEVICE: &str = "bench0";
/// A round takes less than the 4 ms from one timer tick to the next.
const PACKETS: u32 = 1000;
/// At worst a tick comes in nine rounds of ten.
const ROUNDS: u32 = 40;

/// Where a discipline stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Case {
    /// There is none.
    Bare,
    /// It is the device's own.
    Root,
    /// It is in a band of `prio`.
    UnderPrio,
}

impl Case {
    /// Its name in the report.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Root => "root",
            Self::UnderPrio => "under-prio",
        }
    }

    /// The disciplines that it is measured with.
    pub(super) fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::Bare => &["noqueue"],
            Self::Root => &["codel", "rcodel", "fq_codel", "rfq_codel"],
            Self::UnderPrio => &["pfifo", "codel", "rcodel", "fq_codel", "rfq_codel"],
        }
    }

    /// Measures with the discipline `kind` in its place, and checks that at least this
    /// many packets went through it.
    pub(super) fn with(
        self,
        kind: &str,
        packets: u32,
        measure: impl FnOnce() -> Result<f64>,
    ) -> Result<f64> {
        match self {
            // What a device without a queue has anyway.
            Self::Bare => return measure(),
            Self::Root => tc(&format!("add dev {DEVICE} root {kind}"))?,
            Self::UnderPrio => {
                // All packets to the first of the bands.
                let map = "0 ".repeat(16);
                tc(&format!(
                    "add dev {DEVICE} root handle 1: prio bands 2 priomap {map}"
                ))?;
                tc(&format!("add dev {DEVICE} parent 1:1 {kind}"))?;
            }
        }
        let value = measure()?;
        expect_sent(kind, packets)?;
        tc(&format!("del dev {DEVICE} root"))?;
        Ok(value)
    }
}

fn run(report: &mut Report) -> Result<()> {
    each_case(PACKETS, |case, pktgen| {
        for kind in case.kinds() {
            let measure = || least(ROUNDS, || pktgen.round());
            let value = case.with(kind, PACKETS * ROUNDS, measure)?;
            report.figure(Figure {
                suite: SUITE.name,
                case: case.name(),
                subject: kind,
                metric: "insn_per_packet",
                value,
                unit: "instructions",
            })?;
        }
        Ok(())
    })
}

/// Calls `measure` for each case, with a pktgen that sends `packets` a round to the device.
pub(super) fn each_case(
    packets: u32,
    mut measure: impl FnMut(Case, &Pktgen) -> Result<()>,
) -> Result<()> {
    let modules = module::qdiscs()?;
    let device = Dummy::new(DEVICE, 9)?;
    let pktgen = Pktgen::new(DEVICE, packets)?;
    for case in [Case::Bare, Case::Root, Case::UnderPrio] {
        measure(case, &pktgen)?;
    }
    drop(pktgen);
    drop(device);
    modules.unload()
}

fn tc(words: &str) -> Result<()> {
    cmd::run(&format!("tc qdisc {words}")).map(drop)
}

/// Checks with the qdisc's own counters that the packets came its way, and left.
fn expect_sent(kind: &str, packets: u32) -> Result<()> {
    let text = cmd::run(&format!("tc -s qdisc show dev {DEVICE}"))?;
    let (sent, dropped) = counters(&text, kind).with_context(|| format!("no {kind} in: {text}"))?;
    ensure!(
        sent >= packets && dropped == 0,
        "expected {packets} packets through {kind} and none dropped, got {sent} and {dropped}"
    );
    Ok(())
}

/// Packets sent and packets dropped, of the qdisc of this kind in what `tc -s` prints.
fn counters(text: &str, kind: &str) -> Option<(u32, u32)> {
    static SENT: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"Sent \d+ bytes (\d+) pkt \(dropped (\d+),").expect("a fixed pattern")
    });
    let start = text.find(&format!("qdisc {kind} "))?;
    let found = SENT.captures(&text[start..])?;
    Some((found[1].parse().ok()?, found[2].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_those_of_the_kind() {
        let text = "qdisc prio 1: root refcnt 2 bands 2 priomap 0 0\n \
                    Sent 5040000 bytes 84000 pkt (dropped 0, overlimits 0 requeues 0) \n \
                    backlog 0b 0p requeues 0\n\
                    qdisc rcodel 8006: parent 1:1 [Unknown qdisc, optlen=32] \n \
                    Sent 60 bytes 1 pkt (dropped 2, overlimits 0 requeues 0) \n";
        assert_eq!(counters(text, "prio"), Some((84000, 0)));
        assert_eq!(counters(text, "rcodel"), Some((1, 2)));
        assert_eq!(counters(text, "codel"), None);
    }
}
