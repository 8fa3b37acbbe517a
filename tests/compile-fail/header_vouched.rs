// SPDX-License-Identifier: GPL-2.0

//! A function of which its header does not say that it keeps its arguments.

#![forbid(unsafe_code)]

tackle::header! { //~ ERROR cannot find value `tackle_keeps_arguments_livepatch_meter_free`
    mod meter_h = "samples/livepatch_meter";

    pub Free: fn livepatch_meter_free(*mut meter_h::meter), keeps_arguments;
}
