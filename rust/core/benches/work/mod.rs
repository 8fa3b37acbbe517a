// SPDX-License-Identifier: GPL-2.0

//! What is measured, for both programs beside this folder.

mod codel;
mod fault;
mod numa;

/// One thing to measure.
pub struct Work {
    /// The case of the records.
    pub name: &'static str,
    /// Does it this many times.
    pub run: fn(calls: u32),
}

/// All of them.
pub const ALL: [Work; 6] = [
    codel::NO_DROP,
    codel::DROPPING,
    fault::OFF,
    fault::FAILING,
    numa::RECORD,
    numa::WAKEUP,
];
