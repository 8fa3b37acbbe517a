// SPDX-License-Identifier: GPL-2.0

//! Implements access to the system for the suites, the benchmarks and the demonstration.

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

/// The kernel's answer to a request that a test may expect to fail. In an `anyhow::Result<Answer>`,
/// the outer error means that the request could not be made.
pub type Answer<T = ()> = Result<T, Errno>;

/// Calls `done` 20 times a second until it returns a value.
///
/// # Errors
///
/// The time `limit` is over, or `done` fails. The message for the limit names `what`.
pub fn wait_for<T>(
    what: &str,
    limit: Duration,
    done: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    wait_often(what, Duration::from_millis(50), limit, done)
}

/// The interval between lines about a wait in the kernel log. The host takes a silent guest for one
/// that hangs.
const WORD: Duration = Duration::from_secs(10);

/// Does the same as [`wait_for`], with `pause` between two calls.
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
        // If the guest has stood still, `done` is called once more after the limit.
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
/// The kernel did not refuse, or refused with another number.
pub fn expect_errno<T>(what: &str, answer: Answer<T>, expected: Errno) -> Result<()> {
    match answer {
        Err(errno) if errno == expected => Ok(()),
        Err(errno) => bail!("{what}: expected {expected:?}, got {errno:?}"),
        Ok(_) => bail!("{what}: expected {expected:?}, but it worked"),
    }
}
