// SPDX-License-Identifier: GPL-2.0

//! A replacement that takes arguments which last for ever.

#![forbid(unsafe_code)]

use kernel::{
    bindings::seq_file,
    ffi::{c_int, c_void},
};
use tackle::{
    function::{targets::CmdlineProcShow, Pointer},
    livepatch::Original,
};

tackle::patch! { //~ ERROR not general enough
    static PATCH;
    objects: [{ functions: [CmdlineProcShow => cmdline] }],
}

fn cmdline(
    original: Original<'_, CmdlineProcShow>,
    _: Pointer<'static, *mut seq_file>,
    _: Pointer<'_, *mut c_void>,
) -> c_int {
    original.call()
}
