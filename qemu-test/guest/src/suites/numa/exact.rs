// SPDX-License-Identifier: GPL-2.0

//! Tests that numbers of `numa_stat` are equal to those of the kernel.

use std::path::Path;

use anyhow::{bail, ensure, Context as _, Result};

use crate::suite::{skip, Context};
use crate::sys::kernel::patience;
use crate::sys::numa::{self, Eager, Sched, Stat};
use crate::sys::numa_stat::{self, MODULE};
use crate::sys::worker::Worker;
use crate::sys::{debugfs, module, wait_for};

use super::{migrations_of, need_nodes, LIMIT, PLENTY};

/// Tests that averages are those of `/proc/PID/sched`, also for a task that started before the
/// module was loaded.
pub(super) fn averages_are_the_kernels(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let library = module::library()?;
    let eager = Eager::new()?;
    // With one thread, memory that is already local would have no further hinting faults.
    let worker = Worker::start(2)?;
    wait_for("a scan window of the worker", patience(LIMIT), || {
        let kernel = Sched::of(worker.pid())?;
        Ok((kernel.migrated >= PLENTY).then_some(()))
    })?;
    let module = module::load(MODULE, "")?;
    let row = wait_for("five scan windows", patience(LIMIT), || {
        let row = numa_stat::task(worker.pid())?;
        Ok(row.filter(|row| row.get("windows") >= 5))
    })
    .with_context(|| format!("the kernel says {:?}", Sched::of(worker.pid())))?;
    context.note(format!("{} windows", row.get("windows")))?;
    worker.stop()?;
    let row = super::row_of(&worker)?;
    let kernel = Sched::of(worker.pid())?;
    context.note(format!("numa_stat: {row:?}"))?;
    context.note(format!("kernel: {kernel:?}"))?;
    let nodes = numa::nodes()?;
    ensure!(
        row.nodes("avg_private", nodes) == kernel.private
            && row.nodes("avg_shared", nodes) == kernel.shared,
        "expected the averages of {kernel:?}, got {row:?}"
    );
    ensure!(
        row.get("migrated") <= kernel.migrated,
        "expected {} pages migrated at most, got {row:?}",
        kernel.migrated
    );
    ensure!(
        row.get("private") + row.get("shared") == row.get("pages"),
        "expected private and shared pages to be all, got {row:?}"
    );
    ensure!(
        row.sum("mem") == row.get("pages") && row.sum("cpu") == row.get("pages"),
        "expected {} pages on the nodes, got {row:?}",
        row.get("pages")
    );
    ensure!(
        row.word("preferred")
            == kernel
                .preferred
                .map_or(String::new(), |node| node.to_string()),
        "expected the preferred node of {kernel:?}, got {row:?}"
    );
    drop((worker, eager));
    module.unload()?;
    library.unload()
}

/// Reads two counts, such as those of the kernel and of `numa_stat`, at a moment without faults.
pub(super) fn both<A: PartialEq, B: PartialEq>(
    kernel: impl Fn() -> Result<A>,
    ours: impl Fn() -> Result<B>,
) -> Result<(A, B)> {
    for _ in 0..200 {
        let (before, said) = (kernel()?, ours()?);
        if kernel()? == before && ours()? == said {
            return Ok((before, said));
        }
    }
    bail!("there is no moment without faults")
}

fn expect_equal(context: &mut Context<'_>, kernel: Stat, ours: Stat) -> Result<()> {
    context.note(format!("kernel {kernel:?}"))?;
    ensure!(
        (
            ours.hint_faults,
            ours.hint_faults_local,
            ours.pages_migrated
        ) == (
            kernel.hint_faults,
            kernel.hint_faults_local,
            kernel.pages_migrated
        ),
        "expected {kernel:?}, got {ours:?}"
    );
    ensure!(
        ours.pages_migrated >= PLENTY,
        "expected {PLENTY} pages migrated at least, got {ours:?}"
    );
    Ok(())
}

