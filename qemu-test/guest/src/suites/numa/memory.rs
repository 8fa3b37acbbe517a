// SPDX-License-Identifier: GPL-2.0

//! Tests of `tackle numa unseen`, `tackle numa interrupts` and `tackle numa top` against the counts
//! of the kernel.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{ensure, Context as _, Result};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use serde::Deserialize;

use crate::suite::{skip, Context};
use crate::sys::cmd::Kept;
use crate::sys::debugfs::{self, Settings};
use crate::sys::kernel::patience;
use crate::sys::numa::{Eager, Still};
use crate::sys::numa_stat::{self, MODULE};
use crate::sys::worker::Worker;
use crate::sys::{module, tackle, wait_for};

use super::{need_nodes, LIMIT};

/// The number of pages of the worker's memory.
const PAGES: u64 = 4096;
const MIB: &str = "--mib 16 --threads 2";

#[derive(Debug, Default, Deserialize)]
struct Pages {
    pages: u64,
    nodes: BTreeMap<String, u64>,
}

/// The output of `tackle numa unseen --json`.
#[derive(Debug, Deserialize)]
struct Unseen {
    page_size: u64,
    seen: Pages,
    unseen: BTreeMap<String, Pages>,
}

impl Unseen {
    fn of(pid: u32) -> Result<Self> {
        let text = tackle::text(&format!("numa unseen --pid {pid} --json"))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Returns the number of pages that the kernel counts as memory of the process.
    fn resident(&self) -> u64 {
        let raw = ["zero_page", "device", "unmigratable"];
        let others = self.unseen.iter();
        let counted = others.filter(|(reason, _)| !raw.contains(&reason.as_str()));
        self.seen.pages + counted.map(|(_, kind)| kind.pages).sum::<u64>()
    }

    fn on(kind: Option<&Pages>, node: &str) -> u64 {
        let pages = kind.and_then(|kind| kind.nodes.get(node));
        pages.copied().unwrap_or(0)
    }
}

/// Returns the `Rss` of a process, in KiB.
fn rss_kb(pid: u32) -> Result<u64> {
    let text = debugfs::read(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
    let words = line.context("no Rss")?.split_whitespace().next();
    Ok(words.context("an empty Rss")?.parse()?)
}

/// Tests that each page of a process is in one row, and that pages with a memory policy are not
/// among those with faults.
pub(super) fn unseen_has_each_page_once(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let still = Still::new()?;
    let free = Worker::with(MIB)?;
    let bound = Worker::bound(1, MIB)?;
    for worker in [&free, &bound] {
        worker.stop()?;
        let (memory, rss) = (Unseen::of(worker.pid())?, rss_kb(worker.pid())?);
        context.note(format!("{memory:?}, {rss} KiB"))?;
        ensure!(
            memory.resident() * memory.page_size == rss << 10,
            "expected {rss} KiB in all rows, got {} pages of {}: {memory:?}",
            memory.resident(),
            memory.page_size
        );
    }
    let memory = Unseen::of(free.pid())?;
    ensure!(
        Unseen::on(Some(&memory.seen), "1") >= PAGES,
        "expected {PAGES} pages on node 1 that can have faults, got {memory:?}"
    );
    let memory = Unseen::of(bound.pid())?;
    let policy = memory.unseen.get("policy");
    ensure!(
        Unseen::on(policy, "1") >= PAGES && memory.seen.pages < 16,
        "expected {PAGES} pages on node 1 with a policy, and none with faults: {memory:?}"
    );
    drop((free, bound, still));
    Ok(())
}

const KSM: &str = "/sys/kernel/mm/ksm";

/// Returns a process with pages that KSM has merged, and their number.
fn merged() -> Result<Option<(u32, u64)>> {
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // The file is missing if the process has ended since the folder was read.
        let pages = fs::read_to_string(format!("/proc/{pid}/ksm_merging_pages"));
        match pages.ok().and_then(|pages| pages.trim().parse().ok()) {
            Some(pages) if pages > 0 => return Ok(Some((pid, pages))),
            _ => {}
        }
    }
    Ok(None)
}

/// Tests that the number of pages that KSM has merged is that of the kernel.
pub(super) fn unseen_counts_pages_of_ksm(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    if !Path::new(KSM).exists() {
        return skip("the kernel has no CONFIG_KSM");
    }
    let still = Still::new()?;
    let file = |name: &str| PathBuf::from(KSM).join(name);
    let settings = Settings::new(&[
        (file("sleep_millisecs"), "0"),
        (file("pages_to_scan"), "4096"),
        (file("run"), "1"),
    ])?;
    let words = "--vm 1 --vm-bytes 4M --vm-keep --vm-madvise mergeable --vm-method zero-one";
    let child = Command::new("stress-ng")
        .args(words.split(' '))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start stress-ng")?;
    let mut child = Kept(child);
    let (pid, _) = wait_for("pages that KSM merges", patience(LIMIT), merged)?;
    let signal =
        |signal| kill(Pid::from_raw(i32::try_from(pid)?), signal).map_err(anyhow::Error::from);
    signal(Signal::SIGSTOP)?;
    // After this, KSM merges no more pages, and the merged pages stay merged.
    debugfs::set(file("run"), "0")?;
    let counts = || -> Result<(u64, u64)> {
        let kernel = debugfs::value(format!("/proc/{pid}/ksm_merging_pages"))?;
        let memory = Unseen::of(pid)?;
        Ok((
            kernel,
            memory.unseen.get("ksm").map_or(0, |kind| kind.pages),
        ))
    };
    let compared = counts();
    // A stopped process does not end, and its parent would wait for it.
    signal(Signal::SIGCONT)?;
    kill(Pid::from_raw(i32::try_from(child.0.id())?), Signal::SIGTERM)?;
    child.0.wait()?;
    drop((child, settings, still));
    let (kernel, found) = compared?;
    context.note(format!("{found} pages of {pid}"))?;
    ensure!(
        found == kernel,
        "expected {kernel} pages merged by KSM, got {found}"
    );
    Ok(())
}

#[derive(Debug, Deserialize)]
struct Interrupt {
    irq: u32,
    count: u64,
    by_node: BTreeMap<String, u64>,
}

/// Returns how often each numbered interrupt was handled, and on how many CPUs, from
/// `/proc/interrupts`.
fn interrupts() -> Result<BTreeMap<u32, u64>> {
    let text = debugfs::read("/proc/interrupts")?;
    let cpus = text.lines().next().context("nothing")?.split_whitespace();
    let cpus = cpus.count();
    let line = |line: &str| -> Option<(u32, u64)> {
        let (irq, rest) = line.split_once(':')?;
        let counts = rest.split_whitespace().take(cpus);
        let sum = counts.map(str::parse::<u64>).sum::<Result<_, _>>();
        Some((irq.trim().parse().ok()?, sum.ok()?))
    };
    Ok(text.lines().skip(1).filter_map(line).collect())
}

/// Tests that the command shows each interrupt. The count must be between two counts of the kernel.
pub(super) fn interrupts_are_the_kernels(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let before = interrupts()?;
    let found: Vec<Interrupt> = serde_json::from_str(&tackle::text("numa interrupts --json")?)?;
    let after = interrupts()?;
    ensure!(!before.is_empty(), "the kernel has no interrupt");
    context.note(format!("{} interrupts", found.len()))?;
    let irqs: Vec<u32> = found.iter().map(|one| one.irq).collect();
    ensure!(
        irqs == before.keys().copied().collect::<Vec<_>>(),
        "expected the interrupts {:?}, got {irqs:?}",
        before.keys()
    );
    for one in &found {
        let range = before[&one.irq]..=after.get(&one.irq).copied().unwrap_or(0);
        ensure!(
            range.contains(&one.count) && one.by_node.values().sum::<u64>() == one.count,
            "expected a count in {range:?}, and its sum by node, got {one:?}"
        );
    }
    tackle::text("numa interrupts --remote").map(|_| ())
}

/// Tests that `tackle numa top` shows a task while it has faults, and does not show it when it is
/// stopped.
pub(super) fn top_shows_tasks_that_fault(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let stack = module::stack(MODULE, "")?;
    let eager = Eager::new()?;
    let worker = Worker::start(2)?;
    let pid = worker.pid();
    let words = format!("numa top --batch --count 1 --interval 1 --pid {pid}");
    let has_line = |text: &str| {
        let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
        text.lines()
            .filter_map(first)
            .any(|word| word == pid.to_string())
    };
    let shown = wait_for("the task in numa top", patience(LIMIT), || {
        let text = tackle::text(&words)?;
        Ok(has_line(&text).then_some(text))
    })?;
    context.note(
        shown
            .lines()
            .find(|line| has_line(line))
            .unwrap_or_default(),
    )?;
    ensure!(shown.contains("tackle-guest"), "no name: {shown}");
    ensure!(numa_stat::task(pid)?.is_some(), "the task has no row");
    worker.stop()?;
    let text = tackle::text(&words)?;
    ensure!(!has_line(&text), "expected no line of {pid}, got {text}");
    tackle::expect_refusal(
        &format!(
            "{} numa top --batch --count 1 --pid 4000000",
            tackle::PROGRAM
        ),
        "4000000",
    )?;
    drop((worker, eager));
    stack.unload()
}
