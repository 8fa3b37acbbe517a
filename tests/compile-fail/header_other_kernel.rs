// SPDX-License-Identifier: GPL-2.0

//! A module whose own `kernel` would make nothing of what the library's macros say.

#![forbid(unsafe_code)]

extern crate self as kernel;

pub mod macros {
    pub use crate::nothing as paste;
}

#[macro_export]
macro_rules! nothing {
    ($($anything:tt)*) => {};
}

tackle::header! { //~ ERROR cannot find value `tackle_keeps_arguments_livepatch_meter_free`
    mod meter_h = "samples/livepatch_meter";

    pub Free: fn livepatch_meter_free(*mut meter_h::meter), keeps_arguments;
}
