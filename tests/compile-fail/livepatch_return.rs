// SPDX-License-Identifier: GPL-2.0

//! A replacement that returns another type.

#![forbid(unsafe_code)]

use kernel::{bindings::seq_file, ffi::c_void};
use tackle::{
    function::{targets::CmdlineProcShow, Pointer},
    livepatch::Original,
};

tackle::patch! { //~ ERROR returns `i32`, but it returns `i64`
    static PATCH;
    objects: [{ functions: [CmdlineProcShow => cmdline] }],
}

fn cmdline(
    _: Original<'_, CmdlineProcShow>,
    _: Pointer<'_, *mut seq_file>,
    _: Pointer<'_, *mut c_void>,
) -> i64 {
    0
}
