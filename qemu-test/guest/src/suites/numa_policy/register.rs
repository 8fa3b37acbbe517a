// SPDX-License-Identifier: GPL-2.0

//! Tests that policies are registered and unregistered, one at a time, and that the kernel then
//! balances as before.

use anyhow::{ensure, Context as _, Result};
use nix::errno::Errno;

use crate::suite::Context;
use crate::sys::kernel::patience;
use crate::sys::numa::{self, Eager, Sched};
use crate::sys::numa_balance::MODULE;
use crate::sys::worker::Worker;
use crate::sys::{debugfs, kmsg, module, wait_for};

use super::super::stress::rounds;
use super::{await_a_scan, await_scans, await_together, expect_no_hooks, need_nodes, EAGER, LIMIT};

/// The number of pages of a worker.
const PAGES: u64 = (16 << 20) / 4096;

fn registered() -> Result<String> {
    debugfs::read(debugfs::tackle("numa_policy"))
}

fn expect_registered(module: &str) -> Result<()> {
    let line = registered()?;
    ensure!(
        line.starts_with(&format!("module={module} mechanism=")),
        "expected the policy of {module}, got {line:?}"
    );
    Ok(())
}

pub(super) fn a_second_policy_is_refused(_: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let library = module::library()?;
    for (first, second) in [(MODULE, "numa_home"), ("numa_sticky", MODULE)] {
        let module = module::load(first, "")?;
        expect_registered(first)?;
        module::expect_refusal(second, "", Errno::EBUSY)?;
        expect_registered(first)?;
        // With `advise=1` the module only plans, and registers no policy.
        if second == MODULE {
            module::load(MODULE, "advise=1")?.unload()?;
        }
        // `numa_control` registers no policy.
        module::load("numa_control", "")?.unload()?;
        expect_registered(first)?;
        module.unload()?;
        ensure!(registered().is_err(), "{first} is still registered");
        expect_no_hooks()?;
        module::load(second, "")?.unload()?;
    }
    library.unload()
}

/// Tests the policies in `samples/`.
pub(super) fn samples_decide(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let library = module::library()?;
    let eager = Eager::new()?;
    module::expect_refusal("numa_home", "node=9", Errno::EINVAL)?;
    // There are two threads, so that local memory is scanned, too.
    for node in [1, 0] {
        let home = module::load("numa_home", &format!("node={node}"))?;
        let worker = Worker::with(&format!(
            "--threads 2 --mib 16 --free --memory {0} --run {0}",
            1 - node
        ))?;
        let pid = worker.pid();
        wait_for("the node of the policy", patience(LIMIT), || {
            Ok((Sched::of(pid)?.preferred == Some(node as u64)).then_some(()))
        })?;
        await_scans(&worker)?;
        let now = Sched::of(pid)?.preferred;
        ensure!(
            now == Some(node as u64),
            "expected node {node}, got {now:?}"
        );
        drop(worker);
        home.unload()?;
    }
    let sticky = module::load("numa_sticky", "")?;
    let denied = || debugfs::value::<u64>("/sys/module/numa_sticky/parameters/denied");
    let worker = Worker::with("--mib 16 --memory 1 --run 0")?;
    let pid = worker.pid();
    // The policy denies each migration, and counts it.
    wait_for("denied pages", patience(LIMIT), || {
        Ok((denied()? > PAGES / 2).then_some(()))
    })?;
    await_scans(&worker)?;
    let (pages, sched) = (numa::pages(pid)?, Sched::of(pid)?);
    ensure!(
        sched.migrated == 0,
        "expected no page to move, got {sched:?}, pages on the nodes: {pages:?}"
    );
    context.note(format!("{} denied", denied()?))?;
    sticky.unload()?;
    // The kernel's rules apply again.
    await_together(context, &worker)?;
    drop((worker, eager));
    expect_no_hooks()?;
    library.unload()
}

pub(super) fn a_policy_in_c_that_is_forgotten_is_removed(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let library = module::library()?;
    let eager = Eager::new()?;
    let worker = Worker::start(2)?;
    let mut log = kmsg::Cursor::now()?;
    let forgetful = module::load("numa_policy_forget", "")?;
    expect_registered("numa_policy_forget")?;
    await_scans(&worker)?;
    forgetful.unload()?;
    expect_no_hooks()?;
    await_scans(&worker)?;
    let lines = log.read()?;
    let sizes = lines
        .iter()
        .find(|record| record.text.contains("has a size"));
    ensure!(sizes.is_none(), "the structs have other sizes: {sizes:?}");
    context.note("no callback after the module")?;
    drop((worker, eager));
    library.unload()
}

pub(super) fn refuses_bad_parameters(_: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let library = module::library()?;
    module::expect_bad_values(
        MODULE,
        &[
            ("advise", &["2", "-1", "yes", ""]),
            ("interval_ms", &["0", "99", "60001", "-1"]),
            ("runtime_ms", &["600001", "-1", "x"]),
            ("min_gain", &["0", "1001"]),
            ("settle_ms", &["600001"]),
            ("scan_min_ms", &["9", "60001"]),
            ("bound", &["2"]),
            ("hugetlb", &["2"]),
            ("max_tasks", &["0", "15", "65537"]),
        ],
    )?;
    expect_no_hooks()?;
    library.unload()
}

/// Tests that policies are loaded and unloaded while tasks have faults. `ROUNDS` sets how often.
pub(super) fn comes_and_goes_under_faults(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let library = module::library()?;
    let eager = Eager::new()?;
    // The workers have little memory. After a scan, the kernel does not scan a thread for 32 times
    // as long as the scan took (`task_numa_work()`), which can be seconds in a guest without KVM.
    let pinned = Worker::with("--threads 2 --mib 1 --memory 1 --run 0")?;
    let free = Worker::with("--threads 2 --mib 1 --free --memory 0 --run 1")?;
    let rounds = rounds()?;
    for round in 0..rounds {
        let stack = match round % 3 {
            0 => vec![module::load(MODULE, EAGER)?],
            1 => vec![
                module::load("numa_control", "")?,
                module::load(MODULE, EAGER)?,
            ],
            _ => vec![module::load("numa_sticky", "")?],
        };
        await_a_scan(&[&pinned, &free])?;
        for module in stack {
            module.unload()?;
        }
        expect_no_hooks().with_context(|| format!("round {round}"))?;
        // The kernel still scans.
        await_a_scan(&[&pinned, &free]).with_context(|| format!("round {round}"))?;
        // Print a line, because the runner takes a long silence for a hang.
        context.note(format!("round {} of {rounds}", round + 1))?;
    }
    drop((pinned, free, eager));
    library.unload()
}
