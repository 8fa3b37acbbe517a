// SPDX-License-Identifier: GPL-2.0

//! A live patch that fixes a bug in a module: the average of `livepatch_meter.c`.
//!
//! See `Documentation/livepatch-meter-fix.rst`.

#![forbid(unsafe_code)]

use tackle::prelude::patch::*;

#[allow(dead_code)]
mod livepatch_meter_functions;
use livepatch_meter_functions::Average;

tackle::livepatch! {
    name: "livepatch_meter_fix",
    authors: ["The Tackle developers"],
    description: "Live patch that fixes the average of livepatch_meter",
    license: "GPL",
    objects: [{
        module: c"livepatch_meter",
        functions: [Average => average],
    }],
}

/// Returns the average, rounded down. Unlike the original, it does not overflow.
fn average(_: Original<'_, Average>, average: u32, reading: u32) -> u32 {
    average.midpoint(reading)
}
