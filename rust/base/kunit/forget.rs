// SPDX-License-Identifier: GPL-2.0

//! Implements a leak on purpose: memory that a test never frees.

use crate::bindings;
use core::pin::Pin;
use kernel::prelude::*;

/// Never drops `value`. kmemleak does not report it.
pub fn forget<T>(value: Pin<KBox<T>>) {
    // SAFETY: The pointer is the address of an allocation.
    unsafe { bindings::kunit_forget((&raw const *value).cast()) };
    core::mem::forget(value);
}
