// SPDX-License-Identifier: GPL-2.0

//! Tests many tasks that begin and end while the statistics are read and reset.

use std::hint::black_box;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::Barrier;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{ensure, Context as _, Result};

use crate::suite::{skip, Context};
use crate::sys::kernel::has_kasan;
use crate::sys::numa::{Eager, SmallPages};
use crate::sys::numa_stat::{self, MODULE};
use crate::sys::worker::Worker;
use crate::sys::{debugfs, module, rounds};

use super::need_nodes;

/// How many tasks begin and end for each of the rounds of the suite `stress`.
const TASKS_PER_ROUND: u64 = 10;
/// The default number of rounds.
const ROUNDS: u32 = 100;
/// The number of threads, with a row each, when the time to read all rows is measured.
const THREADS: usize = 10_000;
/// Each task whose number is a multiple of this is a process. The others are threads.
const PROCESSES: u64 = 50;

/// Reads all files until `done`, and resets the statistics from time to time. Returns the number of
/// reads.
fn read(done: &AtomicBool) -> Result<u64> {
    let mut reads = 0;
    while !done.load(Relaxed) {
        for (file, id) in [
            ("tasks", "pid"),
            ("processes", "tgid"),
            ("groups", "group"),
            ("cgroups", "cgroup"),
            ("nodes", "node"),
        ] {
            numa_stat::rows(file, id)?;
        }
        numa_stat::totals()?;
        reads += 1;
        thread::sleep(Duration::from_millis(100));
        if reads % 4 == 0 {
            debugfs::set(debugfs::tackle("numa_stat/reset"), "1")?;
        }
    }
    Ok(reads)
}

/// Starts tasks one after another, and waits for the end of each, until none is left to start.
fn begin_and_end(left: &AtomicU64) -> Result<()> {
    loop {
        let take = |left: u64| left.checked_sub(1);
        let Ok(number) = left.fetch_update(Relaxed, Relaxed, take) else {
            return Ok(());
        };
        if number % PROCESSES == 0 {
            let status = Command::new("true").status().context("cannot start true")?;
            ensure!(status.success(), "true has failed");
        } else {
            thread::scope(|scope| scope.spawn(|| ()).join().is_ok());
        }
    }
}

/// Tests that no row remains of many tasks that begin and end: 1,000, or with `make stress` 10,000.
pub fn tasks_come_and_go_while_rows_are_read(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let stack = module::stack(MODULE, "memory_kib=512")?;
    let eager = Eager::new()?;
    let worker = Worker::start(4)?;
    let tasks = TASKS_PER_ROUND * u64::from(rounds::or(ROUNDS)?);
    let (left, done) = (AtomicU64::new(tasks), AtomicBool::new(false));
    let reads = thread::scope(|scope| -> Result<u64> {
        let reader = scope.spawn(|| read(&done));
        let makers = [(); 3].map(|()| scope.spawn(|| begin_and_end(&left)));
        // Print a line from time to time, so that the runner does not take the guest for one that
        // hangs.
        while !makers.iter().all(ScopedJoinHandle::is_finished) {
            thread::sleep(Duration::from_secs(5));
            context.note(format!("{} tasks to go", left.load(Relaxed)))?;
        }
        let made: Vec<_> = makers.into_iter().map(ScopedJoinHandle::join).collect();
        done.store(true, Relaxed);
        let reads = reader.join();
        for maker in made {
            maker.expect("a thread of the test has panicked")?;
        }
        reads.expect("a thread of the test has panicked")
    })?;
    context.note(format!("{tasks} tasks, {reads} reads"))?;
    ensure!(reads > 0, "nothing was read");
    drop((worker, eager));
    let room = numa_stat::total("room")?;
    let rows = numa_stat::total("rows")?;
    context.note(format!("{rows} rows of {room} are left"))?;
    ensure!(
        rows <= 64,
        "expected the rows of tasks that live, got {rows}"
    );
    stack.unload()
}

const PAGE: usize = 4096;

/// Tests that 10,000 running threads have a row each. The time to read the rows is a figure of the
/// test.
pub fn ten_thousand_rows_are_read(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    if has_kasan() {
        return skip("ten thousand threads take long with KASAN");
    }
    let stack = module::stack(MODULE, "memory_kib=65536")?;
    let rig = module::load("numa_bench", "")?;
    let small = SmallPages::new()?;
    let threads = THREADS;
    let memory = vec![1u8; (threads + 1) * PAGE];
    let address = memory.as_ptr().addr();
    let start = address.next_multiple_of(PAGE);
    let pages = &memory[start - address..][..threads * PAGE];
    // The barriers are for three moments: all threads have started, all have touched their page,
    // and all may end.
    let barriers = [(); 3].map(|()| Barrier::new(threads + 1));
    thread::scope(|scope| -> Result<()> {
        for page in pages.chunks_exact(PAGE) {
            let barriers = &barriers;
            let body = move || {
                barriers[0].wait();
                black_box(page[0]);
                barriers[1].wait();
                barriers[2].wait();
            };
            thread::Builder::new()
                .stack_size(16 << 10)
                .spawn_scoped(scope, body)
                .context("cannot start a thread")?;
        }
        let line = format!("{start:x} {:x}", pages.len());
        let marked = debugfs::set("/sys/kernel/debug/numa_bench", &line);
        barriers[0].wait();
        barriers[1].wait();
        let begin = Instant::now();
        let text = debugfs::read(debugfs::tackle("numa_stat/tasks"));
        let elapsed = begin.elapsed();
        barriers[2].wait();
        marked?;
        let text = text?;
        let rows = text.lines().count();
        context.note(format!(
            "{rows} rows, {} bytes in {} ms",
            text.len(),
            elapsed.as_millis()
        ))?;
        ensure!(
            rows >= threads,
            "expected {threads} rows, got {rows}; {} evicted",
            numa_stat::total("evicted")?
        );
        Ok(())
    })?;
    drop(small);
    rig.unload()?;
    stack.unload()
}