/// Tests that the numbers of hinting faults, of local ones and of migrated pages are those of
/// `/proc/vmstat`.
pub(super) fn totals_are_the_kernels(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let stack = module::stack(MODULE, "")?;
    let (kernel, ours) = both(Stat::system, numa_stat::totals)?;
    let eager = Eager::new()?;
    let worker = Worker::start(3)?;
    wait_for("migrations", patience(LIMIT), || {
        Ok((numa_stat::totals()?.pages_migrated >= PLENTY).then_some(()))
    })?;
    worker.stop()?;
    let (kernel_now, ours_now) = both(Stat::system, numa_stat::totals)?;
    expect_equal(context, kernel_now.since(kernel), ours_now.since(ours))?;
    // Other tasks still have faults.
    let (totals, nodes) = both(numa_stat::totals, || numa_stat::rows("nodes", "node"))?;
    let moved: u64 = nodes.values().map(|row| row.sum("moved")).sum();
    ensure!(
        moved == totals.pages_migrated,
        "expected {} pages from node to node, got {nodes:?}",
        totals.pages_migrated
    );
    drop((worker, eager));
    stack.unload()
}

/// Tests that a huge page counts as all of its small pages.
pub(super) fn huge_pages_count_as_pages(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let huge = Path::new("/sys/kernel/mm/transparent_hugepage/enabled");
    if !huge.exists() {
        return skip("the kernel has no huge pages");
    }
    let stack = module::stack(MODULE, "")?;
    let (kernel, ours) = both(Stat::system, numa_stat::totals)?;
    let eager = Eager::new()?;
    let settings = debugfs::Settings::new(&[(huge.to_owned(), "always")])?;
    let worker = Worker::start(1)?;
    drop(settings);
    let row = migrations_of(context, &worker, 512)?;
    let (kernel_now, ours_now) = both(Stat::system, numa_stat::totals)?;
    expect_equal(context, kernel_now.since(kernel), ours_now.since(ours))?;
    ensure!(
        row.get("pages") >= 512 * row.get("migrations").min(1) && row.get("migrations") > 0,
        "expected huge pages, got {row:?}"
    );
    let average = row.sum("moved") / row.get("migrations");
    ensure!(
        average > 1,
        "expected migrations of more than a page, got {row:?}"
    );
    context.note(format!("{average} pages a migration"))?;
    let kernel = Sched::of(worker.pid())?;
    ensure!(
        row.get("migrated") == kernel.migrated && row.sum("moved") == kernel.migrated,
        "expected {} pages migrated, got {row:?}",
        kernel.migrated
    );
    drop((worker, eager));
    stack.unload()
}

/// Tests that the counts of a cgroup are those of its `memory.stat`.
pub(super) fn cgroups_are_the_kernels(context: &mut Context<'_>) -> Result<()> {
    use std::os::unix::fs::MetadataExt as _;

    need_nodes()?;
    let root = Path::new("/sys/fs/cgroup");
    let controllers = debugfs::read(root.join("cgroup.controllers")).unwrap_or_default();
    if !controllers.split_whitespace().any(|name| name == "memory") {
        return skip("the kernel has no memory controller");
    }
    let stack = module::stack(MODULE, "")?;
    debugfs::set(root.join("cgroup.subtree_control"), "+memory")?;
    let folder = root.join("numa_exact");
    std::fs::create_dir_all(&folder)?;
    let eager = Eager::new()?;
    let worker = Worker::with(&format!("--cgroup {}", folder.display()))?;
    let id = std::fs::metadata(&folder)?.ino().to_string();
    let ours = || -> Result<Stat> {
        let row = numa_stat::rows("cgroups", "cgroup")?.remove(&id);
        let row = row.unwrap_or_default();
        Ok(Stat {
            hint_faults: row.get("hint_faults"),
            pages_migrated: row.get("pages_migrated"),
            ..Stat::default()
        })
    };
    wait_for("migrations", patience(LIMIT), || {
        Ok((ours()?.pages_migrated >= PLENTY).then_some(()))
    })?;
    worker.stop()?;
    let kernel = || {
        let stat = Stat::of_cgroup(&folder)?;
        Ok(Stat {
            pte_updates: 0,
            ..stat
        })
    };
    // The kernel adds the counts of all CPUs every two seconds.
    let equal = wait_for("the kernel's sum", patience(LIMIT), || {
        let (kernel, ours) = both(kernel, ours)?;
        Ok((kernel == ours).then_some((kernel, ours)))
    });
    let (kernel, ours) = match equal {
        Ok(both) => both,
        Err(_) => both(kernel, ours)?,
    };
    expect_equal(context, kernel, ours)?;
    drop((worker, eager));
    std::fs::remove_dir(&folder).context("cannot remove the cgroup")?;
    stack.unload()
}
