// SPDX-License-Identifier: GPL-2.0

//! Demonstrates NUMA balancing. A process runs on one node, and its memory is on the other node.
//! The kernel migrates the memory, and a hook counts the hinting faults that cause this. The policy
//! of `numa_balance` places a second process.

use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};

use super::Page;
use crate::sys::numa::{self, Eager, Sched};
use crate::sys::numa_balance;
use crate::sys::numa_stat::{self, Row};
use crate::sys::worker::Worker;
use crate::sys::{module, wait_for};

/// The longest time to wait for the migration.
const LIMIT: Duration = Duration::from_secs(18);

/// Shows pages and faults on each node while the memory is migrated.
///
/// # Errors
///
/// A step of the demonstration failed.
pub(super) fn show(page: &mut Page) -> Result<()> {
    let stack = module::stack("numa_stat", "")?;
    let eager = Eager::new()?;
    let worker = Worker::start(1)?;
    let pid = worker.pid();
    page.say(format!(
        "   process {pid}: 64 MiB written on node 1, then runs on node 0"
    ));
    let before = numa::pages(pid)?;
    let start = Instant::now();
    // Wait only until most pages have been migrated, to save time.
    let moved = wait_for("the memory to move", LIMIT, || {
        let pages = numa::pages(pid)?;
        Ok((pages[0] > pages[1]).then_some(()))
    });
    worker.stop()?;
    let seconds = start.elapsed().as_secs_f64();
    let after = numa::pages(pid)?;
    let row = numa_stat::task(pid)?.context("numa_stat has no row of the process")?;
    let kernel = Sched::of(pid)?;
    drop((worker, eager));
    stack.unload()?;
    page.say(format!("   {:<32}{:>9}{:>9}", "", "node 0", "node 1"));
    line(page, "pages at the start", &before);
    line(page, &format!("pages after {seconds:.1} s"), &after);
    line(page, "faults, by node of the memory", &row.nodes("mem", 2));
    line(page, "faults, by node of the CPU", &row.nodes("cpu", 2));
    line(
        page,
        "average of private faults",
        &row.nodes("avg_private", 2),
    );
    line(page, "the same of the kernel", &kernel.private);
    page.say(format!(
        "   pages migrated from node 1 to 0: {}, the kernel says {}",
        row.at("moved", "1>0"),
        kernel.migrated
    ));
    page.say(format!(
        "   the longest of {} faults took {} us",
        row.get("stalls"),
        row.get("stall_max_ns") / 1000
    ));
    check(&row, &kernel)?;
    // Under slow emulation not all pages may be migrated. It is only an error if no page was
    // migrated.
    ensure!(
        moved.is_ok() || after[0] > before[0],
        "no page moved to node 0 in {} s",
        LIMIT.as_secs()
    );
    place(page)
}

/// The longest time for the policy to decide about a task, and for the task to move.
const DECISION: Duration = Duration::from_secs(30);
/// The number of attempts. The kernel can move the process to its memory by chance, before the
/// process has a fault.
const ATTEMPTS: u32 = 5;

/// Lets the policy place a process whose memory is bound to a node, and shows the policy's reason.
fn place(page: &mut Page) -> Result<()> {
    let parameters = "interval_ms=200 runtime_ms=100 scan_min_ms=100";
    let stack = module::stack(numa_balance::MODULE, parameters)?;
    let eager = Eager::new()?;
    let placed = (0..ATTEMPTS).find_map(|_| place_one().ok());
    let (pid, why) = placed.context("the policy has placed no process")?;
    drop(eager);
    stack.unload()?;
    page.say(format!(
        "   numa_balance places process {pid}, whose memory is bound to node 1, on node 1"
    ));
    page.say(format!("   its reason: {why}"));
    Ok(())
}

/// Returns the process and the reason.
fn place_one() -> Result<(u32, String)> {
    let worker = Worker::bound(1, "--mib 16 --free --memory 1 --run 0")?;
    let pid = worker.pid();
    let decision = wait_for("a decision", DECISION, || {
        let planned = numa_balance::planned(pid)?;
        Ok(planned.filter(|one| one.word("reason").starts_with("follows")))
    })?;
    wait_for("the process to come to its memory", DECISION, || {
        Ok((numa::runs_on(pid)? == 1).then_some(()))
    })?;
    Ok((pid, decision.why))
}

fn check(row: &Row, kernel: &Sched) -> Result<()> {
    ensure!(row.get("faults") > 0, "no fault was counted");
    ensure!(
        row.get("migrated") == kernel.migrated,
        "the counts of migrated pages differ"
    );
    Ok(())
}

fn line(page: &mut Page, name: &str, numbers: &[u64]) {
    let columns: Vec<_> = numbers.iter().map(|n| format!("{n:>9}")).collect();
    page.say(format!("   {name:<32}{}", columns.concat()));
}
