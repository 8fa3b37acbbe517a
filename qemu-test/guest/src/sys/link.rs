// SPDX-License-Identifier: GPL-2.0

//! The slow link of `tackle qdisc probe`, so slow that an emulated processor is faster, with
//! the kernel's own counts of the queue before it.

use std::time::Duration;

use anyhow::Result;
use nix::net::if_::if_nametoindex;
use tackle_link::{Link, Measured, Plan};

use super::qdisc::{handle, Shown, Tc};

/// Rate of the link, in Mbit/s.
pub const RATE: u32 = 5;

/// A link of [`RATE`], 10 ms away, with four TCP flows.
///
/// # Errors
///
/// `ip` or `tc` fails.
pub fn slow(seconds: u32) -> Result<Link> {
    Link::new(Plan {
        kbit: 1000 * RATE,
        rtt: Duration::from_millis(10),
        flows: 4,
        warm_up: Duration::from_secs(2),
        time: Duration::from_secs(seconds.into()),
    })
}

/// Puts a queue such as `pfifo limit 1000` before the link, loads it, and tells what was
/// measured and what the kernel shows of the queue.
///
/// # Errors
///
/// The kernel does not know the queue, or no traffic gets through.
pub fn measure(link: &Link, queue: &str) -> Result<(Measured, Shown)> {
    link.measure_and(queue, || {
        Tc::open()?.find(if_nametoindex("r1")?, handle(1, 1))
    })
}
