// SPDX-License-Identifier: GPL-2.0

//! Implements the log line of an injected failure, like `fail_dump()` in `lib/fault-inject.c`.

use crate::bindings;
use kernel::{
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
};
use tackle_core::fault::Failure;

/// The rate limit of the log lines.
pub(super) struct Limit {
    /// The interval of the limit in milliseconds. In each interval, at most `burst` failures are
    /// logged; 0 (the default) means no limit.
    pub(super) interval_ms: Atomic<u32>,
    /// The most failures that are logged in an interval.
    pub(super) burst: Atomic<u32>,
}

impl Limit {
    pub(super) const fn new() -> Self {
        Self {
            interval_ms: Atomic::new(0),
            burst: Atomic::new(bindings::DEFAULT_RATELIMIT_BURST),
        }
    }

    /// Logs that the point `name` of an attribute fails, and the stack of the caller if `verbose`
    /// is above 1.
    pub(super) fn failure(&self, attribute: &CStr, name: &str, failure: &Failure) {
        if failure.verbose == 0 {
            return;
        }
        let (interval_ms, burst) = (self.interval_ms.load(Relaxed), self.burst.load(Relaxed));
        // SAFETY: The helper has no requirements, and may be called in any context.
        if !unsafe { bindings::fault_ratelimit(interval_ms, burst) } {
            return;
        }
        // The same text as the kernel's `fail_dump()`, so that existing log scanners match it.
        pr_notice!(
            "FAULT_INJECTION: forcing a failure.\nname {}, interval {}, probability {}, space {}, times {}, point {name}\n",
            attribute,
            failure.interval,
            failure.probability,
            failure.space,
            failure.times
        );
        if failure.verbose > 1 {
            // SAFETY: The function has no requirements, and may be called in any context.
            unsafe { kernel::bindings::dump_stack() };
        }
    }
}
