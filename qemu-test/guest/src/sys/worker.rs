// SPDX-License-Identifier: GPL-2.0

//! Implements a process whose memory is on one node while it runs on another node, so that NUMA
//! balancing has an effect. The program starts itself as this process.

use std::fs;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{id, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};
use nix::sched::{sched_setaffinity, CpuSet};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use tackle_arena::arena;
use tackle_pages::{Pages, Size};

use super::cmd::{self, Kept};
use super::{debugfs, numa, wait_for};

const PAGE: usize = 4096;

/// What the worker does.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Memory, in MiB
    #[arg(long, default_value_t = 64)]
    mib: usize,
    /// Node that gets the memory
    #[arg(long, default_value_t = 1)]
    memory: usize,
    /// Huge pages of hugetlbfs on the same node, in MiB; the first thread uses them
    #[arg(long, default_value_t = 0)]
    huge_mib: usize,
    /// Node that runs the threads
    #[arg(long, default_value_t = 0)]
    run: usize,
    /// Threads that share the memory out among them
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Enter this cgroup first
    #[arg(long)]
    cgroup: Option<PathBuf>,
    /// Run on any node, beginning with that of `run`
    #[arg(long)]
    free: bool,
    /// Have another process do it
    #[arg(long)]
    fork: bool,
    /// At SIGUSR1 the second thread ends
    #[arg(long)]
    first_ends: bool,
    /// At SIGUSR1 execute sleep
    #[arg(long)]
    then_exec: bool,
    /// Seconds to run for; ended before by the program that started it
    #[arg(long, default_value_t = 900)]
    seconds: u64,
}

/// Runs as the worker: touches its memory for the given time.
///
/// # Errors
///
/// There is no such node, or the memory does not fit there.
pub fn work(args: &Args) -> Result<()> {
    if let Some(folder) = &args.cgroup {
        debugfs::set(folder.join("cgroup.procs"), "0")?;
    }
    if args.fork {
        let program = std::env::current_exe()?;
        // A line of input starts the process.
        std::io::stdin().lines().next();
        // `uid()` makes this use fork(), as in `Worker::under()`.
        let child = Command::new(program).uid(0).arg("numa-worker").spawn()?;
        return Ok(Kept(child).0.wait().map(|_| ())?);
    }
    let signalled = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGUSR1, signalled.clone())?;
    // With the default memory policy, a page is allocated on the node of the processor that touches
    // it first. Another policy could keep the kernel from balancing it.
    let has_cpu = numa::nodes_that("has_cpu")?.contains(&args.memory);
    pin(if has_cpu { args.memory } else { args.run })?;
    let mut memory = vec![0u8; args.mib << 20];
    touch(&mut memory);
    let huge = huge_pages(args.huge_mib)?;
    let huge = huge.as_ref().map_or(&[][..], Pages::words);
    touch_words(huge);
    if !has_cpu {
        // This calls `migrate_pages(2)`, which does not change the memory policy.
        cmd::run(&format!("migratepages {} all {}", id(), args.memory))?;
    }
    let pages = numa::pages(id())?;
    let there = pages.get(args.memory).copied().unwrap_or_default();
    // Some pages may be elsewhere, since balancing may have begun.
    ensure!(
        there >= (memory.len() / PAGE / 2) as u64,
        "expected the memory on node {}, got pages on each node of {pages:?}",
        args.memory
    );
    if args.free {
        // The worker starts on this node.
        pin(args.run)?;
        unpin()?;
    } else {
        pin(args.run)?;
    }
    println!("ready {}", id());
    let end = Instant::now() + Duration::from_secs(args.seconds);
    let share = memory.len().div_ceil(args.threads.max(1));
    thread::scope(|scope| {
        let mut parts = memory.chunks_mut(share);
        // One part is for this thread, so that the main thread of the process has faults, too.
        let own = parts.next();
        let mut ends = args.first_ends.then(|| signalled.clone());
        for part in parts {
            let stop = ends.take();
            scope.spawn(move || touch_until(part, &[], end, stop.as_deref()));
        }
        if let Some(part) = own {
            let stop = args.then_exec.then_some(&*signalled);
            touch_until(part, huge, end, stop);
        }
    });
    if args.then_exec {
        let error = Command::new("sleep").arg("900").exec();
        return Err(error).context("cannot execute sleep");
    }
    Ok(())
}

/// Lets this thread run on all processors.
///
/// # Errors
///
/// sysfs cannot be read.
pub fn unpin() -> Result<()> {
    unpin_thread(Pid::from_raw(0))
}

fn unpin_thread(thread: Pid) -> Result<()> {
    let mut cpus = CpuSet::new();
    for cpu in numa::online_cpus()? {
        cpus.set(cpu)?;
    }
    sched_setaffinity(thread, &cpus).context("cannot let a thread run on all processors")
}

/// Maps this number of MiB of huge pages. Returns `None` for 0.
fn huge_pages(mib: usize) -> Result<Option<Pages>> {
    if mib == 0 {
        return Ok(None);
    }
    let address = arena(0).context("there is no arena")?;
    let pages = Pages::map(address as usize, mib << 20, Size::Huge);
    let pages = pages.with_context(|| format!("cannot map {mib} MiB of huge pages"))?;
    Ok(Some(pages))
}

/// Touches memory and huge pages until `end`, or until `stop` is set.
fn touch_until(memory: &mut [u8], huge: &[AtomicU64], end: Instant, stop: Option<&AtomicBool>) {
    while Instant::now() < end && !stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
        touch(memory);
        touch_words(huge);
    }
}

