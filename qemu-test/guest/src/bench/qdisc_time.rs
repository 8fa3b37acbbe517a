// SPDX-License-Identifier: GPL-2.0

//! Measures the cost of a queueing discipline in real time. It runs under User Mode Linux, where
//! the guest has the host's time.
//!
//! It does the same as [`qdisc`], but the disciplines are measured in turn, and each round is a
//! figure.

use anyhow::Result;

use super::pktgen::Pktgen;
use super::qdisc::{each_case, Case};
use super::{Figure, Report, Suite};

/// The suite.
pub const SUITE: Suite = Suite {
    name: "qdisc-time",
    run,
};

/// Packets of a round, which takes some tens of milliseconds.
const PACKETS: u32 = 50_000;
const ROUNDS: u32 = 31;

fn run(report: &mut Report) -> Result<()> {
    each_case(PACKETS, |case, pktgen| {
        // The first round does not count, since modules are loaded and memory is allocated in it.
        for kind in case.kinds() {
            round(case, kind, pktgen)?;
        }
        for number in 0..ROUNDS {
            let mut kinds = case.kinds().to_vec();
            // Reverse the order in every second round, so that no discipline is always the first.
            if number % 2 == 1 {
                kinds.reverse();
            }
            for kind in kinds {
                let value = round(case, kind, pktgen)?;
                report.figure(Figure {
                    suite: SUITE.name,
                    case: &case.name(),
                    subject: kind,
                    metric: "ns_per_packet",
                    value,
                    unit: "ns",
                })?;
            }
        }
        Ok(())
    })
}

fn round(case: Case, kind: &str, pktgen: &Pktgen) -> Result<f64> {
    case.with(kind, PACKETS, || pktgen.round())
}
