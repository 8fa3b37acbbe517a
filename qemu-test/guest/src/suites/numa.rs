// SPDX-License-Identifier: GPL-2.0

//! `numa_stat`: NUMA hinting faults counted for each task and node.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context as _, Result};
use nix::errno::Errno;

use crate::suite::{list, skip, Context, Suite};
use crate::sys::kernel::patience;
use crate::sys::numa::{self, Eager, Row, Sched};
use crate::sys::worker::Worker;
use crate::sys::{debugfs, ftrace, kmsg, module, wait_for};

/// The suite.
pub const SUITE: Suite = Suite {
    name: "numa",
    by_name_only: false,
    tests: list![
        guest_has_two_nodes,
        table_has_a_column_for_each_node,
        counts_what_the_kernel_counts,
        reset_clears,
        counts_what_does_not_fit,
        takes_good_parameters,
        refuses_bad_parameters,
        comes_and_goes_under_faults,
    ],
};

const MODULE: &str = "numa_stat";
const HOOKED: &str = "task_numa_fault";
/// Time for faults to come: the kernel looks for misplaced pages by the
/// running time of a task, and emulated processors are slow.
const LIMIT: Duration = Duration::from_secs(100);
/// Pages to wait for, of the 16384 that the worker has.
const PLENTY: u64 = 100;

fn guest_has_two_nodes(_: &mut Context<'_>) -> Result<()> {
    let nodes = numa::nodes()?;
    ensure!(nodes == 2, "expected 2 nodes, got {nodes}");
    for node in 0..nodes {
        numa::cpu_of(node)?;
    }
    Ok(())
}

/// `numa_stat` needs a kernel that balances.
pub fn need_balancing() -> Result<()> {
    if !numa::can_balance() {
        return skip("the kernel has no CONFIG_NUMA_BALANCING");
    }
    Ok(())
}

/// The tests of migrations need somewhere to migrate to, too.
fn need_nodes() -> Result<()> {
    need_balancing()?;
    if numa::nodes()? < 2 {
        return skip("there is only one node");
    }
    Ok(())
}

fn table_has_a_column_for_each_node(_: &mut Context<'_>) -> Result<()> {
    need_balancing()?;
    let stack = module::stack(MODULE, "")?;
    let text = debugfs::read(debugfs::tackle("numa_stat/faults"))?;
    let header = text.lines().next().unwrap_or("");
    let columns = header
        .split_whitespace()
        .filter(|name| name.starts_with("node"));
    let (columns, nodes) = (columns.count(), numa::nodes()?);
    ensure!(
        columns == nodes,
        "expected {nodes} columns of nodes, got '{header}'"
    );
    numa::table()?;
    stack.unload()
}

fn row_of(pid: u32) -> Result<Option<Row>> {
    Ok(numa::table()?.remove(&pid))
}

/// All that is known of the worker, to tell why faults stay away.
fn state_of(worker: &Worker) -> String {
    let pid = worker.pid();
    format!(
        "row {:?}, kernel {:?}, pages {:?}",
        row_of(pid),
        Sched::of(pid),
        numa::pages(pid)
    )
}

/// Waits for faults of the worker and stops it, so that counts stand still.
fn faults_of(context: &mut Context<'_>, worker: &Worker) -> Result<Row> {
    let start = Instant::now();
    let come = wait_for("faults of the worker", patience(LIMIT), || {
        let row = row_of(worker.pid())?;
        Ok(row.filter(|row| row.migrated >= PLENTY))
    });
    come.with_context(|| state_of(worker))?;
    context.note(format!(
        "faults after {:.1} s",
        start.elapsed().as_secs_f64()
    ))?;
    worker.stop()?;
    row_of(worker.pid())?.context("the row is gone")
}

