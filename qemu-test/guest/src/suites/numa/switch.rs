// SPDX-License-Identifier: GPL-2.0

//! Tests `numa_control`: balancing for some tasks only, and preferred nodes that are fixed.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{ensure, Context as _, Result};
use nix::errno::Errno;

use crate::suite::Context;
use crate::sys::kernel::patience;
use crate::sys::numa::{self, Eager, Sched};
use crate::sys::worker::Worker;
use crate::sys::{debugfs, ftrace, module, numa_stat, wait_for};

use super::{await_scans, need_nodes, scans, LIMIT};

const MODULE: &str = "numa_control";
/// The functions that it overrides.
const HOOKED: [&str; 2] = ["task_numa_work", "sched_setnuma"];

/// Arguments of a second worker, which runs on the CPU that the first one does not use.
const ELSEWHERE: &str = "--memory 0 --run 1";

fn set(file: &str, line: &str) -> Result<()> {
    let path = debugfs::tackle(&format!("{MODULE}/{file}"));
    debugfs::set(path, line).with_context(|| format!("'{line}': {}", read("error")))
}

fn read(file: &str) -> String {
    let text = debugfs::read(debugfs::tackle(&format!("{MODULE}/{file}"))).unwrap_or_default();
    text.lines().flat_map(|line| [line, "\n"]).collect()
}

fn expect_rules(expected: &str) -> Result<()> {
    let rules = read("switch");
    ensure!(
        rules == expected,
        "expected the rules {expected:?}, got {rules:?}"
    );
    Ok(())
}

/// Running time in which the kernel queues at least two scans of a task. The longest period between
/// two scans is 200 ms (see [`Eager`]).
const SKIPPED: Duration = Duration::from_millis(500);

/// Waits until a worker has run for this time.
fn await_running_time(worker: &Worker, time: Duration) -> Result<()> {
    let running = || -> Result<f64> {
        let text = debugfs::read(format!("/proc/{}/sched", worker.pid()))?;
        numa::sched_value(&text, "se.sum_exec_runtime")
    };
    // The value is in milliseconds.
    let end = running()? + time.as_secs_f64() * 1e3;
    wait_for("running time", patience(LIMIT), || {
        Ok((running()? >= end).then_some(()))
    })
}

/// Checks that one worker is scanned, and the others are not. A scan that is already queued may
/// still run, and faults of the previous scan may follow.
fn expect_scans(context: &mut Context<'_>, of: &Worker, not_of: &[&Worker]) -> Result<()> {
    await_scans(of)?;
    let state = |worker: &&Worker| Sched::of(worker.pid());
    let before = not_of.iter().map(state).collect::<Result<Vec<_>>>()?;
    await_scans(of)?;
    let after = not_of.iter().map(state).collect::<Result<Vec<_>>>()?;
    context.note(format!("{after:?}"))?;
    ensure!(
        before == after,
        "expected no scan and no fault, got {before:?}, then {after:?}"
    );
    Ok(())
}

/// Starts a worker with two threads, so that local memory is scanned, too.
fn worker(args: &str) -> Result<Worker> {
    Worker::with(&format!("--threads 2 --mib 16 {args}"))
}

pub(super) fn a_cgroup_is_not_scanned(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let stack = module::stack(MODULE, "")?;
    let root = Path::new("/sys/fs/cgroup");
    let (outer, inner) = (root.join("numa_off"), root.join("numa_off/below"));
    fs::create_dir_all(&inner)?;
    let eager = Eager::new()?;
    let inside = worker(&format!("--cgroup {}", inner.display()))?;
    let outside = worker(ELSEWHERE)?;
    await_scans(&inside)?;
    set("switch", "off cgroup=/numa_off")?;
    expect_rules("off cgroup=/numa_off\n")?;
    expect_scans(context, &outside, &[&inside])?;
    // The rule of the innermost cgroup applies.
    set("switch", "on cgroup=/numa_off/below")?;
    expect_rules("off cgroup=/numa_off\non cgroup=/numa_off/below\n")?;
    await_scans(&inside)?;
    set("switch", "clear cgroup=/numa_off/below")?;
    expect_scans(context, &outside, &[&inside])?;
    set("switch", "on cgroup=/numa_off")?;
    expect_rules("")?;
    await_scans(&inside)?;
    drop((inside, outside, eager));
    fs::remove_dir(&inner)?;
    fs::remove_dir(&outer)?;
    stack.unload()
}

