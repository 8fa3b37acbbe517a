// SPDX-License-Identifier: GPL-2.0

//! A header that need not be one of those that Kbuild makes.

#![forbid(unsafe_code)]

tackle::header! { //~ ERROR the header is not in this checkout
    mod meter_h = "samples/../samples/livepatch_meter";

    pub Free: fn livepatch_meter_free(*mut meter_h::meter);
}
