// SPDX-License-Identifier: GPL-2.0

//! A replacement with another type of argument.

#![forbid(unsafe_code)]

use kernel::{bindings::seq_file, ffi::c_int};
use tackle::{
    function::{targets::CmdlineProcShow, Pointer},
    livepatch::Original,
};

tackle::patch! { //~ ERROR type mismatch in function arguments
    static PATCH;
    objects: [{ functions: [CmdlineProcShow => cmdline] }],
}

fn cmdline(
    original: Original<'_, CmdlineProcShow>,
    _: Pointer<'_, *mut seq_file>,
    _: usize,
) -> c_int {
    original.call()
}
