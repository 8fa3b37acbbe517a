// SPDX-License-Identifier: GPL-2.0

//! A promise about a position, in a module without `unsafe`.

#![forbid(unsafe_code)]

use kernel::ffi::c_void;
use tackle::function::position;

tackle::function! {
    Free: fn kfree(*const c_void);
    position: unsafe { position(2) }; //~ ERROR usage of an `unsafe` block
}
