// SPDX-License-Identifier: GPL-2.0

//! Implements a process with memory that the module `numa_bench` makes fault. It touches the memory
//! page by page, and measures the time of each fault. It also measures the time of scans of its
//! memory, and of wake-ups.
//!
//! It is a separate process, which is started after the delay of scans was increased. The kernel
//! still scans processes that are older.

use std::fs::OpenOptions;
use std::hint::black_box;
use std::io::{stdin, BufRead, BufReader, Write};
use std::os::unix::fs::FileExt as _;
use std::process::{id, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};
use nix::unistd::{pipe, read, write};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::sys::cmd::{self, Kept};
use crate::sys::debugfs;
use crate::sys::numa::Stat;

/// Pages that are touched in a round.
pub const PAGES: usize = 512;

/// The number of scans, whose median time counts, or of wake-ups, whose minimum time counts.
const TIMES: usize = 128;
/// The lines of input that make the process scan itself or wake up a thread.
const SCAN: &str = "scan";
const WAKE: &str = "wake";

const PAGE: usize = 4096;
const RIG: &str = "/sys/kernel/debug/numa_bench";

/// The result of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    /// The number of hinting faults.
    pub faults: u64,
    /// The number of hinting faults for memory on the node of the CPU.
    pub local: u64,
    /// The number of pages that were migrated.
    pub migrated: u64,
    /// The median time of a fault, in nanoseconds.
    pub ns: u64,
}

/// Runs as the process: does a round for each line of its standard input.
///
/// # Errors
///
/// The module is not loaded.
pub fn work() -> Result<()> {
    let memory = vec![1u8; (PAGES + 1) * PAGE];
    let address = memory.as_ptr().addr();
    let start = address.next_multiple_of(PAGE);
    let memory = &memory[start - address..][..PAGES * PAGE];
    // The kernel makes no hinting faults for memory on its own node if the process has only one
    // thread.
    thread::spawn(|| loop {
        thread::park();
    });
    let mut times = vec![0; PAGES];
    for line in stdin().lines() {
        match &*line? {
            SCAN => {
                println!("{}", scans()?);
                continue;
            }
            WAKE => {
                println!("{}", wakeups()?);
                continue;
            }
            _ => {}
        }
        debugfs::set(RIG, &format!("{start:x} {:x}", memory.len()))?;
        let before = Stat::system()?;
        let with_fault = touch(memory, &mut times);
        let stat = Stat::system()?.since(before);
        let without = touch(memory, &mut times);
        let touched = Touched {
            faults: stat.hint_faults,
            local: stat.hint_faults_local,
            migrated: stat.pages_migrated,
            ns: with_fault - without,
        };
        println!("{}", serde_json::to_string(&touched)?);
    }
    Ok(())
}

/// Returns the median time of a page's first read, in nanoseconds. Most faults take the same time.
/// Faults with a timer tick, and faults with work for many pages, take longer.
///
/// The pages are only read, because writing to a migrated page would cause another fault.
#[inline(never)]
fn touch(memory: &[u8], times: &mut [u64]) -> u64 {
    for (page, time) in memory.chunks_exact(PAGE).zip(&mut *times) {
        let start = Instant::now();
        black_box(page[0]);
        *time = start.elapsed().as_nanos() as u64;
    }
    median(times)
}

fn median(times: &mut [u64]) -> u64 {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Returns the median time of a scan, in nanoseconds, a system call included. The first scans change
/// page tables. The later ones go over all VMAs and skip each, since it was scanned not long ago.
fn scans() -> Result<u64> {
    let rig = OpenOptions::new().write(true).open(RIG)?;
    let mut times = vec![0; TIMES];
    for time in &mut times {
        let start = Instant::now();
        rig.write_at(SCAN.as_bytes(), 0)?;
        *time = start.elapsed().as_nanos() as u64;
    }
    Ok(median(&mut times))
}

/// Returns half of the least time in which two threads of the only CPU wake each other by pipes, in
/// nanoseconds. That is a wake-up, a switch of threads and two system calls. Both threads have the
/// same real-time priority, so the woken thread runs when the other one waits, and never before.
fn wakeups() -> Result<u64> {
    let (there, back) = (pipe()?, pipe()?);
    let mut times = vec![0; TIMES];
    thread::scope(|scope| -> Result<()> {
        let echo = scope.spawn(|| -> Result<()> {
            let mut byte = [0];
            for _ in 0..TIMES {
                read(&there.0, &mut byte)?;
                write(&back.1, &byte)?;
            }
            Ok(())
        });
        cmd::run(&format!("chrt --fifo --all-tasks --pid 10 {}", id()))?;
        let mut byte = [0];
        for time in &mut times {
            let start = Instant::now();
            write(&there.1, &byte)?;
            read(&back.0, &mut byte)?;
            *time = start.elapsed().as_nanos() as u64;
        }
        echo.join().expect("the thread has panicked")
    })?;
    cmd::run(&format!("chrt --other --all-tasks --pid 0 {}", id()))?;
    // Longer times include a timer tick.
    Ok(times.into_iter().min().unwrap_or_default() / 2)
}

/// The process, for its parent. It is killed when this is dropped.
pub struct Toucher {
    child: Kept,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Toucher {
    /// Starts the process.
    ///
    /// # Errors
    ///
    /// The program cannot be started again.
    pub fn start() -> Result<Self> {
        let program = std::env::current_exe().context("cannot find the program itself")?;
        let mut child = Command::new(program)
            .arg("numa-toucher")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the process that touches memory")?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        Ok(Self {
            child: Kept(child),
            input: input.context("no input")?,
            output: BufReader::new(output.context("no output")?),
        })
    }

    /// Returns the ID of the process.
    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// Touches the memory.
    ///
    /// # Errors
    ///
    /// The process has ended.
    pub fn touch(&mut self) -> Result<Touched> {
        self.ask("")
    }

    /// Returns the time of a scan, in nanoseconds.
    ///
    /// # Errors
    ///
    /// The process has ended.
    pub fn scan(&mut self) -> Result<u64> {
        self.ask(SCAN)
    }

    /// Returns the time of a wake-up, in nanoseconds.
    ///
    /// # Errors
    ///
    /// The process has ended.
    pub fn wake(&mut self) -> Result<u64> {
        self.ask(WAKE)
    }

    fn ask<T: DeserializeOwned>(&mut self, what: &str) -> Result<T> {
        writeln!(self.input, "{what}").context("the process that touches memory has ended")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        serde_json::from_str(&line)
            .with_context(|| format!("the process that touches memory wrote {line:?}"))
    }
}
