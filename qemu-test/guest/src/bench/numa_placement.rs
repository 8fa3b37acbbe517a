// SPDX-License-Identifier: GPL-2.0

//! Measures how well tasks and memory are placed without balancing, by the kernel, by our policy,
//! and by hand. Reports the local share of the memory accesses of workloads, and the costs.

use std::time::Duration;

use anyhow::{ensure, Context, Result};

use super::{Course, Figure, Report, Suite};
use crate::sys::counts::Counter;
use crate::sys::numa;
use crate::sys::placement::cases::{self, Case, Machine};
use crate::sys::placement::policy::Policy;
use crate::sys::placement::run::{run as run_case, Outcome};
use crate::sys::rounds;

/// The suite.
pub const SUITE: Suite = Suite {
    name: "numa-placement",
    run,
};

/// Rounds, unless `TACKLE_ROUNDS` is set.
const ROUNDS: u32 = 5;

/// How long a workload runs.
const TIME: Duration = Duration::from_secs(4);

/// The largest number of nodes with which all workloads run.
const ALL: usize = 4;

/// The workloads that run with more nodes.
const FEW: [&str; 2] = ["misplaced", "bound"];

fn run(report: &mut Report) -> Result<()> {
    ensure!(numa::can_balance(), "the kernel has no NUMA balancing");
    let machine = Machine::here()?;
    let mut counter =
        Counter::open()?.context("QEMU runs without the plug-in that counts accesses")?;
    let rounds = rounds::or(ROUNDS)?;
    let cases: Vec<_> = cases::ALL
        .iter()
        .filter(|case| machine.nodes <= ALL || FEW.contains(&case.name))
        .collect();
    for round in 0..rounds {
        for case in &cases {
            let mut policies = Policy::ALL;
            // The order alternates, so that no policy is always the first.
            if round % 2 == 1 {
                policies.reverse();
            }
            for policy in policies {
                let key = Key {
                    case: format!("{}n-{}", machine.nodes, case.name),
                    policy,
                };
                measure(report, &mut counter, machine, case, &key)?;
            }
        }
    }
    Ok(())
}

struct Key {
    case: String,
    policy: Policy,
}

fn measure(
    report: &mut Report,
    counter: &mut Counter,
    machine: Machine,
    case: &Case,
    key: &Key,
) -> Result<()> {
    let outcome = run_case(counter, machine, case, key.policy, TIME)?;
    for (metric, value, unit) in figures(&outcome) {
        report.figure(Figure {
            suite: SUITE.name,
            case: &key.case,
            subject: key.policy.name(),
            metric,
            value,
            unit,
        })?;
    }
    let points = outcome.points.iter();
    report.course(Course {
        suite: SUITE.name,
        case: &key.case,
        subject: key.policy.name(),
        points: points
            .map(|point| [point.seconds, percent(point.share)])
            .collect(),
    })
}

fn figures(outcome: &Outcome) -> [(&'static str, f64, &'static str); 8] {
    let reached = outcome.reached();
    let apart = percent((outcome.share() - outcome.sampled_share()).abs());
    [
        ("local_share", percent(outcome.final_share()), "%"),
        ("mean_share", percent(outcome.share()), "%"),
        ("seconds_to_90", reached.seconds, "s"),
        ("scans_to_90", reached.scans as f64, "windows"),
        ("pages_moved", outcome.pages_moved as f64, "pages"),
        ("task_moves", outcome.sampled.moves as f64, "moves"),
        (
            "accesses",
            outcome.counts.accesses() as f64 / 1e6,
            "million",
        ),
        ("oracles_apart", apart, "%"),
    ]
}

fn percent(part: f64) -> f64 {
    100.0 * part
}