pub(super) fn a_process_and_its_children_are_not_scanned(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let stack = module::stack(MODULE, "")?;
    let eager = Eager::new()?;
    let outside = worker(ELSEWHERE)?;
    let mut parent = Worker::with("--fork")?;
    let tgid = parent.parent();
    set("switch", &format!("off tgid={tgid}"))?;
    parent.fork()?;
    ensure!(parent.pid() != tgid, "the worker has no child");
    expect_scans(context, &outside, &[&parent])?;
    let seen = scans(&parent)?;
    ensure!(seen == 0, "expected no scan of the child, got {seen}");
    set("switch", &format!("on tgid={tgid}"))?;
    expect_rules("")?;
    await_scans(&parent)?;
    drop((parent, outside, eager));
    stack.unload()
}

pub(super) fn all_but_one_are_not_scanned(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let stack = module::stack(MODULE, "")?;
    let eager = Eager::new()?;
    let (one, other) = (worker("")?, worker(ELSEWHERE)?);
    set("switch", "off all")?;
    set("switch", &format!("on tgid={}", one.pid()))?;
    expect_scans(context, &one, &[&other])?;
    // The rule of a thread takes precedence over that of its process, and is removed when the
    // thread ends.
    set("switch", &format!("on pid={}", other.pid()))?;
    await_scans(&other)?;
    let pid = other.pid();
    ensure!(
        read("switch").contains(&format!("on pid={pid}\n")),
        "no rule of the thread"
    );
    drop(other);
    wait_for("the rule to go", patience(LIMIT), || {
        Ok((!read("switch").contains(&format!("on pid={pid}\n"))).then_some(()))
    })?;
    drop((one, eager));
    stack.unload()
}

pub(super) fn without_the_module_all_are_scanned(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let library = module::library()?;
    let eager = Eager::new()?;
    let worker = worker("")?;
    for _ in 0..2 {
        let module = module::load(MODULE, "")?;
        set("switch", "off all")?;
        // The kernel skips scans during this time. It must be able to queue scans again.
        await_running_time(&worker, SKIPPED)?;
        let before = scans(&worker)?;
        module.unload()?;
        await_scans(&worker)?;
        context.note(format!("{before} scans, then {}", scans(&worker)?))?;
    }
    drop((worker, eager));
    HOOKED
        .iter()
        .try_for_each(|name| ftrace::expect_bare(name))?;
    library.unload()
}

pub(super) fn a_rule_outlives_its_process(_: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let stack = module::stack(MODULE, "")?;
    let (gone, stays) = (Worker::start(1)?, Worker::start(1)?);
    let tgid = gone.pid();
    set("switch", &format!("off tgid={tgid}"))?;
    set("switch", &format!("off pid={}", stays.pid()))?;
    drop(gone);
    expect_rules(&format!("off tgid={tgid}\noff pid={}\n", stays.pid()))?;
    set("switch", &format!("clear tgid={tgid}"))?;
    // The second time, there is neither a rule nor a process.
    let answer = debugfs::write(
        debugfs::tackle(&format!("{MODULE}/switch")),
        &format!("clear tgid={tgid}"),
    )?;
    ensure!(
        answer == Err(Errno::ESRCH),
        "expected ESRCH, got {answer:?}"
    );
    drop(stays);
    wait_for("the rule of the thread to go", patience(LIMIT), || {
        Ok(read("switch").is_empty().then_some(()))
    })?;
    stack.unload()
}