/// Does the same as [`touch`] for memory of atomic words.
fn touch_words(words: &[AtomicU64]) {
    for page in words.chunks(PAGE / size_of::<AtomicU64>()) {
        page[0].fetch_add(1, Ordering::Relaxed);
    }
}

fn touch(memory: &mut [u8]) {
    for page in memory.chunks_mut(PAGE) {
        page[0] = page[0].wrapping_add(1);
    }
    black_box(memory);
}

/// Binds this thread, and those that it starts, to a processor of a node.
///
/// # Errors
///
/// The node has no processor.
pub fn pin(node: usize) -> Result<()> {
    pin_thread(Pid::from_raw(0), node)
}

fn pin_thread(thread: Pid, node: usize) -> Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(numa::cpu_of(node)?)?;
    sched_setaffinity(thread, &cpus).with_context(|| format!("cannot run on node {node}"))
}

/// A worker, for its parent. It is killed when this is dropped.
pub struct Worker {
    child: Kept,
    /// The process that works: the child, or a process that the child has started.
    pid: u32,
}

impl Worker {
    /// Starts a worker with 64 MiB on node 1 that runs on node 0, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// The program cannot be started again, or ends too early.
    pub fn start(threads: usize) -> Result<Self> {
        Self::with(&format!("--threads {threads}"))
    }

    /// Does the same as [`Worker::start`] with other [`Args`].
    ///
    /// # Errors
    ///
    /// See [`Worker::start`].
    pub fn with(args: &str) -> Result<Self> {
        Self::under(&[], args)
    }

    /// Does the same as [`Worker::with`], with all memory bound to a node.
    ///
    /// # Errors
    ///
    /// See [`Worker::start`].
    pub fn bound(node: usize, args: &str) -> Result<Self> {
        Self::under(&["numactl", &format!("--membind={node}")], args)
    }

    /// Does the same as [`Worker::with`], executed by a program with its arguments, such as
    /// `numactl`.
    ///
    /// # Errors
    ///
    /// See [`Worker::start`].
    fn under(first: &[&str], args: &str) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find the program itself")?;
        let mut command = match first {
            [] => Command::new(program),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        // uid() makes the standard library use fork(). Otherwise it uses posix_spawn(), whose
        // child shares the address space until execve() and inherits this process's preferred node.
        let child = command
            .uid(0)
            .arg("numa-worker")
            .args(args.split_whitespace())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the worker")?;
        let pid = child.id();
        let mut this = Self {
            child: Kept(child),
            pid,
        };
        if !args.contains("--fork") {
            this.await_ready()?;
        }
        Ok(this)
    }

    /// Lets a worker with `--fork` start its process.
    ///
    /// # Errors
    ///
    /// The worker has ended.
    pub fn fork(&mut self) -> Result<()> {
        let input = self
            .child
            .0
            .stdin
            .as_mut()
            .context("no input of the worker")?;
        writeln!(input)?;
        self.await_ready()
    }

    fn await_ready(&mut self) -> Result<()> {
        let output = self
            .child
            .0
            .stdout
            .as_mut()
            .context("no output of the worker")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let Some(("ready", pid)) = line.trim().split_once(' ') else {
            bail!("the worker ended before it was ready");
        };
        self.pid = pid.parse()?;
        Ok(())
    }

    /// Returns the ID of the process that works.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns the ID of the process that was started.
    pub fn parent(&self) -> u32 {
        self.child.0.id()
    }

    /// Lets the worker's first thread run on all processors.
    ///
    /// # Errors
    ///
    /// The worker has ended.
    pub fn unpin(&self) -> Result<()> {
        unpin_thread(Pid::from_raw(self.pid() as i32))
    }

    /// Binds the worker's first thread to a processor of a node.
    ///
    /// # Errors
    ///
    /// The worker has ended, or the node has no processor.
    pub fn pin(&self, node: usize) -> Result<()> {
        pin_thread(Pid::from_raw(self.pid() as i32), node)
    }

    /// Stops the worker, so that its counts do not change.
    ///
    /// # Errors
    ///
    /// The worker does not stop.
    pub fn stop(&self) -> Result<()> {
        kill(Pid::from_raw(self.pid() as i32), Signal::SIGSTOP)?;
        let mut running = Vec::new();
        let stopped = wait_for("the worker to stop", Duration::from_secs(30), || {
            running.clear();
            // The threads stop one by one, so wait for each.
            for thread in fs::read_dir(format!("/proc/{}/task", self.pid()))? {
                let fields = numa::task_stat(thread?.path().join("stat"))?;
                if !fields.starts_with('T') {
                    running.push(fields);
                }
            }
            Ok(running.is_empty().then_some(()))
        });
        stopped.with_context(|| format!("still running: {running:?}"))
    }

    /// Sends SIGUSR1 to the worker, which `--first-ends` and `--then-exec` wait for.
    ///
    /// # Errors
    ///
    /// The worker has ended.
    pub fn end_first(&self) -> Result<()> {
        kill(Pid::from_raw(self.pid() as i32), Signal::SIGUSR1).context("the worker is gone")
    }

    /// Resumes the worker.
    ///
    /// # Errors
    ///
    /// The worker has ended.
    pub fn resume(&self) -> Result<()> {
        kill(Pid::from_raw(self.pid() as i32), Signal::SIGCONT).context("the worker is gone")
    }
}
