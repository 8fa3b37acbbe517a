// SPDX-License-Identifier: GPL-2.0

//! Measures the cost of a hinting fault of NUMA balancing, of a scan and of a wake-up, without and
//! with observers.
//!
//! A separate process, the [`toucher`], has memory that the module `numa_bench` makes fault, and
//! measures the time of each fault. In the case `local` the memory is on the node of the only CPU.
//! In the case `migrate` the memory is on the node without CPUs, and each fault migrates a page. In
//! the case `scan` the module scans the process. In the case `wakeup` two threads of the process
//! wake each other on the only CPU.

pub mod toucher;

use anyhow::{ensure, Result};

use super::{least, Figure, Report, Suite};
use crate::sys::numa::{self, SmallPages, Still};
use crate::sys::{cmd, ftrace, module};
use toucher::{Touched, Toucher, PAGES};

/// The suite.
pub const SUITE: Suite = Suite { name: "numa", run };

/// Rounds of each subject. The minimum is reported.
const ROUNDS: u32 = 3;

/// The cases.
const CASES: [Case; 4] = [
    Case {
        name: "local",
        metric: FAULT,
        subjects: &[],
        round: |toucher| touch(toucher, false),
    },
    Case {
        name: "migrate",
        metric: FAULT,
        subjects: &[],
        round: |toucher| touch(toucher, true),
    },
    Case {
        name: "scan",
        metric: "insn_per_scan",
        subjects: &["bare", "loaded", "scan", "skip", "numa_stat"],
        round: |toucher| Ok(toucher.scan()? as f64),
    },
    Case {
        name: "wakeup",
        metric: "insn_per_wakeup",
        subjects: &[
            "bare",
            "loaded",
            "wakeup",
            "numa_stat",
            "numa_stat-wakeups-1",
        ],
        round: |toucher| Ok(toucher.wake()? as f64),
    },
];

const FAULT: &str = "insn_per_fault";

/// The observers.
const SUBJECTS: [Subject; 16] = [
    Subject::new("bare", Loads::Nothing),
    Subject::new("loaded", Loads::Library),
    Subject::new("fault", Loads::Module("numa_events", "event=fault")),
    Subject::new("c-fault", Loads::Module("numa_events_c", "")),
    Subject::new("hint", Loads::Module("numa_events", "event=hint")),
    Subject::new("counted", Loads::Module("numa_events", "event=counted")),
    Subject::new("migration", Loads::Module("numa_events", "event=migration")),
    Subject::new("window", Loads::Module("numa_events", "event=window")),
    Subject::new("scan", Loads::Module("numa_events", "event=scan")),
    Subject::new("skip", Loads::Module("numa_events", "event=skip")),
    Subject::new("placement", Loads::Module("numa_events", "event=placement")),
    Subject::new("exit", Loads::Module("numa_events", "event=exit")),
    Subject::new("wakeup", Loads::Module("numa_events", "event=wakeup")),
    Subject::new(
        "numa_stat-private-0",
        Loads::Module("numa_stat", "private=0"),
    ),
    Subject::new("numa_stat", Loads::Module("numa_stat", "")),
    Subject::new(
        "numa_stat-wakeups-1",
        Loads::Module("numa_stat", "wakeups=1"),
    ),
];

struct Case {
    name: &'static str,
    metric: &'static str,
    /// The names of the subjects. If there are none, all subjects are measured.
    subjects: &'static [&'static str],
    /// Returns the instructions of one fault, scan or wake-up.
    round: fn(&mut Toucher) -> Result<f64>,
}

impl Case {
    fn has(&self, subject: &Subject) -> bool {
        self.subjects.is_empty() || self.subjects.contains(&subject.name)
    }
}

struct Subject {
    name: &'static str,
    loads: Loads,
}

enum Loads {
    Nothing,
    Library,
    /// The library, and a module with parameters.
    Module(&'static str, &'static str),
}

impl Subject {
    const fn new(name: &'static str, loads: Loads) -> Self {
        Self { name, loads }
    }

    fn load(&self) -> Result<Option<module::Stack>> {
        Ok(match self.loads {
            Loads::Nothing => None,
            Loads::Library => Some(module::library()?),
            Loads::Module(name, parameters) => Some(module::stack(name, parameters)?),
        })
    }
}

fn run(report: &mut Report) -> Result<()> {
    ensure!(numa::can_balance(), "the kernel has no NUMA balancing");
    let nodes = numa::nodes()?;
    ensure!(nodes == 2, "expected two nodes, got {nodes}");
    let still = Still::new()?;
    // Small pages, so that each page has a fault.
    let small = SmallPages::new()?;
    let rig = module::load("numa_bench", "")?;
    let mut toucher = Toucher::start()?;
    for case in &CASES {
        for subject in SUBJECTS.iter().filter(|subject| case.has(subject)) {
            let modules = subject.load()?;
            let value = measure(&mut toucher, case)?;
            report.figure(Figure {
                suite: SUITE.name,
                case: case.name,
                subject: subject.name,
                metric: case.metric,
                value,
                unit: "instructions",
            })?;
            if let Some(modules) = modules {
                modules.unload()?;
            }
            ftrace::expect_bare("task_numa_fault")?;
        }
    }
    drop(toucher);
    drop((small, still));
    rig.unload()
}

/// Returns the instructions of a fault, a scan or a wake-up.
fn measure(toucher: &mut Toucher, case: &Case) -> Result<f64> {
    // The first round does not count, since numa_stat creates the row of the process in it, for
    // instance.
    (case.round)(toucher)?;
    least(ROUNDS, || (case.round)(toucher))
}

fn touch(toucher: &mut Toucher, migrates: bool) -> Result<f64> {
    if migrates {
        // This calls `migrate_pages(2)`, which does not change the memory policy.
        cmd::run(&format!("migratepages {} 0 1", toucher.pid()))?;
    }
    let touched = toucher.touch()?;
    let pages = PAGES as u64;
    let expected = Touched {
        faults: pages,
        local: if migrates { 0 } else { pages },
        migrated: if migrates { pages } else { 0 },
        ..touched
    };
    ensure!(
        touched == expected,
        "expected {expected:?}, got {touched:?}"
    );
    Ok(touched.ns as f64)
}
