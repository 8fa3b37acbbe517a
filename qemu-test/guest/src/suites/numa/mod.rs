// SPDX-License-Identifier: GPL-2.0

//! Tests `numa_stat` on two nodes: its counts must be those of the kernel.

mod command;
mod crowd;
mod exact;
mod memory;
mod rows;
mod selftest;
mod switch;
mod wakeups;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context as _, Result};

use command::the_command_shows_and_switches;
pub(super) use crowd::{tasks_come_and_go_while_rows_are_read, ten_thousand_rows_are_read};
use exact::{
    averages_are_the_kernels, cgroups_are_the_kernels, huge_pages_count_as_pages,
    totals_are_the_kernels,
};
use memory::{
    interrupts_are_the_kernels, top_shows_tasks_that_fault, unseen_counts_pages_of_ksm,
    unseen_has_each_page_once,
};
use rows::{
    a_row_goes_with_its_task, execve_clears_the_averages, reset_clears,
    threads_add_up_to_their_process, what_finds_no_room_is_in_others,
};

use selftest::the_kernels_selftest_passes;
use switch::{
    a_cgroup_is_not_scanned, a_node_is_kept, a_process_and_its_children_are_not_scanned,
    a_rule_outlives_its_process, all_but_one_are_not_scanned, bad_lines_change_nothing,
    without_the_module_all_are_scanned,
};
use wakeups::{
    wakeups_are_counted_by_pair, wakeups_are_off_by_default, wakeups_without_room_are_in_others,
};

use crate::suite::{list, skip, Context, Suite};
use crate::sys::kernel::patience;
use crate::sys::numa::{self, Eager, Sched};
use crate::sys::numa_stat::{self, Row, MODULE};
use crate::sys::worker::Worker;
use crate::sys::{debugfs, ftrace, kmsg, module, wait_for};

/// The suite.
pub const SUITE: Suite = Suite {
    name: "numa",
    by_name_only: false,
    tests: list![
        guest_has_two_nodes,
        observes_all_events,
        averages_are_the_kernels,
        totals_are_the_kernels,
        huge_pages_count_as_pages,
        cgroups_are_the_kernels,
        threads_add_up_to_their_process,
        a_row_goes_with_its_task,
        execve_clears_the_averages,
        what_finds_no_room_is_in_others,
        reset_clears,
        without_privacy_all_else_is_counted,
        only_root_can_read,
        takes_good_parameters,
        refuses_bad_parameters,
        comes_and_goes_under_faults,
        samples_in_c_and_rust_agree,
        an_observer_in_c_that_is_forgotten_is_removed,
        a_cgroup_is_not_scanned,
        a_process_and_its_children_are_not_scanned,
        all_but_one_are_not_scanned,
        without_the_module_all_are_scanned,
        a_rule_outlives_its_process,
        a_node_is_kept,
        bad_lines_change_nothing,
        wakeups_are_off_by_default,
        wakeups_are_counted_by_pair,
        wakeups_without_room_are_in_others,
        the_command_shows_and_switches,
        the_kernels_selftest_passes,
        top_shows_tasks_that_fault,
        unseen_has_each_page_once,
        unseen_counts_pages_of_ksm,
        interrupts_are_the_kernels,
    ],
};

/// The functions that `numa_stat` hooks.
const HOOKED: [&str; 11] = [
    "migrate_misplaced_folio",
    "migrate_misplaced_folio_prepare",
    "migrate_swap",
    "migrate_task_to",
    "numa_migrate_check",
    "sched_setnuma",
    "tackle_numa_skip_probe",
    "task_numa_fault",
    "task_numa_free",
    "task_numa_work",
    "task_scan_max",
];

/// The time limit for faults. The kernel scans by the running time of a task, and emulated
/// processors are slow.
pub(super) const LIMIT: Duration = Duration::from_secs(100);
/// The number of migrated pages to wait for. The worker has 16384 pages.
const PLENTY: u64 = 100;

fn guest_has_two_nodes(_: &mut Context<'_>) -> Result<()> {
    let nodes = numa::nodes()?;
    ensure!(nodes == 2, "expected 2 nodes, got {nodes}");
    for node in 0..nodes {
        numa::cpu_of(node)?;
    }
    Ok(())
}

/// Skips the test if the kernel has no NUMA balancing, which `numa_stat` needs.
pub fn need_balancing() -> Result<()> {
    if !numa::can_balance() {
        return skip("the kernel has no CONFIG_NUMA_BALANCING");
    }
    Ok(())
}

/// Skips the test if the kernel has no NUMA balancing, or if there is only one node.
fn need_nodes() -> Result<()> {
    need_balancing()?;
    if numa::nodes()? < 2 {
        return skip("there is only one node");
    }
    Ok(())
}

/// Returns how often the address space of a worker was scanned from end to end.
fn scans(worker: &Worker) -> Result<u64> {
    Ok(Sched::of(worker.pid())?.scans)
}

