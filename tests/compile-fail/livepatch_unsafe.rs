// SPDX-License-Identifier: GPL-2.0

//! A replacement that is the result of an unsafe function.

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
    objects: [{
        functions: [CmdlineProcShow => {
            tackle::function::assume_replaceable(); //~ ERROR call to unsafe function
            cmdline
        }],
    }],
}

fn cmdline(
    original: Original<'_, CmdlineProcShow>,
    _: Pointer<'_, *mut seq_file>,
    _: Pointer<'_, *mut c_void>,
) -> c_int {
    original.call()
}
