// SPDX-License-Identifier: GPL-2.0

//! What modules of the rig that leave things behind have in common.

use kernel::prelude::*;

/// Never drops `value`. On kernels with kmemleak that does not report it.
pub(crate) fn forget<T>(value: Pin<KBox<T>>) {
    #[cfg(CONFIG_KUNIT = "y")]
    tackle::kunit::forget(value);
    #[cfg(not(CONFIG_KUNIT = "y"))]
    core::mem::forget(value);
}
