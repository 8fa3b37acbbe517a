// SPDX-License-Identifier: GPL-2.0

//! Implements leaks on purpose, for modules of the rig that leave objects behind.

use kernel::prelude::*;

/// Never drops `value`. If KUnit is built into the kernel, kmemleak does not report the memory.
pub(crate) fn forget<T>(value: Pin<KBox<T>>) {
    #[cfg(CONFIG_KUNIT = "y")]
    tackle::kunit::forget(value);
    #[cfg(not(CONFIG_KUNIT = "y"))]
    core::mem::forget(value);
}
