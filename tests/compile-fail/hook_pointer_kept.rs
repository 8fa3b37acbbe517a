// SPDX-License-Identifier: GPL-2.0

//! A handler that keeps a pointer longer than the call.

#![forbid(unsafe_code)]

use kernel::{bindings::file, bindings::loff_t, ffi::c_char, prelude::*};
use tackle::{
    ftrace::{Arguments, Call, TypedEntryHandler},
    function::Pointer,
};

tackle::function! {
    VfsRead: fn vfs_read(*mut file, *mut c_char, usize, *mut loff_t) -> isize;
}

pub struct Keep(KBox<fn(Pointer<'static, *mut file>)>);

impl TypedEntryHandler<VfsRead> for Keep {
    fn entry<'a>(&self, _call: &'a Call, (file, ..): Arguments<'a, VfsRead>) {
        self.0(file); //~ ERROR borrowed data escapes outside of method
    }
}
