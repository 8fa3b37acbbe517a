// SPDX-License-Identifier: GPL-2.0

//! The functions of `livepatch_meter.c`, for the patches of it.

use kernel::{
    bindings::seq_file,
    ffi::{c_int, c_void},
};

tackle::header!(mod meter_h = "samples/livepatch_meter");
pub(crate) use meter_h::meter;

tackle::function! {
    /// Computes the average of the average so far and a new reading.
    pub(crate) Average: fn livepatch_meter_average(u32, u32) -> u32;
    header: meter_h;
    module: c"livepatch_meter";
}

tackle::function! {
    /// Takes a reading into account.
    pub(crate) Add: fn livepatch_meter_add(*mut meter, u32);
    header: meter_h;
    module: c"livepatch_meter";
}

tackle::function! {
    /// Prints the meter that is the file's `private`.
    pub(crate) Show: fn livepatch_meter_show(*mut seq_file, *mut c_void) -> c_int;
    header: meter_h;
    module: c"livepatch_meter";
}

tackle::function! {
    /// Frees a meter.
    pub(crate) Free: fn livepatch_meter_free(*mut meter);
    header: meter_h;
    module: c"livepatch_meter";
}
