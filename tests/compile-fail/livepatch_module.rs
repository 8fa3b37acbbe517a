// SPDX-License-Identifier: GPL-2.0

//! A function of vmlinux among those of a module.

#![forbid(unsafe_code)]

use kernel::{
    bindings::seq_file,
    ffi::{c_int, c_void},
};
use tackle::{
    function::{targets::CmdlineProcShow, Pointer},
    livepatch::Original,
};

tackle::patch! { //~ ERROR a function is of another module than its object
    static PATCH;
    objects: [{ module: c"ext4", functions: [CmdlineProcShow => cmdline] }],
}

fn cmdline(
    original: Original<'_, CmdlineProcShow>,
    _: Pointer<'_, *mut seq_file>,
    _: Pointer<'_, *mut c_void>,
) -> c_int {
    original.call()
}
