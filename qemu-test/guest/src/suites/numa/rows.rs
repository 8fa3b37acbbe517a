// SPDX-License-Identifier: GPL-2.0

//! Tests rows of `numa_stat`: which tasks have one, and when rows are freed.

use anyhow::{ensure, Context as _, Result};

use crate::suite::Context;
use crate::sys::kernel::patience;
use crate::sys::numa::{self, Eager};
use crate::sys::numa_stat::{self, Row, MODULE};
use crate::sys::worker::Worker;
use crate::sys::{debugfs, module, wait_for};

use super::{migrations_of, need_nodes, row_of, LIMIT, PLENTY};

/// Returns the rows of a process's threads.
fn threads(tgid: u32) -> Result<Vec<Row>> {
    let rows = numa_stat::rows("tasks", "pid")?.into_values();
    Ok(rows
        .filter(|row| row.get("tgid") == u64::from(tgid))
        .collect())
}

/// Tests that the row of a process is the sum of its threads, also after a thread has ended.
pub(super) fn threads_add_up_to_their_process(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let stack = module::stack(MODULE, "")?;
    let eager = Eager::new()?;
    // One of the worker's threads ends when SIGUSR1 is sent.
    let worker = Worker::with("--threads 3 --first-ends")?;
    wait_for("faults of three threads", patience(LIMIT), || {
        let rows = threads(worker.pid())?;
        let faulted = rows.iter().filter(|row| row.get("faults") > 0).count();
        Ok((faulted >= 3).then_some(()))
    })?;
    let process = || -> Result<Row> {
        let mut rows = numa_stat::rows("processes", "tgid")?;
        rows.remove(&worker.pid().to_string())
            .context("no row of the process")
    };
    let before = process()?;
    worker.end_first()?;
    wait_for("the row of a thread to go", patience(LIMIT), || {
        Ok((threads(worker.pid())?.len() == 2).then_some(()))
    })?;
    worker.stop()?;
    let after = process()?;
    context.note(format!("{before:?}, then {after:?}"))?;
    let living: u64 = threads(worker.pid())?
        .iter()
        .map(|row| row.get("pages"))
        .sum();
    ensure!(
        after.get("pages") >= before.get("pages") && after.get("pages") > living,
        "expected the pages of the thread that has ended as well ({living} without them): \
         {before:?}, then {after:?}"
    );
    ensure!(
        after.word("comm") == "tackle-guest",
        "expected the name of the process, got {after:?}"
    );
    let kernel: u64 = after.sum("mem");
    ensure!(kernel == after.get("pages"), "expected sums in {after:?}");
    drop((worker, eager));
    stack.unload()
}

/// Tests that the rows of a task and of its process are freed when the task has ended.
pub(super) fn a_row_goes_with_its_task(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let stack = module::stack(MODULE, "")?;
    let eager = Eager::new()?;
    let worker = Worker::start(1)?;
    let pid = worker.pid();
    migrations_of(context, &worker, PLENTY)?;
    let ended = numa_stat::total("ended")?;
    drop(worker);
    wait_for("the row to go", patience(LIMIT), || {
        Ok(numa_stat::task(pid)?.is_none().then_some(()))
    })?;
    let processes = numa_stat::rows("processes", "tgid")?;
    ensure!(
        !processes.contains_key(&pid.to_string()),
        "the row of the process stays: {processes:?}"
    );
    ensure!(
        numa_stat::total("ended")? > ended,
        "expected a task to have ended"
    );
    drop(eager);
    stack.unload()
}

/// Tests that the averages start anew when a task executes a program, as in the kernel.
pub(super) fn execve_clears_the_averages(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let stack = module::stack(MODULE, "")?;
    let eager = Eager::new()?;
    let worker = Worker::with("--then-exec")?;
    wait_for("averages", patience(LIMIT), || {
        let row = numa_stat::task(worker.pid())?;
        Ok(row.filter(|row| row.sum("avg_private") > 0))
    })?;
    worker.end_first()?;
    let row = wait_for("the other program", patience(LIMIT), || {
        let row = numa_stat::task(worker.pid())?;
        Ok(row.filter(|row| row.word("comm") == "sleep"))
    })?;
    context.note(format!("{row:?}"))?;
    ensure!(
        row.sum("avg_private") == 0 && row.get("pages") > 0,
        "expected no averages and all counts, got {row:?}"
    );
    drop((worker, eager));
    stack.unload()
}

/// Tests that rows are evicted if there are more tasks than rows, and that their counts are added
/// to `pid=others`.
pub(super) fn what_finds_no_room_is_in_others(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let stack = module::stack(MODULE, "memory_kib=16")?;
    let room = numa_stat::total("room")?;
    let eager = Eager::new()?;
    let threads = room + 40;
    let worker = Worker::start(usize::try_from(threads)?)?;
    wait_for("rows that find no room", patience(LIMIT), || {
        let rows = numa_stat::rows("tasks", "pid")?;
        let others = rows.get("others").map_or(0, |row| row.get("scans"));
        Ok((others > 0).then_some(()))
    })?;
    worker.stop()?;
    let rows = numa_stat::rows("tasks", "pid")?;
    let evicted = numa_stat::total("evicted")?;
    context.note(format!("{} rows of {room}, {evicted} evicted", rows.len()))?;
    ensure!(
        evicted > 0 && rows.len() as u64 <= room + 1,
        "expected at most {room} rows, got {} and {evicted} evicted",
        rows.len()
    );
    // Counts of evicted rows are also in the rows of processes and cgroups.
    let others = &rows["others"];
    for (file, id) in [("processes", "tgid"), ("cgroups", "cgroup")] {
        let sums = numa_stat::rows(file, id)?;
        let sum = sums.get("others").map_or(0, |row| row.get("scans"));
        ensure!(
            sum >= others.get("scans"),
            "{file}: expected all evicted scans of {others:?}, got {sum}"
        );
    }
    drop((worker, eager));
    stack.unload()
}

/// Tests that writing 1 to `reset` frees all rows, and that counting continues.
pub(super) fn reset_clears(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let stack = module::stack(MODULE, "")?;
    let eager = Eager::new()?;
    let worker = Worker::start(1)?;
    let before = migrations_of(context, &worker, PLENTY)?;
    debugfs::set(debugfs::tackle("numa_stat/reset"), "1")?;
    let after = numa_stat::task(worker.pid())?;
    ensure!(
        after.is_none(),
        "expected no row after the reset of {before:?}, got {after:?}"
    );
    worker.resume()?;
    // Most pages are on the right node by now, but the kernel still scans.
    wait_for("counts", patience(LIMIT), || {
        let row = numa_stat::task(worker.pid())?;
        Ok(row.filter(|row| row.get("scans") > 0))
    })?;
    worker.stop()?;
    row_of(&worker)?;
    for text in ["0", "2", "x"] {
        let answer = debugfs::write(debugfs::tackle("numa_stat/reset"), text)?;
        ensure!(
            answer == Err(nix::errno::Errno::EINVAL),
            "'{text}': expected EINVAL, got {answer:?}"
        );
    }
    ensure!(numa::nodes()? == 2, "the nodes have changed");
    drop((worker, eager));
    stack.unload()
}
