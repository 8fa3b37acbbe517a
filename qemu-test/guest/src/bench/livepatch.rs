// SPDX-License-Identifier: GPL-2.0

//! Measures the time to enable and to disable a live patch under load, in C (`livepatch_bench_c`)
//! and in Rust (`livepatch_bench`), in turn.

use std::sync::LazyLock;
use std::thread::{sleep, yield_now};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use regex::Regex;

use super::{Figure, Report, Suite};
use crate::sys::livepatch::Patch;
use crate::sys::{cmd, debugfs, ftrace, kmsg, module};

/// The suite.
pub const SUITE: Suite = Suite {
    name: "livepatch",
    run,
};

/// The cases, each with the number of functions.
const CASES: [(&str, u32); 2] = [("patch-1", 1), ("patch-100", 100)];
/// The subjects, each with its module.
const SUBJECTS: [(&str, &str); 2] = [
    ("c-livepatch", "livepatch_bench_c"),
    ("rust-livepatch", "livepatch_bench"),
];
/// The number of rounds, of which the median is reported.
const ROUNDS: usize = 15;
/// The number of processes that make the load.
const LOAD: usize = 2;

fn run(report: &mut Report) -> Result<()> {
    let library = module::library()?;
    let functions = module::load("bench_others", "")?;
    for (case, functions) in CASES {
        for round in 0..ROUNDS {
            let mut subjects = SUBJECTS;
            // Reverse the order in every second round, so that no subject is always the first.
            if round % 2 == 1 {
                subjects.reverse();
            }
            for (subject, name) in subjects {
                for (metric, value) in patch(name, functions)? {
                    report.figure(Figure {
                        suite: SUITE.name,
                        case,
                        subject,
                        metric,
                        value,
                        unit: "instructions",
                    })?;
                }
            }
        }
    }
    functions.unload()?;
    library.unload()
}

/// Starts processes with low priority that are in system calls nearly all the time.
fn load() -> Result<Vec<cmd::Kept>> {
    let load = (0..LOAD)
        .map(|_| cmd::start("nice -n 19 dd if=/dev/zero of=/dev/null bs=64 status=none"))
        .collect::<Result<_>>()?;
    // Wait until the processes have started.
    sleep(Duration::from_millis(100));
    Ok(load)
}

/// Enables the patch in the module `name`, and disables it again. Under load, disabling takes 200
/// million instructions for each function, so it is measured with one function.
fn patch(name: &'static str, functions: u32) -> Result<Vec<(&'static str, f64)>> {
    let last = format!("bench_other_{:03}", functions - 1);
    let load = load()?;
    let mut log = kmsg::Cursor::now()?;
    let start = Instant::now();
    let module = module::load(name, &format!("functions={functions}"))?;
    let patch = Patch::of(name, module);
    until_over(&patch)?;
    let enabled = start.elapsed();
    ftrace::expect_enabled(&last)?;
    let records = log.read()?;
    let call = records.iter().find_map(|record| nanoseconds(&record.text));
    let call = call.with_context(|| format!("{name} has logged no figure"))?;

    let mut figures = vec![
        ("insn_to_enable", enabled.as_nanos() as f64),
        ("insn_to_patch", f64::from(call)),
    ];

    if functions == 1 {
        let start = Instant::now();
        patch.begin_disabling()?;
        until_over(&patch)?;
        figures.push(("insn_to_disable", start.elapsed().as_nanos() as f64));
    }
    drop(load);
    patch.unload()?;
    ftrace::expect_bare(&last)?;
    Ok(figures)
}

/// Waits until the patch is in no transition. After a transition to disabled, its folder may not
/// exist any more.
fn until_over(patch: &Patch) -> Result<()> {
    let file = patch.folder().join("transition");
    while debugfs::read(&file).is_ok_and(|text| text == "1") {
        yield_now();
    }
    Ok(())
}

/// Returns the nanoseconds in a log line of the modules.
fn nanoseconds(line: &str) -> Option<u32> {
    static LINE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^livepatch_bench(?:_c)?: klp_enable_patch\(\) took (\d+) ns$")
            .expect("a fixed pattern")
    });
    LINE.captures(line)?[1].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modules_log_their_figure() {
        let line = "livepatch_bench_c: klp_enable_patch() took 12345 ns";
        assert_eq!(nanoseconds(line), Some(12345));
        assert_eq!(nanoseconds("livepatch: enabling patch"), None);
    }
}
