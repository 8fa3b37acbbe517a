// SPDX-License-Identifier: GPL-2.0

//! Makes the slow link of `tackle qdisc probe`, which is slower than an emulated processor, and
//! reads the kernel's counts of the queue before it.

use std::time::Duration;

use anyhow::Result;
use nix::net::if_::if_nametoindex;
use tackle_link::{Link, Measured, Plan};

use super::qdisc::{handle, Shown, Tc};

/// Rate of the link, in Mbit/s.
pub const RATE: u32 = 5;

/// Returns a link of [`RATE`] with a delay of 10 ms and four TCP flows.
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

/// Adds a queue such as `pfifo limit 1000` before the link, and sends traffic. Returns the measured
/// values and the kernel's dump of the queue.
///
/// # Errors
///
/// The kernel refuses the queue, or no traffic gets through.
pub fn measure(link: &Link, queue: &str) -> Result<(Measured, Shown)> {
    link.measure_and(queue, || {
        Tc::open()?.find(if_nametoindex("r1")?, handle(1, 1))
    })
}
