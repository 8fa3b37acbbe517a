// SPDX-License-Identifier: GPL-2.0

//! A shadow variable that is not for several threads.

#![forbid(unsafe_code)]

use core::cell::Cell;
use tackle::livepatch::Shadow;

/// Two threads could write to it at once.
pub static COUNT: Shadow<Cell<u32>> = Shadow::new(1); //~ ERROR `Cell<u32>` cannot be shared between threads safely
