// SPDX-License-Identifier: GPL-2.0

//! A header in a function, beside a module of the same name that says something else.

#![forbid(unsafe_code)]

#[allow(non_upper_case_globals)]
pub mod meter_h {
    pub const tackle_keeps_arguments_livepatch_meter_free: u32 = 1;
}

pub fn declare() {
    tackle::header! { //~ ERROR cannot find value `tackle_keeps_arguments_livepatch_meter_free`
        mod meter_h = "samples/livepatch_meter";

        Free: fn livepatch_meter_free(*mut meter_h::meter), keeps_arguments;
    }
}
