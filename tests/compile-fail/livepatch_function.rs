// SPDX-License-Identifier: GPL-2.0

//! A live patch of a function on which the memory safety of its callers depends.

#![forbid(unsafe_code)]

use kernel::bindings::mutex;
use tackle::{function::Pointer, livepatch::Original};

tackle::function! {
    Unlock: fn mutex_unlock(*mut mutex);
}

tackle::patch! { //~ ERROR `Unlock` may not be skipped or replaced by safe code
    static PATCH;
    objects: [{ functions: [Unlock => nothing] }], //~ ERROR `Unlock` may not be skipped or replaced by safe code
}

fn nothing(_: Original<'_, Unlock>, _: Pointer<'_, *mut mutex>) {}
