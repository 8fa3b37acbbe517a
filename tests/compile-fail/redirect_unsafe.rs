// SPDX-License-Identifier: GPL-2.0

//! A replacement that is the result of an unsafe function.

#![forbid(unsafe_code)]

use kernel::{
    bindings::seq_file,
    ffi::{c_int, c_void},
    prelude::*,
};
use tackle::{
    ftrace::Redirect,
    function::{targets::CmdlineProcShow, Original, Pointer},
};

fn cmdline(
    original: Original<'_, CmdlineProcShow>,
    _: Pointer<'_, *mut seq_file>,
    _: Pointer<'_, *mut c_void>,
) -> c_int {
    original.call()
}

pub fn redirect() -> Result<Pin<KBox<Redirect>>> {
    let redirect = tackle::redirect!(CmdlineProcShow => {
        kernel::bindings::kfree(core::ptr::null()); //~ ERROR call to unsafe function
        cmdline
    });
    KBox::pin_init(redirect, GFP_KERNEL)
}
