// SPDX-License-Identifier: GPL-2.0

//! Tests wake-ups across nodes: `numa_stat wakeups=1` must count each wake-up for its pair of
//! tasks.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use anyhow::{bail, ensure, Context as _, Result};
use nix::unistd::{gettid, pipe, read, write};
use serde_json::Value;

use crate::suite::Context;
use crate::sys::kernel::patience;
use crate::sys::numa_stat::{self, Row, MODULE};
use crate::sys::worker::{pin, unpin};
use crate::sys::{debugfs, ftrace, module, tackle, wait_for};

use super::{need_nodes, LIMIT};

/// The library's function that is hooked for wake-ups.
pub(super) const PROBE: &str = "tackle_numa_waking_probe";

/// The name of the threads of a pair.
const THREAD: &str = "bounce";

/// How often each thread of a pair wakes the other.
const ROUNDS: u64 = 200;

/// The data that is shared by two threads that wake each other by pipes.
#[derive(Default)]
struct Shared {
    tids: [AtomicI32; 2],
    /// Set when the threads may start. Wake-ups that were counted before are not by the pipes.
    may_begin: AtomicBool,
    ready: AtomicUsize,
    finished: AtomicUsize,
    may_end: AtomicBool,
}

/// Waits until `done` without sleeping, because the wake-ups of this thread would be counted, too.
fn spin_until(done: impl Fn() -> bool) {
    while !done() {
        thread::yield_now();
    }
}

/// Waits until the task of this `/proc/PID/stat` sleeps. This allocates no memory, because
/// releasing the lock of the address space could wake up another thread.
fn await_sleep(stat: &File) -> Result<()> {
    let mut text = [0; 128];
    loop {
        let length = stat.read_at(&mut text, 0)?;
        let name_end = text[..length].iter().rposition(|&byte| byte == b')');
        let state = name_end.and_then(|end| text.get(end + 2));
        match state.context("no state in /proc/PID/stat")? {
            b'S' => return Ok(()),
            b'R' | b'D' => thread::yield_now(),
            other => bail!("the thread is in the state {}", char::from(*other)),
        }
    }
}

/// One thread of a pair. It writes only while the other thread sleeps, so that each byte causes one
/// wake-up.
fn bounce(shared: &Shared, me: usize, node: usize, pipes: [&OwnedFd; 2]) -> Result<()> {
    pin(node)?;
    shared.tids[me].store(gettid().as_raw(), SeqCst);
    let peer = || shared.tids[1 - me].load(SeqCst);
    spin_until(|| peer() != 0);
    let stat = File::open(format!("/proc/self/task/{}/stat", peer()))?;
    let [input, output] = pipes;
    let mut byte = [0];
    shared.ready.fetch_add(1, SeqCst);
    spin_until(|| shared.may_begin.load(SeqCst));
    let bounces = (0..ROUNDS).try_for_each(|_| -> Result<()> {
        if me == 1 {
            read(input, &mut byte)?;
        }
        await_sleep(&stat)?;
        write(output, &[1])?;
        if me == 0 {
            read(input, &mut byte)?;
        }
        Ok(())
    });
    shared.finished.fetch_add(1, SeqCst);
    while !shared.may_end.load(SeqCst) {
        thread::sleep(Duration::from_millis(1));
    }
    bounces
}

/// Returns the rows for wake-ups of the second node's thread by the first node's thread, and the
/// reverse.
fn ping_pong(nodes: [usize; 2]) -> Result<[Option<Row>; 2]> {
    let shared = Shared::default();
    let (there, back) = (pipe()?, pipe()?);
    thread::scope(|scope| {
        let ends = [[&back.0, &there.1], [&there.0, &back.1]];
        let shared = &shared;
        let threads = [0, 1].map(|me| {
            let (node, pipes) = (nodes[me], ends[me]);
            let body = move || bounce(shared, me, node, pipes);
            let builder = thread::Builder::new().name(THREAD.into());
            builder.spawn_scoped(scope, body).expect("no thread")
        });
        let watch = || {
            wait_for("both threads", LIMIT, || {
                Ok((shared.ready.load(SeqCst) == 2).then_some(()))
            })?;
            debugfs::set(debugfs::tackle("numa_stat/reset"), "1")?;
            shared.may_begin.store(true, SeqCst);
            wait_for("the pipes", patience(LIMIT), || {
                Ok((shared.finished.load(SeqCst) == 2).then_some(()))
            })?;
            numa_stat::lines("wakeups")
        };
        let rows = watch();
        shared.may_begin.store(true, SeqCst);
        shared.may_end.store(true, SeqCst);
        for thread in threads {
            thread.join().expect("a thread of the test has panicked")?;
        }
        let rows = rows?;
        let tid = |index: usize| shared.tids[index].load(SeqCst).to_string();
        let row = |waker: String, wakee: String| {
            let is_it = |row: &&Row| row.word("waker") == waker && row.word("wakee") == wakee;
            rows.iter().find(is_it).cloned()
        };
        Ok([row(tid(0), tid(1)), row(tid(1), tid(0))])
    })
}