fn counts_what_the_kernel_counts(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let stack = module::stack(MODULE, "")?;
    let eager = Eager::new()?;
    let worker = Worker::start(1)?;
    let row = faults_of(context, &worker)?;
    let kernel = Sched::of(worker.pid())?;
    context.note(format!("numa_stat: {row:?}"))?;
    context.note(format!("kernel: {kernel:?}"))?;
    ensure!(row.sum() > 0, "expected faults, got {row:?}");
    ensure!(
        row.tgid == worker.pid(),
        "expected the process {}, got {}",
        worker.pid(),
        row.tgid
    );
    ensure!(
        row.migrated == kernel.migrated,
        "expected {} pages migrated, got {}",
        kernel.migrated,
        row.migrated
    );
    // The kernel's counts of faults fade, ours do not; and it adds up its own
    // only at a fault of a later scan, so that they may still be zero.
    ensure!(
        row.sum() >= kernel.total,
        "expected at least {} faults, got {}",
        kernel.total,
        row.sum()
    );
    ensure!(
        row.nodes.len() == kernel.nodes.len(),
        "expected the nodes of {kernel:?}, got {row:?}"
    );
    for (node, (ours, theirs)) in row.nodes.iter().zip(&kernel.nodes).enumerate() {
        ensure!(
            ours >= theirs,
            "node {node}: expected at least {theirs} faults, got {ours}"
        );
    }
    drop((worker, eager));
    stack.unload()
}

fn reset_clears(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let stack = module::stack(MODULE, "")?;
    let eager = Eager::new()?;
    let worker = Worker::start(1)?;
    let before = faults_of(context, &worker)?;
    debugfs::set(debugfs::tackle("numa_stat/reset"), "1")?;
    let after = row_of(worker.pid())?;
    ensure!(
        after.as_ref().is_none_or(|row| row.sum() == 0),
        "expected no faults after the reset of {before:?}, got {after:?}"
    );
    worker.resume()?;
    let again = faults_of(context, &worker)?;
    ensure!(again.sum() > 0, "expected new faults, got {again:?}");
    drop((worker, eager));
    stack.unload()
}

fn counts_what_does_not_fit(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let stack = module::stack(MODULE, "tasks=64")?;
    let dropped = || debugfs::value::<u64>(debugfs::tackle("numa_stat/dropped"));
    let first = dropped()?;
    ensure!(first == 0, "expected nothing dropped at first, got {first}");
    let eager = Eager::new()?;
    let worker = Worker::start(160)?;
    wait_for("faults that do not fit", patience(LIMIT), || {
        Ok((dropped()? > 0).then_some(()))
    })?;
    let rows = numa::table()?.len();
    context.note(format!("{rows} rows, {} faults dropped", dropped()?))?;
    ensure!(
        (1..=64).contains(&rows),
        "expected 1 to 64 rows, got {rows}"
    );
    worker.stop()?;
    debugfs::set(debugfs::tackle("numa_stat/reset"), "1")?;
    drop((worker, eager));
    stack.unload()
}

fn takes_good_parameters(_: &mut Context<'_>) -> Result<()> {
    need_balancing()?;
    for tasks in [64, 100, 1024, 65536] {
        let stack = module::stack(MODULE, &format!("tasks={tasks}"))?;
        ftrace::expect_enabled(HOOKED)?;
        stack.unload()?;
    }
    ftrace::expect_bare(HOOKED)
}

fn refuses_bad_parameters(_: &mut Context<'_>) -> Result<()> {
    need_balancing()?;
    let library = module::load(module::LIBRARY, "")?;
    for tasks in ["0", "1", "63", "65537", "70000", "-1", "many", ""] {
        let mut log = kmsg::Cursor::now()?;
        module::expect_refusal(MODULE, &format!("tasks={tasks}"), Errno::EINVAL)?;
        log.expect_one_error("tasks")
            .with_context(|| format!("after tasks={tasks}"))?;
    }
    ftrace::expect_bare(HOOKED)?;
    library.unload()
}

fn comes_and_goes_under_faults(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let library = module::load(module::LIBRARY, "")?;
    let eager = Eager::new()?;
    let worker = Worker::start(4)?;
    let mut seen = 0;
    for _ in 0..10 {
        let module = module::load(MODULE, "")?;
        sleep(Duration::from_millis(500));
        seen += numa::table()?.values().map(Row::sum).sum::<u64>();
        module.unload()?;
    }
    context.note(format!("{seen} faults seen in 10 rounds"))?;
    ensure!(seen > 0, "expected faults in 10 rounds, got none");
    drop((worker, eager));
    library.unload()
}
