// SPDX-License-Identifier: GPL-2.0

//! A cumulative live patch: it fixes all defects of `livepatch_meter.c`, and replaces the earlier
//! patches.
//!
//! See `Documentation/livepatch-meter-all.rst`.

#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use kernel::bindings::seq_file;
use tackle::prelude::patch::*;

#[allow(dead_code)]
mod livepatch_meter_functions;
use livepatch_meter_functions::{meter, Add, Average, Free, Show};

tackle::livepatch! {
    name: "livepatch_meter_all",
    authors: ["The Tackle developers"],
    description: "Cumulative live patch of livepatch_meter",
    license: "GPL",
    objects: [{
        module: c"livepatch_meter",
        functions: [Average => average, Add => add, Show => show, Free => free],
    }],
    replace: true,
    shadows: [&LARGEST, &READINGS],
}

/// The field that `livepatch_meter_largest` has added. It has the same id and type, so that the
/// values of existing meters are kept.
static LARGEST: Shadow<AtomicU32> = Shadow::shared(1);
/// Another new field: the number of readings.
static READINGS: Shadow<AtomicU32> = Shadow::shared(2);

fn average(_: Original<'_, Average>, average: u32, reading: u32) -> u32 {
    average.midpoint(reading)
}

fn add(original: Original<'_, Add>, meter: Pointer<'_, *mut meter>, reading: u32) {
    if let Ok(largest) = LARGEST.get_or_alloc(meter, || AtomicU32::new(0), GFP_KERNEL) {
        largest.fetch_max(reading, Relaxed);
    }
    if let Ok(readings) = READINGS.get_or_alloc(meter, || AtomicU32::new(0), GFP_KERNEL) {
        readings.fetch_add(1, Relaxed);
    }
    original.call()
}

fn show(
    original: Original<'_, Show>,
    m: Pointer<'_, *mut seq_file>,
    _: Pointer<'_, *mut c_void>,
) -> c_int {
    let result = original.call_keeping();
    if let Some(file) = m.get(&original) {
        if let Some(largest) = LARGEST.get(m.private(&original)) {
            seq_print!(file, "largest {}\n", largest.load(Relaxed));
        }
        if let Some(readings) = READINGS.get(m.private(&original)) {
            seq_print!(file, "readings {}\n", readings.load(Relaxed));
        }
    }
    result
}

fn free(original: Original<'_, Free>, meter: Pointer<'_, *mut meter>) {
    LARGEST.free(meter);
    READINGS.free(meter);
    original.call()
}
