// SPDX-License-Identifier: GPL-2.0

//! Implements random numbers for contexts in which the kernel's generator must not be called.

use kernel::{
    bindings,
    sync::atomic::{Atomic, Relaxed},
};

static STATE: Atomic<u64> = Atomic::new(0);

/// Seeds the generator, so that the numbers differ after each load of the library. Must not be
/// called in an NMI.
pub(super) fn seed() {
    // SAFETY: The function may be called in any context but an NMI. The callers may sleep, so this
    // is not an NMI.
    STATE.store(unsafe { bindings::get_random_u64() }, Relaxed);
}

/// Returns a number from 0 to 99.
///
/// The generator is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014), which is not for secrets. Its state advances by one atomic addition, so it
/// may run in an NMI, where `get_random_u32()` may not. The kernel's fault injection uses a simple
/// generator as well.
pub(super) fn below_100() -> u32 {
    /// 2^64 divided by the golden ratio.
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

    let mut z = STATE.fetch_add(STEP, Relaxed).wrapping_add(STEP);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    // CAST: The number is below 100.
    (z % 100) as u32
}
