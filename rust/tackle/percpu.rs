// SPDX-License-Identifier: GPL-2.0

//! Implements per-CPU counters, for events that are too frequent for CPUs to share a cache line.
//!
//! C header: [`include/linux/percpu.h`](srctree/include/linux/percpu.h)

use crate::{bindings, fault};
use core::{arch::asm, num::NonZeroUsize};
use kernel::prelude::*;

/// A counter that starts at zero.
///
/// # Invariants
///
/// `counts` is the per-CPU address that `alloc_percpu(u64)` has returned.
pub struct Counter {
    counts: NonZeroUsize,
}

impl Counter {
    /// Creates a counter.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there is no per-CPU memory.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn new() -> Result<Self> {
        fault::ALLOC_PERCPU.check()?;
        // SAFETY: The function may be called where sleeping is allowed, and the caller may sleep.
        let counts = unsafe { bindings::alloc_percpu_u64() };
        // INVARIANT: `alloc_percpu(u64)` has just returned this address.
        Ok(Self {
            counts: NonZeroUsize::new(counts).ok_or(ENOMEM)?,
        })
    }

    /// Counts one.
    ///
    /// # Context
    ///
    /// Any, NMIs included.
    #[inline]
    pub fn increment(&self) {
        // SAFETY: By the type invariants.
        unsafe { increment(self.counts.get()) };
    }

    /// Adds `n`. The sum wraps around at 2^64.
    ///
    /// # Context
    ///
    /// Any, NMIs included.
    #[inline]
    pub fn add(&self, n: u64) {
        // SAFETY: As in `increment`.
        unsafe {
            asm!(
                "add qword ptr gs:[{counts}], {n}",
                counts = in(reg) self.counts.get(),
                n = in(reg) n,
                options(nostack),
            )
        };
    }

    /// Returns the address for [`increment`].
    pub(crate) fn address(&self) -> usize {
        self.counts.get()
    }

    /// Returns the sum over all CPUs. Other CPUs may change their counts during the call.
    pub fn sum(&self) -> u64 {
        // SAFETY: By the type invariants.
        unsafe { bindings::sum_percpu_u64(self.counts.get()) }
    }
}

/// Adds one to the counter with this [`Counter::address`].
///
/// # Safety
///
/// The counter has not been dropped.
#[inline(always)]
pub(crate) unsafe fn increment(counts: usize) {
    // SAFETY: By the function's requirements this is the count of the CPU that runs the
    // instruction, which nothing can interrupt.
    unsafe {
        asm!(
            "inc qword ptr gs:[{counts}]",
            counts = in(reg) counts,
            options(nostack),
        )
    };
}

impl Drop for Counter {
    fn drop(&mut self) {
        // SAFETY: By the type invariants. No other reference to the counter exists.
        unsafe { bindings::free_percpu_u64(self.counts.get()) };
    }
}
