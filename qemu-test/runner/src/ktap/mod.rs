// SPDX-License-Identifier: GPL-2.0

//! Implements the Kernel Test Anything Protocol (KTAP), version 1
//! (`Documentation/dev-tools/ktap.rst` in the kernel source).
//!
//! [`line`] parses one line. [`Parser`] keeps track of the nesting. The parser works on a stream.
//! So a test is reported as soon as it ends, and a crash does not lose earlier results.

pub mod line;
mod parser;

pub use parser::{Event, Node, Parser, Progress, Status};
