// SPDX-License-Identifier: GPL-2.0

//! A prototype with another type of argument than the C header has.

#![forbid(unsafe_code)]

use kernel::{
    bindings::{file, loff_t},
    ffi::c_char,
};

tackle::function! { //~ ERROR expected fn pointer `unsafe extern "C" fn(_, u8, _, _) -> _`
    /// The second argument is a pointer.
    pub VfsRead: fn vfs_read(*mut file, c_char, usize, *mut loff_t) -> isize;
}
