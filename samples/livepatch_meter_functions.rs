// SPDX-License-Identifier: GPL-2.0

//! Declares the functions of `livepatch_meter.c` for its live patches.

use kernel::{
    bindings::seq_file,
    ffi::{c_int, c_void},
};

tackle::header! {
    mod meter_h = "samples/livepatch_meter";

    /// Computes the average of the average so far and a new reading.
    pub(crate) Average: fn livepatch_meter_average(u32, u32) -> u32, replaceable;

    /// Takes a reading into account.
    pub(crate) Add: fn livepatch_meter_add(*mut meter_h::meter, u32), replaceable;

    /// Prints the meter that is the file's `private`.
    pub(crate) Show: fn livepatch_meter_show(*mut seq_file, *mut c_void) -> c_int,
        replaceable, keeps_arguments;

    /// Frees a meter.
    pub(crate) Free: fn livepatch_meter_free(*mut meter_h::meter), replaceable;
}

#[allow(unused_imports)]
pub(crate) use meter_h::meter;
