// SPDX-License-Identifier: GPL-2.0

//! Measures the cost of a queueing discipline per packet.
//!
//! pktgen sends packets to a dummy device, which discards them. In the case `root` the qdisc is the
//! root of the device, and always empty. The kernel then bypasses it, and only asks whether there
//! are more packets to send. In the case `under-prio` the qdisc is in the first band of a `prio`,
//! which cannot be bypassed, so each packet is enqueued and dequeued. The cases `flows-N` are the
//! same with packets of N flows in turn. In `drop-heavy` the qdisc is below a `tbf` that lets about
//! half of the packets through. The kernel's example of a fair queue in BPF can only be the root.

use std::sync::LazyLock;

use anyhow::{ensure, Context, Result};
use regex::Regex;

use super::pktgen::Pktgen;
use super::{least, Figure, Report, Suite};
use crate::sys::{bpf::StructOps, cmd, dummy::Dummy, module};

/// The suite.
pub const SUITE: Suite = Suite { name: "qdisc", run };

/// The device that packets are sent to.
const DEVICE: &str = "bench0";
/// A round takes less than the 4 ms from one timer tick to the next.
const PACKETS: u32 = 1000;
/// Rounds. In the worst case, nine rounds in ten have a tick.
const ROUNDS: u32 = 40;
/// Packets of a long round. The share of ticks in such a round is small, and the same for all
/// disciplines.
const MANY: u32 = 100_000;
const LONG_ROUNDS: u32 = 2;

/// The bottleneck of [`Case::DropHeavy`], which lets about half of the packets through.
const BOTTLENECK: &str = "tbf rate 50mbit burst 2000 limit 1000000";
/// With these options, CoDel drops all packets that do not get through, before the queue reaches
/// its limit.
const DROPPING: &str = "limit 10000 target 20us interval 200us";

/// The discipline in BPF: its kind, its object file, and the name of its table in that file.
const BPF: [&str; 3] = ["bpf_fq", "bpf_qdisc_fq", "fq"];

/// The place of a discipline.
#[derive(Clone, Copy, Debug)]
pub(super) enum Case {
    /// There is no discipline.
    Bare,
    /// It is the root of the device.
    Root,
    /// It is in a band of `prio`.
    UnderPrio,
    /// It is in a band of `prio`, and the packets are of this number of flows.
    Flows(u32),
    /// It is before a bottleneck, and drops packets.
    DropHeavy,
}

impl Case {
    /// Returns the name in the report.
    pub(super) fn name(self) -> String {
        match self {
            Self::Bare => "bare".into(),
            Self::Root => "root".into(),
            Self::UnderPrio => "under-prio".into(),
            Self::Flows(flows) => format!("flows-{flows}"),
            Self::DropHeavy => "drop-heavy".into(),
        }
    }

    /// Returns the disciplines that are measured in this case.
    pub(super) fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::Bare => &["noqueue"],
            Self::Root | Self::DropHeavy => &["codel", "rcodel", "fq_codel", "rfq_codel"],
            Self::UnderPrio => &["pfifo", "codel", "rcodel", "fq_codel", "rfq_codel"],
            Self::Flows(_) => &["noqueue", "codel", "rcodel", "fq_codel", "rfq_codel"],
        }
    }

    /// Returns the number of packets of a round, and the number of rounds, whose minimum counts.
    fn rounds(self) -> (u32, u32) {
        match self {
            Self::Flows(flows) if flows > 2 * PACKETS => (MANY.max(flows), LONG_ROUNDS),
            // Each flow has at least one packet.
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
            // A device without a queue has this discipline by default.
            _ if kind == "noqueue" => return measure(),
            Self::Bare | Self::Root => tc(&format!("add dev {DEVICE} root {kind}"))?,
            Self::DropHeavy => {
                tc(&format!("add dev {DEVICE} root handle 1: {BOTTLENECK}"))?;
                tc(&format!("add dev {DEVICE} parent 1:1 {kind} {DROPPING}"))?;
            }
            Self::UnderPrio | Self::Flows(_) => {
                // Map all packets to the first band.
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

    /// Checks by the qdisc's counters that the packets passed through it, and were sent or dropped
    /// as expected.
    fn expect_sent(self, kind: &str, packets: u32) -> Result<()> {
        let text = cmd::run(&format!("tc -s qdisc show dev {DEVICE}"))?;
        let (sent, dropped) =
            counters(&text, kind).with_context(|| format!("no {kind} in: {text}"))?;
        let expected = match self {
            // pktgen has checked that no packet was dropped when it was enqueued.
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

/// Calls `measure` for each case without drops and with one flow. pktgen sends `packets` per round
/// to the device.
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

/// Calls `measure` with the device and the modules of the disciplines.
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

/// Returns the numbers of packets sent and dropped by the qdisc of this kind, from the output of
/// `tc -s`.
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
