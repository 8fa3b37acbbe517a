// SPDX-License-Identifier: GPL-2.0

//! A process whose memory is on one node while it runs on another: what NUMA
//! balancing is made for. The program starts itself for that.

use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};
use nix::sched::{sched_setaffinity, CpuSet};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;

use super::cmd::Kept;
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
    /// Node that runs the threads
    #[arg(long, default_value_t = 0)]
    run: usize,
    /// Threads that share the memory out among them
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Seconds to run for; ended before by the program that started it
    #[arg(long, default_value_t = 900)]
    seconds: u64,
}

/// The worker's own part: touches its memory for the time given.
///
/// # Errors
///
/// There is no such node.
pub fn work(args: &Args) -> Result<()> {
    // With the default policy a page lands on the node of the processor that
    // touches it first. Any other policy would keep balancing away from it.
    pin(args.memory)?;
    let mut memory = vec![0u8; args.mib << 20];
    touch(&mut memory);
    pin(args.run)?;
    println!("ready");
    let end = Instant::now() + Duration::from_secs(args.seconds);
    let share = memory.len().div_ceil(args.threads.max(1));
    thread::scope(|scope| {
        let mut parts = memory.chunks_mut(share);
        // One part is for this thread: the process itself has faults too.
        let own = parts.next();
        for part in parts {
            scope.spawn(move || touch_until(part, end));
        }
        if let Some(part) = own {
            touch_until(part, end);
        }
    });
    Ok(())
}

fn touch_until(memory: &mut [u8], end: Instant) {
    while Instant::now() < end {
        touch(memory);
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
    let mut cpus = CpuSet::new();
    cpus.set(numa::cpu_of(node)?)?;
    sched_setaffinity(Pid::from_raw(0), &cpus).with_context(|| format!("cannot run on node {node}"))
}

/// A worker as its parent sees it; it ends with the value.
pub struct Worker {
    child: Kept,
}

impl Worker {
    /// Starts a worker with 64 MiB on node 1 that runs on node 0, and waits
    /// until it does.
    ///
    /// # Errors
    ///
    /// The program cannot be started again, or ends too early.
    pub fn start(threads: usize) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find the program itself")?;
        let child = Command::new(program)
            .args(["numa-worker", "--threads", &threads.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the worker")?;
        let mut child = Kept(child);
        let output = child.0.stdout.take().context("no output of the worker")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        if line.trim() != "ready" {
            bail!("the worker ended before it was ready");
        }
        Ok(Self { child })
    }

    /// Its identity.
    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// Stops it, so that its counts stand still.
    ///
    /// # Errors
    ///
    /// It does not stop.
    pub fn stop(&self) -> Result<()> {
        kill(Pid::from_raw(self.pid() as i32), Signal::SIGSTOP)?;
        let mut stat = String::new();
        let stopped = wait_for("the worker to stop", Duration::from_secs(30), || {
            stat = debugfs::read(format!("/proc/{}/stat", self.pid()))?;
            // The name before the state may have blanks and parentheses.
            let state = stat.rsplit(") ").next().unwrap_or("");
            Ok(state.starts_with('T').then_some(()))
        });
        stopped.with_context(|| format!("its state is {stat}"))
    }

    /// Lets it run again.
    ///
    /// # Errors
    ///
    /// It is gone.
    pub fn resume(&self) -> Result<()> {
        kill(Pid::from_raw(self.pid() as i32), Signal::SIGCONT).context("the worker is gone")
    }
}
