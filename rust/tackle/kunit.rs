// SPDX-License-Identifier: GPL-2.0

//! What KUnit tests need to stand in for the rest of the kernel: functions to hook, beside what
//! the base has (`rust/base/kunit.rs`).

mod function;

pub use function::{half, twice, Twice};
#[doc(inline)]
pub use tackle_base::kunit::*;
