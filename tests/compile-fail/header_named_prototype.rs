// SPDX-License-Identifier: GPL-2.0

//! A header whose name is one that the library's macros use, so that a prototype would be compared
//! with what the module says itself.

#![forbid(unsafe_code)]

trait Declared {
    #[allow(non_upper_case_globals)]
    const livepatch_meter_free: Self;
}

extern "C" fn another(_: u64) {}

impl Declared for unsafe extern "C" fn(u64) {
    const livepatch_meter_free: Self = another;
}

tackle::header! { //~ ERROR mismatched types
    mod Prototype = "samples/livepatch_meter";

    pub Free: fn livepatch_meter_free(u64);
}
