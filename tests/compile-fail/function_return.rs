// SPDX-License-Identifier: GPL-2.0

//! A prototype that returns another type than the C header says.

#![forbid(unsafe_code)]

use kernel::{
    bindings::{file, loff_t},
    ffi::{c_char, c_int},
};

tackle::function! { //~ ERROR expected fn pointer `unsafe extern "C" fn(_, _, _, _) -> i32`
    /// It returns a `ssize_t`.
    pub VfsRead: fn vfs_read(*mut file, *mut c_char, usize, *mut loff_t) -> c_int;
}
