// SPDX-License-Identifier: GPL-2.0

//! Implements `make bench`: measures the cost of the modules, and compares it with the C originals.
//!
//! ```text
//!   source: guest    raw figures, twice ---> record: over a baseline, ratio to C
//!                                            drift: two boots alike?
//!           host     rounds in turn -------> rounds: medians, quartiles, ratio to C
//!           simulation  seeds -------> rounds       |
//!                                               +---> bench.json, report.html
//!                                               +---> store: a file a commit ---> compare
//! ```
//!
//! `Documentation/bench.rst` explains the figures.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod cli;
pub mod compare;
pub mod course;
pub mod curves;
pub mod guest;
pub mod host;
pub mod origin;
pub mod placement;
pub mod plot;
pub mod record;
pub mod report;
pub mod rounds;
pub mod simulation;
pub mod source;
pub mod store;
pub mod subject;
pub mod turns;
