// SPDX-License-Identifier: GPL-2.0

//! What the kernel log says about a failure, as `fail_dump()` in `lib/fault-inject.c`.

use crate::bindings;
use kernel::{
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
};
use tackle_core::fault::Failure;

/// How many failures are logged.
pub(super) struct Limit {
    /// The time in milliseconds in which `burst` failures are logged; 0 (the default) is no limit.
    pub(super) interval_ms: Atomic<u32>,
    /// How many failures are logged in that time.
    pub(super) burst: Atomic<u32>,
}

impl Limit {
    pub(super) const fn new() -> Self {
        Self {
            interval_ms: Atomic::new(0),
            burst: Atomic::new(bindings::DEFAULT_RATELIMIT_BURST),
        }
    }

    /// Logs that the point `name` of an attribute fails, and from where it was passed.
    pub(super) fn failure(&self, attribute: &CStr, name: &str, failure: &Failure) {
        if failure.verbose == 0 {
            return;
        }
        let (interval_ms, burst) = (self.interval_ms.load(Relaxed), self.burst.load(Relaxed));
        // SAFETY: Needs nothing, in any context.
        if !unsafe { bindings::fault_ratelimit(interval_ms, burst) } {
            return;
        }
        // The kernel's words, so that what looks for them in a log finds these too.
        pr_notice!(
            "FAULT_INJECTION: forcing a failure.\nname {}, interval {}, probability {}, space {}, times {}, point {name}\n",
            attribute,
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
}
