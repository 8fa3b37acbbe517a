// SPDX-License-Identifier: GPL-2.0

//! Kernel functions that only tests call.

use crate::{
    bindings,
    function::{Function, Replaceable},
};
use kernel::{ffi::c_int, prelude::*};

/// A function that only [`twice`] calls, and that can be traced.
pub struct Twice;

// SAFETY: `int rust_helper_kunit_twice(int n)` in `rust/helpers/kunit.c`.
unsafe impl Function for Twice {
    type Prototype = unsafe extern "C" fn(c_int) -> c_int;
    const NAME: &'static CStr = c"rust_helper_kunit_twice";
    const MODULE: Option<&'static CStr> = Some(c"tackle");
}

// SAFETY: It computes with numbers, and only tests call it.
unsafe impl Replaceable for Twice {}

/// Returns what [`Twice`] makes of `n`: 2 * `n`, unless a hook has it otherwise.
#[inline(never)]
pub fn twice(n: c_int) -> c_int {
    // SAFETY: A function of numbers alone.
    unsafe { bindings::kunit_twice(n) }
}

/// Returns half of `n`, by the function `rust_helper_kunit_half` of `tackle`, which only this
/// calls and that can be traced.
#[inline(never)]
pub fn half(n: c_int) -> c_int {
    // SAFETY: A function of numbers alone.
    unsafe { bindings::kunit_half(n) }
}
