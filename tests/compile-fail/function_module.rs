// SPDX-License-Identifier: GPL-2.0

//! A function of the kernel that is said to be in another module.

#![forbid(unsafe_code)]

use kernel::ffi::c_void;
use tackle::function::in_module;

tackle::function! {
    Free: fn kfree(*const c_void);
    module: in_module(c"other"); //~ ERROR call to unsafe function
}
