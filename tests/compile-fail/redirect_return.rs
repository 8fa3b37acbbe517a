// SPDX-License-Identifier: GPL-2.0

//! A redirection to a function that returns another type.

#![forbid(unsafe_code)]

use kernel::{bindings::seq_file, ffi::c_void, prelude::*};
use tackle::{
    ftrace::Redirect,
    function::{targets::CmdlineProcShow, Original, Pointer},
};

fn cmdline(
    _: Original<'_, CmdlineProcShow>,
    _: Pointer<'_, *mut seq_file>,
    _: Pointer<'_, *mut c_void>,
) -> i64 {
    0
}

pub fn redirect() -> Result<Pin<KBox<Redirect>>> {
    let redirect = tackle::redirect!(CmdlineProcShow => cmdline); //~ ERROR returns `i32`, but it returns `i64`
    KBox::pin_init(redirect, GFP_KERNEL) //~ ERROR returns `i32`, but it returns `i64`
}
