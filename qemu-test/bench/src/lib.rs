// SPDX-License-Identifier: GPL-2.0

//! `make bench`: what the modules cost, in instructions, beside the C originals.
//!
//! ```text
//!   guest: raw figures, twice ---> record: over a baseline, ratio to the C original
//!                                     |
//!         drift: two boots alike? <---+---> bench.json, report.html
//!                                     |
//!                                     +---> store: one file a commit ---> compare
//! ```
//!
//! `Documentation/bench.rst` explains the figures.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod cli;
pub mod compare;
pub mod guest;
pub mod origin;
pub mod plot;
pub mod record;
pub mod report;
pub mod store;
pub mod subject;