/// Tests that a node is kept, also if `numa_stat` hooks the same functions and is loaded before or
/// after.
pub(super) fn a_node_is_kept(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let library = module::library()?;
    let eager = Eager::new()?;
    for order in [[MODULE, numa_stat::MODULE], [numa_stat::MODULE, MODULE]] {
        let modules = [module::load(order[0], "")?, module::load(order[1], "")?];
        let worker = worker("--free --memory 0")?;
        keeps_its_node(context, &worker)?;
        drop(worker);
        wait_for("the task to be forgotten", patience(LIMIT), || {
            Ok(read("prefer").is_empty().then_some(()))
        })?;
        for module in modules {
            module.unload()?;
        }
    }
    drop(eager);
    library.unload()
}

fn keeps_its_node(context: &mut Context<'_>, worker: &Worker) -> Result<()> {
    let pid = worker.pid();
    let changes = || -> Result<u64> {
        let row = numa_stat::task(pid)?;
        Ok(row.map_or(0, |row| row.get("preferred_changes")))
    };
    // After this, the kernel does not change the preferred node.
    set("prefer", &format!("{pid} 1"))?;
    let before = changes()?;
    for node in [1, 0, 1] {
        set("prefer", &format!("{pid} {node}"))?;
        let expected = format!("pid={pid} node={node}\n");
        ensure!(
            read("prefer") == expected,
            "expected {expected:?}, got {:?}",
            read("prefer")
        );
        await_scans(worker)?;
        let now = Sched::of(pid)?.preferred;
        ensure!(
            now == Some(node),
            "expected node {node} to be kept, got {now:?}"
        );
    }
    context.note(format!("{:?}", Sched::of(pid)?))?;
    if let Some(row) = numa_stat::task(pid)? {
        ensure!(
            row.word("preferred") == "1" && row.get("preferred_changes") == before + 2,
            "expected node 1 after two changes more than {before}, got {row:?}"
        );
    }
    set("prefer", &format!("{pid} none"))?;
    ensure!(read("prefer").is_empty(), "a node is still kept");
    set("prefer", &format!("{pid} 1"))
}

pub(super) fn bad_lines_change_nothing(_: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let stack = module::stack(MODULE, "")?;
    let pinned = Worker::start(1)?;
    let pid = pinned.pid();
    let long = format!("off cgroup=/{}", "x".repeat(4200));
    let elsewhere = format!("{pid} 1");
    let cases: &[(&str, &str, Errno, &str)] = &[
        ("switch", "off", Errno::EINVAL, "not 'on TASKS'"),
        ("switch", "stop pid=1", Errno::EINVAL, "the first word"),
        ("switch", "off pid=0", Errno::EINVAL, "not a number above 0"),
        ("switch", "off cgroup=a", Errno::EINVAL, "begins with /"),
        ("switch", "off pid=4000000", Errno::ESRCH, "no task 4000000"),
        (
            "switch",
            "off tgid=4000000",
            Errno::ESRCH,
            "no such process",
        ),
        (
            "switch",
            "off cgroup=/none",
            Errno::ENOENT,
            "no such cgroup",
        ),
        ("switch", &long, Errno::E2BIG, "at most"),
        ("switch", "off \u{0}", Errno::EINVAL, "not text"),
        ("prefer", "1", Errno::EINVAL, "not 'PID NODE'"),
        ("prefer", "1 x", Errno::EINVAL, "no number"),
        ("prefer", "4000000 0", Errno::ESRCH, "no task"),
        ("prefer", "2 0", Errno::ESRCH, "no address space"),
        ("prefer", "1 2", Errno::ENXIO, "node 2 is not online"),
        ("prefer", "1 99999999999", Errno::ENXIO, "not online"),
        ("prefer", &elsewhere, Errno::EPERM, "may not run"),
    ];
    for (file, line, errno, why) in cases {
        let answer = debugfs::write(debugfs::tackle(&format!("{MODULE}/{file}")), line)?;
        ensure!(
            answer == Err(*errno),
            "'{line}': expected {errno:?}, got {answer:?}"
        );
        let error = read("error");
        ensure!(
            error.contains(why) && error.lines().count() == 1,
            "'{line}': expected a line with {why:?}, got {error:?}"
        );
    }
    expect_rules("")?;
    ensure!(read("prefer").is_empty(), "a node is kept");
    set("switch", "off all")?;
    ensure!(read("error").is_empty(), "the error stays");
    drop(pinned);
    stack.unload()
}
