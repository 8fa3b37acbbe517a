// SPDX-License-Identifier: GPL-2.0

//! A redirection of a function on which the memory safety of its callers depends.

#![forbid(unsafe_code)]

use kernel::{bindings::mutex, prelude::*};
use tackle::{
    ftrace::Redirect,
    function::{Original, Pointer},
};

tackle::function! {
    Unlock: fn mutex_unlock(*mut mutex);
}

fn nothing(_: Original<'_, Unlock>, _: Pointer<'_, *mut mutex>) {}

pub fn redirect() -> Result<Pin<KBox<Redirect>>> {
    let redirect = tackle::redirect!(Unlock => nothing); //~ ERROR `Unlock` may not be skipped or replaced by safe code
    KBox::pin_init(redirect, GFP_KERNEL) //~ ERROR `Unlock` may not be skipped or replaced by safe code
}
