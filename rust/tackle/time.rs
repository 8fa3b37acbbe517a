// SPDX-License-Identifier: GPL-2.0

//! The time, for hooks.
//!
//! C header: [`include/linux/timekeeping.h`](srctree/include/linux/timekeeping.h)

use crate::bindings;

/// Returns the monotonic clock's nanoseconds.
///
/// Two readings on different CPUs can be out of order by the clock's last adjustment.
///
/// # Context
///
/// Any, NMIs included, and functions of timekeeping itself: it waits for nobody.
#[inline]
pub fn mono_fast_ns() -> u64 {
    // SAFETY: May be called in any context.
    unsafe { bindings::ktime_get_mono_fast_ns() }
}
