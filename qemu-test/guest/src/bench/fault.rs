// SPDX-License-Identifier: GPL-2.0

//! Measures the cost of a fault point that is not armed, and of an allocation that the fault
//! injector hooks.

use anyhow::Result;

use super::{least, Report, Suite};
use crate::sys::injector::Injector;
use crate::sys::{debugfs, module};

/// The suite.
pub const SUITE: Suite = Suite { name: "fault", run };

/// The number of iterations of the loops in the modules.
const CALLS: f64 = 1000.0;
/// How often each loop runs. The minimum is reported.
const ROUNDS: u32 = 10;

const RUST: &str = "/sys/kernel/debug/tackle/fault_bench";
const C: &str = "/sys/kernel/debug/fault_bench_c";

/// The states of the injector while the module allocates.
const INJECTORS: [(&str, &str, &str); 4] = [
    ("hooked", "module=fault_bench_c", "disarm"),
    ("other-module", "module=fault_rig", "arm discover"),
    ("other-tree", "tree=1 syscall=1", "arm discover"),
    ("this-module", "module=fault_bench_c", "arm discover"),
];

fn run(report: &mut Report) -> Result<()> {
    let rust = module::stack("fault_bench", "")?;
    let c = module::load("fault_bench_c", "")?;
    for (subject, dir) in [("rust-point", RUST), ("c-point", C)] {
        figure(report, "bare", subject, &format!("{dir}/bare"))?;
        figure(report, "point", subject, &format!("{dir}/point"))?;
    }
    let alloc = format!("{C}/alloc");
    figure(report, "bare", "kmalloc", &alloc)?;
    let injector_module = module::load("fault_inject", "")?;
    for (subject, place, then) in INJECTORS {
        let injector = Injector::open()?;
        injector.set(&format!("place {place}"))?;
        injector.set(then)?;
        figure(report, "alloc", subject, &alloc)?;
    }
    injector_module.unload()?;
    c.unload()?;
    rust.unload()
}

/// Reports the instructions of one iteration of the loop whose time is in this file.
fn figure(report: &mut Report, case: &str, subject: &str, file: &str) -> Result<()> {
    let value = least(ROUNDS, || {
        let total: u64 = debugfs::value(file)?;
        Ok(total as f64 / CALLS)
    })?;
    report.insn_per_call(SUITE.name, case, subject, value)
}
