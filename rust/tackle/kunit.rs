// SPDX-License-Identifier: GPL-2.0

//! Implements the support for KUnit tests: functions for them to hook, in addition to the support
//! in the base (`rust/base/kunit.rs`).

mod function;

pub use function::{half, twice, Twice};
#[doc(inline)]
pub use tackle_base::kunit::*;
