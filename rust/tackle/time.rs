// SPDX-License-Identifier: GPL-2.0

//! Implements a clock that hooks can read in any context.
//!
//! C header: [`include/linux/timekeeping.h`](srctree/include/linux/timekeeping.h)

use crate::bindings;

/// Returns the time of the monotonic clock in nanoseconds.
///
/// When the clock is adjusted, readings on different CPUs can be out of order by the size of the
/// adjustment.
///
/// # Context
///
/// Any, including NMIs and functions of timekeeping itself, since it never waits for a lock or a
/// writer.
#[inline]
pub fn mono_fast_ns() -> u64 {
    // SAFETY: The function may be called in any context.
    unsafe { bindings::ktime_get_mono_fast_ns() }
}
