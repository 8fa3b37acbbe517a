// SPDX-License-Identifier: GPL-2.0

//! A replacement that uses an argument after the function may have freed it.

#![forbid(unsafe_code)]

use kernel::{
    bindings::seq_file,
    ffi::{c_int, c_void},
    seq_print,
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
    let result = original.call();
    let file = m.get(&original); //~ ERROR borrow of moved value
    if let Some(file) = file {
        seq_print!(file, "this has been live patched\n");
    }
    result
}
