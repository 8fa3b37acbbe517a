// SPDX-License-Identifier: GPL-2.0

//! A replacement that returns an argument as one that lasts.

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
    m: Pointer<'_, *mut seq_file>,
    _: Pointer<'_, *mut c_void>,
) -> c_int {
    keep(m); //~ ERROR escapes outside of function
    original.call()
}

fn keep(_: Pointer<'static, *mut seq_file>) {}