/// Waits until a worker was scanned twice from end to end.
pub(super) fn await_scans(worker: &Worker) -> Result<()> {
    let before = scans(worker)?;
    wait_for("scans", patience(LIMIT), || {
        Ok((scans(worker)? >= before + 2).then_some(()))
    })
}

/// Waits until a scan of one of the workers ends. The workers must have so little memory that the
/// kernel scans it in one go. The scan has then begun during the wait.
pub(super) fn await_a_scan(workers: &[&Worker]) -> Result<()> {
    let all = || -> Result<Vec<_>> { workers.iter().map(|worker| scans(worker)).collect() };
    let before = all()?;
    wait_for("a scan", patience(LIMIT), || {
        Ok((all()? != before).then_some(()))
    })
}

/// Checks that memory of the node `memory` follows a process to the node `run`, and that
/// `numa_stat` counts what the kernel counts.
pub fn expect_migration(context: &mut Context<'_>, memory: usize, run: usize) -> Result<()> {
    need_balancing()?;
    let stack = module::stack(MODULE, "memory_kib=65536")?;
    let eager = Eager::new()?;
    let worker = Worker::with(&format!("--mib 16 --memory {memory} --run {run}"))?;
    let row = migrations_of(context, &worker, PLENTY)?;
    let (kernel, pages) = (Sched::of(worker.pid())?, numa::pages(worker.pid())?);
    ensure!(
        pages[run] >= PLENTY,
        "expected {PLENTY} pages on node {run}, got {pages:?}"
    );
    let moved = row.at("moved", &format!("{memory}>{run}"));
    ensure!(
        moved >= PLENTY && row.get("migrated") == kernel.migrated,
        "expected {} pages migrated from {memory} to {run}, got {row:?}",
        kernel.migrated
    );
    let nodes = numa::nodes()?;
    ensure!(
        row.nodes("avg_private", nodes) == kernel.private
            && row.nodes("avg_shared", nodes) == kernel.shared,
        "expected the averages of {kernel:?}, got {row:?}"
    );
    drop((worker, eager));
    stack.unload()
}

fn file(name: &str) -> Result<String> {
    debugfs::read(debugfs::tackle(&format!("{MODULE}/{name}")))
}

fn observes_all_events(_: &mut Context<'_>) -> Result<()> {
    need_balancing()?;
    let stack = module::stack(MODULE, "")?;
    for function in HOOKED {
        ftrace::expect_enabled(function)?;
    }
    let events = file("events")?;
    let expected = "hint\ncounted\nwindow\nscan\nskip\nmigration\nplacement\nexit";
    ensure!(events == expected, "expected {expected:?}, got {events:?}");
    stack.unload()?;
    HOOKED.iter().try_for_each(|name| ftrace::expect_bare(name))
}

/// Returns the row of a task. If there is none, the error has the details that may explain it.
fn row_of(worker: &Worker) -> Result<Row> {
    let pid = worker.pid();
    numa_stat::task(pid)?.with_context(|| format!("no row; the kernel says {:?}", Sched::of(pid)))
}

/// Waits until `pages` of the worker were migrated and stops it, so that counts stand still.
fn migrations_of(context: &mut Context<'_>, worker: &Worker, pages: u64) -> Result<Row> {
    let start = Instant::now();
    let come = wait_for("migrations for the worker", patience(LIMIT), || {
        let row = numa_stat::task(worker.pid())?;
        Ok(row.filter(|row| row.get("migrated") >= pages))
    });
    come.with_context(|| {
        format!(
            "the row is {:?}, the kernel says {:?}, its pages are on {:?}",
            numa_stat::task(worker.pid()),
            Sched::of(worker.pid()),
            numa::pages(worker.pid())
        )
    })?;
    context.note(format!(
        "{pages} pages after {:.1} s",
        start.elapsed().as_secs_f64()
    ))?;
    worker.stop()?;
    row_of(worker)
}

fn without_privacy_all_else_is_counted(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let stack = module::stack(MODULE, "private=0")?;
    let events = file("events")?;
    ensure!(
        events.contains("fault\n") && !events.contains("counted"),
        "expected the event fault in place of counted, got {events:?}"
    );
    let eager = Eager::new()?;
    let worker = Worker::start(1)?;
    let row = migrations_of(context, &worker, PLENTY)?;
    let kernel = Sched::of(worker.pid())?;
    ensure!(
        row.get("migrated") == kernel.migrated,
        "expected {kernel:?}, got {row:?}"
    );
    ensure!(
        row.get("private") + row.get("shared") == 0,
        "expected no private and shared pages, got {row:?}"
    );
    drop((worker, eager));
    stack.unload()
}

fn only_root_can_read(_: &mut Context<'_>) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    need_balancing()?;
    let stack = module::stack(MODULE, "")?;
    for entry in std::fs::read_dir(debugfs::tackle(MODULE))? {
        let entry = entry?;
        let mode = entry.metadata()?.permissions().mode();
        ensure!(
            mode & 0o077 == 0,
            "{}: expected a mode for root alone, got {mode:o}",
            entry.path().display()
        );
    }
    stack.unload()
}

