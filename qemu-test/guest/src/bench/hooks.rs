// SPDX-License-Identifier: GPL-2.0

//! Measures the cost of hooks that do nothing: in Rust (`hook_bench`) and in C (the kernel's
//! `samples/ftrace/ftrace-ops.c`).
//!
//! A loop calls a hooked function that does nothing. The sample and `bench_tracee` have the same
//! function and loop. The time of the loops without a hook is reported, too. [`probes`] measures
//! the other ways to attach code to the function of `bench_tracee`.

use std::sync::LazyLock;

use anyhow::{ensure, Context, Result};
use nix::errno::Errno;
use regex::Regex;

use super::{least, probes, Report, Suite};
use crate::sys::{debugfs, expect_errno, ftrace, kmsg, module};

/// The suite.
pub const SUITE: Suite = Suite { name: "hooks", run };

/// Calls in a round. There are so few that most rounds have no timer tick, even if interrupts are
/// enabled.
const CALLS: u32 = 1000;
/// Rounds of the sample. With ten hooks, one round in five has a tick.
const ROUNDS: u32 = 10;

const TRACEE: &str = "/sys/kernel/debug/bench_tracee";

fn run(report: &mut Report) -> Result<()> {
    let library = module::library()?;
    let tracee = module::load("bench_tracee", "")?;
    debugfs::set(format!("{TRACEE}/calls"), &CALLS.to_string())?;

    figure(report, "bare", "bench_tracee", call()?)?;
    figure(report, "bare", "ftrace-ops", c(0, false)?)?;
    for (case, hooks) in [
        ("nop", 1),
        ("shared-2", 2),
        ("shared-4", 4),
        ("shared-10", 10),
    ] {
        figure(report, case, "c-ops", c(hooks, false)?)?;
        figure(report, case, "c-ops-assist", c(hooks, true)?)?;
        rust(report, case, "rust-ops", &format!("hooks={hooks}"))?;
    }
    for irrelevant in [1, 100, 1000] {
        others(report, irrelevant)?;
    }
    rust(report, "nop", "rust-direct", "kind=direct")?;
    for (case, hooks) in [("entry-exit", 1), ("entry-exit-10", 10)] {
        rust(
            report,
            case,
            "rust-exit",
            &format!("kind=exit hooks={hooks}"),
        )?;
        probes::bpf(report, case, "fexit", hooks)?;
    }
    rust(report, "redirect", "rust-skip", "kind=skip")?;
    rust(report, "redirect", "rust-redirect", "kind=redirect")?;
    for (case, count) in [("nop", 1), ("shared-10", 10)] {
        probes::measure(report, case, count)?;
    }
    for (case, subject, peer, parameters) in [
        ("nop", "fprobe", "exit_bench", "kind=fprobe-entry"),
        ("entry-exit", "fprobe", "exit_bench", "kind=fprobe"),
        ("entry-exit", "kretprobe", "exit_bench", "kind=kretprobe"),
        (
            "entry-exit-10",
            "kretprobe",
            "exit_bench",
            "kind=kretprobe count=10",
        ),
        ("redirect", "c-redirect", "redirect_bench", ""),
    ] {
        let hook = module::load(peer, parameters)?;
        ftrace::expect_enabled("tracee")?;
        figure(report, case, subject, call()?)?;
        hook.unload()?;
        ftrace::expect_bare("tracee")?;
    }
    tracee.unload()?;
    library.unload()
}

pub(super) fn figure(report: &mut Report, case: &str, subject: &str, value: f64) -> Result<()> {
    report.insn_per_call(SUITE.name, case, subject, value)
}

/// Returns the nanoseconds per call of the function of `bench_tracee` with the code that is
/// attached to it.
pub(super) fn call() -> Result<f64> {
    // Interrupts are disabled during a round. The second round confirms this.
    least(2, || {
        let total: u32 = debugfs::value(format!("{TRACEE}/ns"))?;
        Ok(f64::from(total) / f64::from(CALLS))
    })
}

/// Measures the hooks of `hook_bench` with these parameters. All of them together are one user of
/// ftrace.
fn rust(report: &mut Report, case: &str, subject: &str, parameters: &str) -> Result<()> {
    let hook = module::load("hook_bench", parameters)?;
    let enabled = ftrace::expect_enabled("tracee")?;
    ensure!(
        enabled.users == 1,
        "expected one user, got: {}",
        enabled.line
    );
    figure(report, case, subject, call()?)?;
    hook.unload()?;
    ftrace::expect_bare("tracee")
}

/// Measures one hook while `count` hooks are on other functions, each with its own registration.
/// These are Rust hooks for the Rust hook with its own ops, and C hooks for the others.
fn others(report: &mut Report, count: u32) -> Result<()> {
    let case = format!("irrelevant-{count}");
    let functions = module::load("bench_others", "")?;
    let hooks = module::load("others_bench", &format!("hooks={count}"))?;
    let last = format!("bench_other_{:03}", count - 1);
    ftrace::expect_enabled(&last)?;
    figure(report, &case, "c-ops", c(1, false)?)?;
    rust(report, &case, "rust-direct", "kind=direct")?;
    hooks.unload()?;
    ftrace::expect_bare(&last)?;
    rust(report, &case, "rust-ops", &format!("irrelevant={count}"))?;
    functions.unload()
}

/// Returns the nanoseconds per call of the sample's function with this many hooks. With `assist`,
/// ftrace protects the hooks from recursion, and does not call them where RCU is not watching.
fn c(hooks: u32, assist: bool) -> Result<f64> {
    let flag = u8::from(assist);
    let parameters = format!(
        "nr_function_calls={CALLS} nr_ops_relevant={hooks} nr_ops_irrelevant=0 assist_recursion={flag} assist_rcu={flag}"
    );
    least(ROUNDS, || {
        let mut log = kmsg::Cursor::now()?;
        // The sample measures in its init function, which then returns an error.
        let answer = module::insmod("ftrace-ops", &parameters)?;
        expect_errno("loading ftrace-ops", answer, Errno::EINVAL)?;
        let records = log.read()?;
        let total = records.iter().find_map(|record| total(&record.text));
        let total = total.context("the sample has logged no figure")?;
        Ok(f64::from(total) / f64::from(CALLS))
    })
}

/// Returns the nanoseconds in a log line of the sample.
fn total(line: &str) -> Option<u32> {
    static LINE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^ftrace_ops: Attempted \d+ calls to .* in (\d+)ns").expect("a fixed pattern")
    });
    LINE.captures(line)?[1].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_logs_its_total() {
        let line = "ftrace_ops: Attempted 1000 calls to tracee_relevant [ftrace_ops] in 46044ns (46ns / call)";
        assert_eq!(total(line), Some(46044));
        assert_eq!(total("ftrace_ops: registering:"), None);
    }
}
