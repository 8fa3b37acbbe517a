// SPDX-License-Identifier: GPL-2.0

//! What a queueing discipline costs in real time, where a guest's time is that: under
//! User Mode Linux.
//!
//! As [`qdisc`], but the disciplines take turns, and each round is a figure.

use anyhow::Result;

use super::pktgen::Pktgen;
use super::qdisc::{Case, DEVICE};
use super::{Figure, Report, Suite};
use crate::sys::{module, netns::Dummy};

/// The suite.
pub const SUITE: Suite = Suite {
    name: "qdisc-time",
    run,
};

/// A round takes some tens of milliseconds.
const PACKETS: u32 = 50_000;
const ROUNDS: u32 = 31;

fn run(report: &mut Report) -> Result<()> {
    let rcodel = module::stack("sch_rcodel", "")?;
    let device = Dummy::new(DEVICE, 9)?;
    let pktgen = Pktgen::new(DEVICE, PACKETS)?;
    for case in [Case::Bare, Case::Root, Case::UnderPrio] {
        // What is loaded and allocated the first time is no part of it.
        for kind in case.kinds() {
            round(case, kind, &pktgen)?;
        }
        for number in 0..ROUNDS {
            let mut kinds = case.kinds().to_vec();
            // Nobody is always the first.
            if number % 2 == 1 {
                kinds.reverse();
            }
            for kind in kinds {
                let value = round(case, kind, &pktgen)?;
                report.figure(Figure {
                    suite: SUITE.name,
                    case: case.name(),
                    subject: kind,
                    metric: "ns_per_packet",
                    value,
                    unit: "ns",
                })?;
            }
        }
    }
    drop(pktgen);
    drop(device);
    rcodel.unload()
}

fn round(case: Case, kind: &str, pktgen: &Pktgen) -> Result<f64> {
    case.with(kind, PACKETS, || pktgen.round())
}
