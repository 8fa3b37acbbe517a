// SPDX-License-Identifier: GPL-2.0

//! Gets figures from the simulator of machines with many NUMA nodes (`qemu-test/numa-sim`).

use anyhow::Result;
use tackle_numa_sim::balancer::Balancer;
use tackle_numa_sim::planner::time_plans;
use tackle_numa_sim::run::{run, Outcome};
use tackle_numa_sim::scenario::{scenario, ALL};
use tackle_qemu::kernel::Kernel;
use tackle_qemu::session::Session;

use crate::curves::{Curves, Line, Look};
use crate::origin::Origin;
use crate::record::Key;
use crate::rounds::{records, Series, Summary, MIN_ROUNDS};
use crate::source::{Measured, Source};
use crate::subject::Language;

/// The number of seeds for each scenario.
const SEEDS: u64 = 15;
/// How often each plan is timed.
const ROUNDS: usize = 15;
/// The numbers of tasks for which plans are timed.
const TASKS: [usize; 7] = [10, 30, 100, 300, 1_000, 3_000, 10_000];
/// The numbers of nodes for which plans are timed.
const NODES: [usize; 2] = [8, 64];

/// The source of figures from the simulator.
pub struct Simulation<'a> {
    /// The session of the run.
    pub session: &'a Session,
    /// The kernel in the records. It has no influence on the figures.
    pub kernel: &'a Kernel,
}

impl Source for Simulation<'_> {
    fn measure(&self, suites: &[&str]) -> Result<Measured> {
        let origin = Origin::of_host(self.kernel)?;
        let mut measured = Measured::default();
        for suite in suites {
            for (case, _) in ALL {
                self.session.ui.step(&format!("{suite} {case}"));
                self.simulate(suite, case, &origin, &mut measured)?;
            }
            self.session.ui.step(&format!("{suite} plan"));
            self.plan(suite, &origin, &mut measured)?;
            self.session.ui.clear();
        }
        Ok(measured)
    }
}

/// A metric of a scenario: its name, its unit, and its value.
type Metric = (&'static str, &'static str, fn(&Outcome) -> f64);

const METRICS: [Metric; 5] = [
    ("local_percent", "%", Outcome::mean_local),
    ("local_at_end_percent", "%", Outcome::final_local),
    ("distance", "distance", Outcome::mean_distance),
    ("moves", "moves", |outcome| outcome.moves as f64),
    ("pages_moved_percent", "%", |outcome| {
        100.0 * outcome.pages_moved as f64 / outcome.pages as f64
    }),
];

impl Simulation<'_> {
    fn simulate(
        &self,
        suite: &str,
        case: &str,
        origin: &Origin,
        measured: &mut Measured,
    ) -> Result<()> {
        let mut all: Vec<Vec<Outcome>> = Vec::new();
        for who in Balancer::ALL {
            let mut outcomes = Vec::new();
            for seed in 1..=SEEDS {
                self.session.interrupt.check()?;
                outcomes.push(run(case, who, seed));
            }
            all.push(outcomes);
        }
        for (metric, unit, value) in METRICS {
            let series = Balancer::ALL
                .iter()
                .zip(&all)
                .map(|(who, outcomes)| Series {
                    subject: who.name().to_owned(),
                    values: outcomes.iter().map(value).collect(),
                });
            let mut series: Vec<_> = series.collect();
            if metric.starts_with("local") {
                series.push(Series {
                    subject: "bound".to_owned(),
                    values: (1..=SEEDS)
                        .map(|seed| 100.0 * scenario(case, seed).bound())
                        .collect(),
                });
            }
            let key = key(suite, case, metric);
            measured
                .records
                .extend(records(&key, unit, &series, MIN_ROUNDS, origin)?);
        }
        measured.curves.push(local_over_time(suite, case, &all));
        Ok(())
    }

    fn plan(&self, suite: &str, origin: &Origin, measured: &mut Measured) -> Result<()> {
        let mut lines = Vec::new();
        for nodes in NODES {
            let mut points = Vec::new();
            for tasks in TASKS {
                self.session.interrupt.check()?;
                let values = time_plans(tasks, nodes, ROUNDS);
                let milliseconds = values.iter().map(|time| time.as_secs_f64() * 1e3).collect();
                let series = Series {
                    subject: "ours".to_owned(),
                    values: milliseconds,
                };
                // Use the minimum, because other work of the host can only add time.
                let least = series.values.iter().copied().fold(f64::MAX, f64::min);
                points.push((tasks as f64, least.max(1e-3)));
                let key = key(suite, &format!("plan-{nodes}-{tasks}"), "ms_per_plan");
                measured
                    .records
                    .extend(records(&key, "ms", &[series], MIN_ROUNDS, origin)?);
            }
            // The reference line passes through the last point. A curve that grows faster is below
            // the line on the left.
            let last = points.last().copied().unwrap_or((2.0, 1.0));
            let scale = last.1 / (last.0 * last.0.ln());
            let reference = points
                .iter()
                .map(|&(tasks, _)| (tasks, scale * tasks * tasks.ln()));
            lines.push(Line {
                label: Some(format!("n log n, {nodes} nodes")),
                look: Look::Limit,
                points: reference.collect(),
            });
            lines.push(Line {
                label: Some(format!("{nodes} nodes")),
                look: Look::Subject(if nodes == NODES[0] {
                    Language::C
                } else {
                    Language::Rust
                }),
                points,
            });
        }
        measured.curves.push(Curves {
            suite: suite.to_owned(),
            case: "plan".to_owned(),
            x: "tasks".to_owned(),
            y: "ms".to_owned(),
            top: None,
            is_log: true,
            lines,
        });
        Ok(())
    }
}

fn key(suite: &str, case: &str, metric: &str) -> Key {
    Key {
        suite: suite.to_owned(),
        case: case.to_owned(),
        subject: String::new(),
        metric: metric.to_owned(),
    }
}

/// Returns the percentage of local accesses in each second, as the median of all seeds.
fn local_over_time(suite: &str, case: &str, all: &[Vec<Outcome>]) -> Curves {
    let seconds = all
        .iter()
        .flatten()
        .map(|outcome| outcome.local.len())
        .min()
        .unwrap_or(0);
    let bounds: Vec<_> = (1..=SEEDS)
        .map(|seed| 100.0 * scenario(case, seed).bound())
        .collect();
    let bound = Summary::of(&bounds).map_or(100.0, |summary| summary.median);
    let mut lines = vec![Line {
        label: Some("bound".to_owned()),
        look: Look::Limit,
        points: vec![(0.0, bound), (seconds as f64, bound)],
    }];
    for (who, outcomes) in Balancer::ALL.iter().zip(all) {
        let median = |second: usize| {
            let values: Vec<_> = outcomes
                .iter()
                .map(|outcome| outcome.local[second])
                .collect();
            Summary::of(&values).map_or(0.0, |summary| summary.median)
        };
        lines.push(Line {
            label: Some(
                match who {
                    Balancer::None => "no balancing",
                    Balancer::Kernel => "the kernel's rules",
                    Balancer::Ours => "our policy",
                }
                .to_owned(),
            ),
            look: Look::Subject(match who {
                Balancer::None => Language::Nobody,
                Balancer::Kernel => Language::C,
                Balancer::Ours => Language::Rust,
            }),
            points: (0..seconds)
                .map(|second| (second as f64 + 0.5, median(second)))
                .collect(),
        });
    }
    Curves {
        suite: suite.to_owned(),
        case: case.to_owned(),
        x: "seconds".to_owned(),
        y: "local accesses, %".to_owned(),
        top: Some(105.0),
        is_log: false,
        lines,
    }
}
