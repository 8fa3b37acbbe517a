// SPDX-License-Identifier: GPL-2.0

//! What a queueing discipline costs in real time, where a guest's time is that: under
//! User Mode Linux.
//!
//! As [`qdisc`], but the disciplines take turns, and each round is a figure.

use anyhow::Result;

use super::pktgen::Pktgen;
use super::qdisc::{each_case, Case};
use super::{Figure, Report, Suite};

/// The suite.
pub const SUITE: Suite = Suite {
    name: "qdisc-time",
    run,
};

/// A round takes some tens of milliseconds.
const PACKETS: u32 = 50_000;
const ROUNDS: u32 = 31;

fn run(report: &mut Report) -> Result<()> {
    each_case(PACKETS, |case, pktgen| {
        // What is loaded and allocated the first time is no part of it.
        for kind in case.kinds() {
            round(case, kind, pktgen)?;
        }
        for number in 0..ROUNDS {
            let mut kinds = case.kinds().to_vec();
            // Nobody is always the first.
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
