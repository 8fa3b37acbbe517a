// SPDX-License-Identifier: GPL-2.0

//! What the kernel log says about a failure, as `fail_dump()` in `lib/fault-inject.c`.

use super::NAME;
use crate::bindings;
use kernel::{
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
};
use tackle_core::fault::Failure;

/// The time in milliseconds in which [`BURST`] failures are told; 0 (the default) is no
/// limit.
pub(super) static INTERVAL_MS: Atomic<u32> = Atomic::new(0);
/// How many failures are told in [`INTERVAL_MS`].
pub(super) static BURST: Atomic<u32> = Atomic::new(bindings::DEFAULT_RATELIMIT_BURST);

/// Tells the log that the point `name` fails, and from where it was passed.
pub(super) fn failure(name: &str, failure: &Failure) {
    if failure.verbose == 0 {
        return;
    }
    // SAFETY: Needs nothing, in any context.
    if !unsafe { bindings::fault_ratelimit(INTERVAL_MS.load(Relaxed), BURST.load(Relaxed)) } {
        return;
    }
    // The kernel's words, so that what looks for them in a log finds these too.
    pr_notice!(
        "FAULT_INJECTION: forcing a failure.\nname {}, interval {}, probability {}, space {}, times {}, point {name}\n",
        NAME,
        failure.interval,
        failure.probability,
        failure.space,
        failure.times
    );
    if failure.verbose > 1 {
        // SAFETY: Needs nothing, in any context.
        unsafe { kernel::bindings::dump_stack() };
    }
}