fn takes_good_parameters(_: &mut Context<'_>) -> Result<()> {
    need_balancing()?;
    let mut before = 0;
    for kib in [64, 1024, 8192, 65536] {
        let stack = module::stack(MODULE, &format!("memory_kib={kib}"))?;
        let room = numa_stat::total("room")?;
        ensure!(
            room > before,
            "{kib} KiB: expected more room than {before}, got {room}"
        );
        before = room;
        stack.unload()?;
    }
    HOOKED.iter().try_for_each(|name| ftrace::expect_bare(name))
}

fn refuses_bad_parameters(_: &mut Context<'_>) -> Result<()> {
    need_balancing()?;
    let library = module::library()?;
    module::expect_bad_values(
        MODULE,
        &[
            ("memory_kib", &["0", "1", "1048577", "-1", "much", ""]),
            ("private", &["2", "-1", "yes", ""]),
            ("wakeups", &["2", "-1", "yes", ""]),
            ("wakeup_rows", &["0", "15", "1048577", "-1", ""]),
        ],
    )?;
    HOOKED
        .iter()
        .try_for_each(|name| ftrace::expect_bare(name))?;
    library.unload()
}

fn comes_and_goes_under_faults(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let library = module::library()?;
    let eager = Eager::new()?;
    let worker = Worker::start(4)?;
    let mut seen = 0;
    for _ in 0..5 {
        let module = module::load(MODULE, "")?;
        let rows = wait_for("rows", patience(LIMIT), || {
            let rows = numa_stat::rows("tasks", "pid")?;
            Ok((!rows.is_empty()).then_some(rows))
        })?;
        seen += rows.values().map(|row| row.get("scans")).sum::<u64>();
        module.unload()?;
    }
    context.note(format!("{seen} scans seen in 5 rounds"))?;
    ensure!(seen > 0, "expected scans in 5 rounds, got none");
    drop((worker, eager));
    library.unload()
}

/// Tests that the observers in `samples/`, in C and in Rust, count the same as `numa_stat`.
fn samples_in_c_and_rust_agree(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let library = module::library()?;
    let samples = [
        module::load("numa_observer", "")?,
        module::load("numa_local", "")?,
    ];
    let stat = module::load(MODULE, "private=0")?;
    // Reads the counts of the sample in C or in Rust.
    let pages = |path: PathBuf| -> Result<[u64; 3]> {
        let number = |name| debugfs::number(&path, name);
        Ok([number("local")?, number("remote")?, number("migrated")?])
    };
    let quiet = || {
        exact::both(
            || pages("/sys/kernel/debug/numa_observer".into()),
            || {
                let rust = pages(debugfs::tackle("numa_local/pages"))?;
                Ok((rust, numa_stat::totals()?.pages_migrated))
            },
        )
    };
    // Other tasks have had faults before all three modules were loaded.
    let (c_before, (rust_before, total_before)) = quiet()?;
    let eager = Eager::new()?;
    let worker = Worker::start(2)?;
    migrations_of(context, &worker, PLENTY)?;
    let (c, (rust, total)) = quiet()?;
    let since = |now: [u64; 3], before: [u64; 3]| [0, 1, 2].map(|at| now[at] - before[at]);
    let (c, rust) = (since(c, c_before), since(rust, rust_before));
    ensure!(c == rust, "in C: {c:?}, in Rust: {rust:?}");
    let total = total - total_before;
    ensure!(
        c[2] == total && total >= PLENTY,
        "expected {total} pages migrated, got {c:?}"
    );
    drop((worker, eager));
    stat.unload()?;
    for sample in samples {
        sample.unload()?;
    }
    HOOKED
        .iter()
        .try_for_each(|name| ftrace::expect_bare(name))?;
    library.unload()
}

fn an_observer_in_c_that_is_forgotten_is_removed(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let library = module::library()?;
    let eager = Eager::new()?;
    let worker = Worker::start(2)?;
    let mut log = kmsg::Cursor::now()?;
    let forgetful = module::load("numa_forget", "")?;
    ftrace::expect_enabled(wakeups::PROBE)?;
    // Wait for scans of the worker, which call the module's callbacks.
    await_scans(&worker)?;
    forgetful.unload()?;
    HOOKED
        .iter()
        .try_for_each(|name| ftrace::expect_bare(name))?;
    ftrace::expect_bare(wakeups::PROBE)?;
    await_scans(&worker)?;
    let lines = log.read()?;
    let sizes = lines
        .iter()
        .find(|record| record.text.contains("has a size"));
    ensure!(sizes.is_none(), "events have other sizes: {sizes:?}");
    context.note("no callback after the module")?;
    drop((worker, eager));
    library.unload()
}
