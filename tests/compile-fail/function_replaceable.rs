// SPDX-License-Identifier: GPL-2.0

//! A promise that a function may be replaced, in a module without `unsafe`.

#![forbid(unsafe_code)]

use kernel::bindings::mutex;
use tackle::function::assume_replaceable;

tackle::function! {
    Unlock: fn mutex_unlock(*mut mutex);
    replaceable: unsafe { assume_replaceable() }; //~ ERROR usage of an `unsafe` block
}
