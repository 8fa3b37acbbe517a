// SPDX-License-Identifier: GPL-2.0

//! What the suites and the demonstration need from the system.

pub mod bench;
pub mod bpf;
pub mod cmd;
pub mod codel;
pub mod counts;
pub mod debugfs;
pub mod dummy;
pub mod fault;
pub mod frame;
pub mod ftrace;
pub mod injector;
pub mod kernel;
pub mod kmemleak;
pub mod kmsg;
pub mod kprobe;
pub mod kunit;
pub mod link;
pub mod livepatch;
pub mod meter;
pub mod module;
pub mod numa;
pub mod numa_balance;
pub mod numa_stat;
pub mod perf;
pub mod placement;
pub mod qdisc;
pub mod rounds;
pub mod slab;
pub mod tackle;
pub mod taint;
pub mod tdc;
pub mod tun;
pub mod twins;
pub mod worker;

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{bail, Result};
use nix::errno::Errno;

/// What the kernel answered to something that a test may expect to fail. An
/// `anyhow::Result<Answer>` tells such an answer from not having been able to
/// ask.
pub type Answer<T = ()> = Result<T, Errno>;

/// Asks again and again until `done` answers with a value, 20 times a second.
///
/// # Errors
///
/// `limit` went by, the message names `what`; or the error of `done`.
pub fn wait_for<T>(
    what: &str,
    limit: Duration,
    done: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    wait_often(what, Duration::from_millis(50), limit, done)
}

/// How often a wait is told to the host, which takes a silent guest for one that hangs.
const WORD: Duration = Duration::from_secs(10);

/// Does what [`wait_for`] does, with `pause` between two questions.
///
/// # Errors
///
/// See [`wait_for`].
pub fn wait_often<T>(
    what: &str,
    pause: Duration,
    limit: Duration,
    mut done: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    let mut next_word = WORD;
    loop {
        // A guest that stands still asks once more when it goes on.
        let late = start.elapsed() >= limit;
        if let Some(value) = done()? {
            return Ok(value);
        }
        if late {
            bail!("waited {} s for {what}", limit.as_secs());
        }
        if start.elapsed() >= next_word {
            next_word = start.elapsed() + WORD;
            kmsg::still_waits(what);
        }
        sleep(pause);
    }
}

/// Checks that the kernel refused `what` with this error number.
///
/// # Errors
///
/// It did not refuse, or with another number.
pub fn expect_errno<T>(what: &str, answer: Answer<T>, expected: Errno) -> Result<()> {
    match answer {
        Err(errno) if errno == expected => Ok(()),
        Err(errno) => bail!("{what}: expected {expected:?}, got {errno:?}"),
        Ok(_) => bail!("{what}: expected {expected:?}, but it worked"),
    }
}
