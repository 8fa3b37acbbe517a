// SPDX-License-Identifier: GPL-2.0

//! The Kernel Test Anything Protocol, version 1
//! (`Documentation/dev-tools/ktap.rst` in the kernel source).
//!
//! [`line`] says what one line is, [`Parser`] keeps the nesting. The parser works
//! on a stream, so that a test can be told while it runs and the results that
//! came before a crash are not lost.

pub mod line;
mod parser;

pub use parser::{Event, Node, Parser, Progress, Status};
