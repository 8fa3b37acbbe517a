// SPDX-License-Identifier: GPL-2.0

//! A kernel function that only tests call.

use crate::bindings;
use kernel::ffi::c_int;

/// What bindgen has read, by the symbol's own name.
mod header {
    pub(super) use crate::bindings::kunit_twice as rust_helper_kunit_twice;
}

crate::function! {
    /// A function that only [`twice`] calls, and that can be traced.
    pub Twice: fn rust_helper_kunit_twice(c_int) -> c_int;
    header: self::header;
    module: c"tackle";
}

/// Returns what [`Twice`] makes of `n`: 2 * `n`, unless a hook has it otherwise.
#[inline(never)]
pub fn twice(n: c_int) -> c_int {
    // SAFETY: A function of numbers alone.
    unsafe { bindings::kunit_twice(n) }
}
