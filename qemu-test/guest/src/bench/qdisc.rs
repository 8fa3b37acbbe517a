// SPDX-License-Identifier: GPL-2.0

//! What a queueing discipline costs for a packet.
//!
//! pktgen hands packets to a dummy device, which sends into nowhere. In the case `root`
//! the qdisc is the device's own, and always empty: the kernel then sends past it, and
//! all that it is asked is whether there is more to send. In the case `under-prio` it is
//! in the first band of a `prio`, which cannot be passed by: each packet goes through
//! its enqueue and its dequeue. The cases `flows-N` are the same with packets of so many
//! flows in turn. In `drop-heavy` it is under a `tbf` that lets about half of the packets
//! go. The kernel's example of a fair queue in BPF can only be the device's own.

use std::sync::LazyLock;

use anyhow::{ensure, Context, Result};
use regex::Regex;

use super::pktgen::Pktgen;
use super::{least, Figure, Report, Suite};
use crate::sys::{bpf::StructOps, cmd, dummy::Dummy, module};

/// The suite.
pub const SUITE: Suite = Suite { name: "qdisc", run };

/// The device that packets are handed to.
const DEVICE: &str = "bench0";
/// A round takes less than the 4 ms from one timer tick to the next.
const PACKETS: u32 = 1000;
/// At worst a tick comes in nine rounds of ten.
const ROUNDS: u32 = 40;
/// Packets of a long round: so many that ticks are a small part of it, the same for all.
const MANY: u32 = 100_000;
const LONG_ROUNDS: u32 = 2;

/// The bottleneck of [`Case::DropHeavy`], about half of what comes.
const BOTTLENECK: &str = "tbf rate 50mbit burst 2000 limit 1000000";
/// So that CoDel drops as many as do not get through, before the limit does.
const DROPPING: &str = "limit 10000 target 20us interval 200us";

/// The discipline in BPF: its kind, the object it is in, and what its table is called there.
const BPF: [&str; 3] = ["bpf_fq", "bpf_qdisc_fq", "fq"];

/// Where a discipline stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Case {
    /// There is none.
    Bare,
    /// It is the device's own.
    Root,
    /// It is in a band of `prio`.
    UnderPrio,
    /// The same with packets of so many flows.
    Flows(u32),
    /// It is before a bottleneck, in the dropping state.
    DropHeavy,
}

impl Case {
    /// Its name in the report.
    pub(super) fn name(self) -> String {
        match self {
            Self::Bare => "bare".into(),
            Self::Root => "root".into(),
            Self::UnderPrio => "under-prio".into(),
            Self::Flows(flows) => format!("flows-{flows}"),
            Self::DropHeavy => "drop-heavy".into(),
        }
    }

    /// The disciplines that it is measured with.
    pub(super) fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::Bare => &["noqueue"],
            Self::Root | Self::DropHeavy => &["codel", "rcodel", "fq_codel", "rfq_codel"],
            Self::UnderPrio => &["pfifo", "codel", "rcodel", "fq_codel", "rfq_codel"],
            Self::Flows(_) => &["noqueue", "codel", "rcodel", "fq_codel", "rfq_codel"],
        }
    }

    /// The packets of a round, and the rounds of which the least counts.
    fn rounds(self) -> (u32, u32) {
        match self {
            Self::Flows(flows) if flows > 2 * PACKETS => (MANY.max(flows), LONG_ROUNDS),
            // Each flow has a packet.
            Self::Flows(flows) => (PACKETS.max(flows), ROUNDS),
            Self::DropHeavy => (MANY, LONG_ROUNDS),
            _ => (PACKETS, ROUNDS),
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
            _ if kind == "noqueue" => return measure(),
            Self::Bare | Self::Root => tc(&format!("add dev {DEVICE} root {kind}"))?,
            Self::DropHeavy => {
                tc(&format!("add dev {DEVICE} root handle 1: {BOTTLENECK}"))?;
                tc(&format!("add dev {DEVICE} parent 1:1 {kind} {DROPPING}"))?;
            }
            Self::UnderPrio | Self::Flows(_) => {
                // All packets to the first of the bands.
                let map = "0 ".repeat(16);
                tc(&format!(
                    "add dev {DEVICE} root handle 1: prio bands 2 priomap {map}"
                ))?;
                tc(&format!("add dev {DEVICE} parent 1:1 {kind}"))?;
            }
        }
        let value = measure()?;
        self.expect_sent(kind, packets)?;
        tc(&format!("del dev {DEVICE} root"))?;
        Ok(value)
    }

    /// Checks with the qdisc's own counters that the packets came its way, and left or were
    /// dropped as they should.
    fn expect_sent(self, kind: &str, packets: u32) -> Result<()> {
        let text = cmd::run(&format!("tc -s qdisc show dev {DEVICE}"))?;
        let (sent, dropped) =
            counters(&text, kind).with_context(|| format!("no {kind} in: {text}"))?;
        let expected = match self {
            // pktgen has seen to it that none was dropped when it came.
            Self::DropHeavy => dropped.min(sent) >= packets / 5,
            _ => sent >= packets && dropped == 0,
        };
        ensure!(
            expected,
            "{packets} packets through {kind}: got {sent} sent and {dropped} dropped"
        );
        Ok(())
    }
}

fn run(report: &mut Report) -> Result<()> {
    let flows = [1, 64, 1024, MANY].map(Case::Flows);
    let cases = [Case::Bare, Case::Root, Case::UnderPrio, Case::DropHeavy];
    let [bpf, object, table] = BPF;
    let ops = StructOps::register(object, table)?;
    with_device(|| {
        for case in cases.into_iter().chain(flows) {
            let (packets, rounds) = case.rounds();
            let mut pktgen = Pktgen::new(DEVICE, packets)?;
            if let Case::Flows(flows) = case {
                pktgen = pktgen.flows(flows)?;
            }
            let in_bpf = matches!(case, Case::Root).then_some(&bpf);
            for kind in case.kinds().iter().chain(in_bpf) {
                let measure = || least(rounds, || pktgen.round());
                let value = case.with(kind, packets * rounds, measure)?;
                report.figure(Figure {
                    suite: SUITE.name,
                    case: &case.name(),
                    subject: kind,
                    metric: "insn_per_packet",
                    value,
                    unit: "instructions",
                })?;
            }
        }
        Ok(())
    })?;
    drop(ops);
    Ok(())
}

/// Calls `measure` for each case without drops and with one flow, with a pktgen that sends
/// `packets` a round to the device.
pub(super) fn each_case(
    packets: u32,
    mut measure: impl FnMut(Case, &Pktgen) -> Result<()>,
) -> Result<()> {
    with_device(|| {
        let pktgen = Pktgen::new(DEVICE, packets)?;
        for case in [Case::Bare, Case::Root, Case::UnderPrio] {
            measure(case, &pktgen)?;
        }
        Ok(())
    })
}

/// Calls `measure` while there are the device and the disciplines.
fn with_device(measure: impl FnOnce() -> Result<()>) -> Result<()> {
    let modules = module::qdiscs()?;
    let device = Dummy::new(DEVICE, 9)?;
    measure()?;
    drop(device);
    modules.unload()
}

fn tc(words: &str) -> Result<()> {
    cmd::run(&format!("tc qdisc {words}")).map(drop)
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
