// SPDX-License-Identifier: GPL-2.0

//! A redirection to a pointer, which nothing keeps for the calls to come.

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

type Replacement = fn(
    Original<'_, CmdlineProcShow>,
    Pointer<'_, *mut seq_file>,
    Pointer<'_, *mut c_void>,
) -> c_int;

pub fn redirect(to: Replacement) -> Result<Pin<KBox<Redirect>>> {
    let redirect = tackle::redirect!(CmdlineProcShow => to); //~ ERROR a replacement is a function itself
    KBox::pin_init(redirect, GFP_KERNEL)
}
