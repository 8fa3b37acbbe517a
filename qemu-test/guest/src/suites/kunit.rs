// SPDX-License-Identifier: GPL-2.0

//! Runs the KUnit suites in `tackle_kunit.ko` (`rust/kunit`). Each suite is a test here, and its
//! cases are the test's parts.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use anyhow::{bail, ensure, Context as _, Result};

use crate::suite::{list, Context, Suite};
use crate::sys::kmsg::Cursor;
use crate::sys::kunit::{runs, Run};
use crate::sys::module::{self, KUNIT};

/// Defines a test for each expected KUnit suite.
macro_rules! suites {
    ($($name:ident),+ $(,)?) => {
        /// The suite.
        pub const SUITE: Suite = Suite {
            name: "kunit",
            by_name_only: false,
            tests: list![
                the_kernels_numa_balancing_has_run,
                the_kernels_rust_debugfs_has_run,
                every_suite_has_run,
                $($name),+
            ],
        };

        const NAMES: &[&str] = &[$(stringify!($name)),+];

        $(
            fn $name(context: &mut Context<'_>) -> Result<()> {
                tell(stringify!($name), context)
            }
        )+
    };
}

suites![
    tackle_codel,
    tackle_debugfs,
    tackle_exit,
    tackle_fault,
    tackle_flows,
    tackle_ftrace,
    tackle_ftrace_kinds,
    tackle_ftrace_typed,
    tackle_function,
    tackle_handlers,
    tackle_livepatch,
    tackle_netlink,
    tackle_numa,
    tackle_param,
    tackle_periodic,
    tackle_qdisc,
    tackle_redirect,
    tackle_shadow,
    tackle_skbuff,
    tackle_symbol,
];

/// Tests a KUnit suite of our patches. It is built into the kernel, which runs it when it boots.
fn the_kernels_numa_balancing_has_run(context: &mut Context<'_>) -> Result<()> {
    tell_kernels("numa_balancing", context)
}

fn the_kernels_rust_debugfs_has_run(context: &mut Context<'_>) -> Result<()> {
    tell_kernels("rust_kernel_debugfs", context)
}

/// Reports the cases of a suite that the kernel ran when it booted.
fn tell_kernels(name: &str, context: &mut Context<'_>) -> Result<()> {
    let records = Cursor::oldest()?.read()?;
    let found = runs(records.iter().map(|record| record.text.as_str()));
    let run = found.iter().find(|run| run.name == name);
    report(run.context("the suite did not run")?, context)
}

/// The results of loading the module, which is loaded once.
static RUNS: OnceLock<Vec<Run>> = OnceLock::new();

/// Loads the module. KUnit runs all suites while the module is being loaded.
fn every_suite_has_run(context: &mut Context<'_>) -> Result<()> {
    let mut log = Cursor::now()?;
    let stack = module::stack(KUNIT, "given=seven77")?;
    let records = log.read()?;
    stack.unload()?;

    let found = RUNS.get_or_init(|| runs(records.iter().map(|record| record.text.as_str())));
    let names: BTreeSet<_> = found.iter().map(|run| run.name.as_str()).collect();
    ensure!(
        names.len() == found.len(),
        "expected each suite once, got {names:?}"
    );
    let expected: BTreeSet<_> = NAMES.iter().copied().collect();
    let missing: Vec<_> = expected.difference(&names).collect();
    let unknown: Vec<_> = names.difference(&expected).collect();
    ensure!(
        missing.is_empty() && unknown.is_empty(),
        "suites that did not run: {missing:?}; suites that ran unexpected: {unknown:?}; \
         KUnit runs a module's only with kunit.enable=1 and kunit.autorun=1"
    );
    let cases: usize = found.iter().map(|run| run.cases.len()).sum();
    context.note(format!("{} suites, {cases} cases", found.len()))
}

/// Reports the cases of one suite.
fn tell(name: &str, context: &mut Context<'_>) -> Result<()> {
    let runs = RUNS.get().context("the module was not loaded")?;
    let run = runs.iter().find(|run| run.name == name);
    report(run.context("the suite did not run")?, context)
}

fn report(run: &Run, context: &mut Context<'_>) -> Result<()> {
    context.parts(&run.cases)?;
    match run.complaint() {
        None => Ok(()),
        Some(complaint) => bail!(complaint),
    }
}
