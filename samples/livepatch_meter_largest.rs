// SPDX-License-Identifier: GPL-2.0

//! A live patch that adds a field to existing structures: each meter of `livepatch_meter.c` stores
//! its largest reading from now on.
//!
//! See `Documentation/livepatch-meter-largest.rst`.

#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use kernel::bindings::seq_file;
use tackle::prelude::patch::*;

#[allow(dead_code)]
mod livepatch_meter_functions;
use livepatch_meter_functions::{meter, Add, Free, Show};

tackle::livepatch! {
    name: "livepatch_meter_largest",
    authors: ["The Tackle developers"],
    description: "Live patch that adds a field to the meters of livepatch_meter",
    license: "GPL",
    objects: [{
        module: c"livepatch_meter",
        functions: [Add => add, Show => show, Free => free],
    }],
    shadows: [&LARGEST],
}

/// The new field. It is shared, so that a patch which replaces this one finds it.
static LARGEST: Shadow<AtomicU32> = Shadow::shared(1);

fn add(original: Original<'_, Add>, meter: Pointer<'_, *mut meter>, reading: u32) {
    // A meter that is older than the patch gets the field with its next reading. If there is no
    // memory for the field, the reading still counts, and only the field is missing.
    if let Ok(largest) = LARGEST.get_or_alloc(meter, || AtomicU32::new(0), GFP_KERNEL) {
        largest.fetch_max(reading, Relaxed);
    }
    original.call()
}

fn show(
    original: Original<'_, Show>,
    m: Pointer<'_, *mut seq_file>,
    _: Pointer<'_, *mut c_void>,
) -> c_int {
    let result = original.call_keeping();
    if let (Some(file), Some(largest)) = (m.get(&original), LARGEST.get(m.private(&original))) {
        seq_print!(file, "largest {}\n", largest.load(Relaxed));
    }
    result
}

fn free(original: Original<'_, Free>, meter: Pointer<'_, *mut meter>) {
    LARGEST.free(meter);
    original.call()
}
