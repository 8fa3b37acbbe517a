// SPDX-License-Identifier: GPL-2.0

//! A replacement with an argument less.

#![forbid(unsafe_code)]

use kernel::{bindings::seq_file, ffi::c_int};
use tackle::{
    function::{targets::CmdlineProcShow, Pointer},
    livepatch::Original,
};

tackle::patch! { //~ ERROR expected to take 3 arguments, but it takes 2
    static PATCH;
    objects: [{ functions: [CmdlineProcShow => cmdline] }],
}

fn cmdline(original: Original<'_, CmdlineProcShow>, _: Pointer<'_, *mut seq_file>) -> c_int {
    original.call()
}
