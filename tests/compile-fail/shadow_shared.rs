// SPDX-License-Identifier: GPL-2.0

//! A shadow variable for several modules, with a pointer into one of them.

#![forbid(unsafe_code)]

use tackle::livepatch::Shadow;

/// The text goes with the module.
pub static NAME: Shadow<&'static str> = Shadow::shared(1); //~ ERROR `&str: Portable` is not satisfied