/// Tests that each wake-up across nodes is counted once for its pair, and that wake-ups on one node
/// are not counted.
pub(super) fn wakeups_are_counted_by_pair(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let stack = module::stack(MODULE, "wakeups=1")?;
    ftrace::expect_enabled(PROBE)?;
    for [from, to] in [[0, 1], [1, 0]] {
        let rows = ping_pong([from, to])?;
        context.note(format!("{rows:?}"))?;
        for (row, nodes) in rows.iter().zip([[from, to], [to, from]]) {
            let row = row.as_ref().context("a pair has no row")?;
            let found = ["waker_node", "wakee_node"].map(|key| row.word(key).parse().ok());
            ensure!(
                found == nodes.map(Some) && row.get("count") == ROUNDS,
                "expected {ROUNDS} wake-ups from node {} to {}, got {row:?}",
                nodes[0],
                nodes[1]
            );
            ensure!(
                row.word("waker_comm") == THREAD && row.word("wakee_comm") == THREAD,
                "expected the names of the threads, got {row:?}"
            );
        }
    }
    for node in [0, 1] {
        let rows = ping_pong([node; 2])?;
        ensure!(
            rows == [None, None],
            "expected no row of a pair on node {node}, got {rows:?}"
        );
    }
    let text = tackle::text("numa wakeups")?;
    ensure!(
        text.contains("wake-ups were across nodes"),
        "expected the sums, got {text}"
    );
    let json: Value = serde_json::from_str(&tackle::text("numa wakeups --json")?)?;
    ensure!(json.is_array(), "expected an array, got {json}");
    stack.unload()?;
    ftrace::expect_bare(PROBE)
}

/// Tests that the oldest pair is evicted if there is no room, and that no wake-up is lost.
pub(super) fn wakeups_without_room_are_in_others(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let stack = module::stack(MODULE, "wakeups=1 wakeup_rows=16")?;
    // Each thread wakes up this thread across nodes when it ends.
    pin(0)?;
    let stat = format!("/proc/self/task/{}/stat", gettid());
    let end_elsewhere = || -> Result<()> {
        pin(1)?;
        await_sleep(&File::open(&stat)?)
    };
    let ended = (0..40).try_for_each(|_| {
        let joined = thread::scope(|scope| scope.spawn(end_elsewhere).join());
        joined.expect("a thread of the test has panicked")
    });
    unpin()?;
    ended?;
    let evicted = numa_stat::total("wakeup_pairs_evicted")?;
    ensure!(evicted > 0, "expected evicted pairs of 40, got none");
    let (across, sum) = wait_for("a moment without wake-ups", patience(LIMIT), || {
        let before = numa_stat::total("wakeups_across")?;
        let rows = numa_stat::lines("wakeups")?;
        let after = numa_stat::total("wakeups_across")?;
        ensure!(
            rows.len() <= 17,
            "expected 16 rows and others, got {rows:?}"
        );
        let sum: u64 = rows.iter().map(|row| row.get("count")).sum();
        Ok((before == after && sum == after).then_some((after, sum)))
    })?;
    context.note(format!(
        "{across} wake-ups, {sum} in rows, {evicted} pairs evicted"
    ))?;
    stack.unload()
}

/// Tests that wake-ups are not hooked by default.
pub(super) fn wakeups_are_off_by_default(_: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let stack = module::stack(MODULE, "")?;
    ftrace::expect_bare(PROBE)?;
    ensure!(
        !debugfs::tackle("numa_stat/wakeups").exists(),
        "there is a file wakeups"
    );
    let total = debugfs::read(debugfs::tackle("numa_stat/total"))?;
    ensure!(!total.contains("wakeups"), "there are wake-ups in {total}");
    tackle::expect_refusal(
        &format!("{} numa wakeups", tackle::PROGRAM),
        "modprobe numa_stat wakeups=1",
    )?;
    stack.unload()
}
