// SPDX-License-Identifier: GPL-2.0

//! What has no fault: without it, an error of the others could be that of them all.

#![forbid(unsafe_code)]

use kernel::{
    bindings::seq_file,
    ffi::{c_int, c_void},
};
use tackle::{
    function::{targets::CmdlineProcShow, Pointer},
    livepatch::Original,
};

tackle::patch! {
    static PATCH;
    objects: [{ functions: [CmdlineProcShow => cmdline] }],
}

fn cmdline(
    original: Original<'_, CmdlineProcShow>,
    _: Pointer<'_, *mut seq_file>,
    _: Pointer<'_, *mut c_void>,
) -> c_int {
    original.call()
}
