// SPDX-License-Identifier: GPL-2.0

//! Random numbers for a context in which the kernel's generator must not be called.

use kernel::{
    bindings,
    sync::atomic::{Atomic, Relaxed},
};

static STATE: Atomic<u64> = Atomic::new(0);

/// Lets the numbers begin somewhere else than after the last load.
pub(super) fn seed() {
    // SAFETY: Needs nothing. This is not an NMI: see the caller.
    STATE.store(unsafe { bindings::get_random_u64() }, Relaxed);
}

/// Returns a number from 0 to 99.
///
/// Not for secrets: SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014). It is used because its state moves on in one atomic addition, so it
/// may run in an NMI, where `get_random_u32()` may not. The kernel's fault injection takes
/// a simple generator as well.
pub(super) fn below_100() -> u32 {
    /// 2^64 divided by the golden ratio.
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

    let mut z = STATE.fetch_add(STEP, Relaxed).wrapping_add(STEP);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    // CAST: Below 100.
    (z % 100) as u32
}
