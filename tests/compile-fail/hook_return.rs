// SPDX-License-Identifier: GPL-2.0

//! A hook that has its function return another type than it does.

#![forbid(unsafe_code)]

use kernel::{
    bindings::{file, loff_t},
    ffi::c_char,
    prelude::*,
};
use tackle::ftrace::{Arguments, Call, Override, Overriding};

tackle::function! {
    VfsRead: fn vfs_read(*mut file, *mut c_char, usize, *mut loff_t) -> isize;
}

struct Fail;

// The mark has to stay on its line.
#[rustfmt::skip]
impl Override<VfsRead> for Fail {
    fn entry<'a>(&self, _: &'a Call, _: Arguments<'a, VfsRead>) -> Option<bool> { //~ ERROR expected `isize`, found `bool`
        Some(false)
    }
}

pub fn hook() -> Result {
    KBox::pin_init(Overriding::new(Fail), GFP_KERNEL).map(drop)
}
