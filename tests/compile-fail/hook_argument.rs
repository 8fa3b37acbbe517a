// SPDX-License-Identifier: GPL-2.0

//! A hook whose prototype has another type of argument than the C header has.

#![forbid(unsafe_code)]

use kernel::{
    bindings::{file, loff_t},
    prelude::*,
};

pub fn hook() -> Result {
    let hook = tackle::hook!( //~ ERROR expected fn pointer `unsafe extern "C" fn(_, u64, _, _) -> _`
        vfs_read: fn(*mut file, u64, usize, *mut loff_t) -> isize,
        |_call, (_file, _buffer, _count, _position)| {},
    );
    KBox::pin_init(hook, GFP_KERNEL).map(drop)
}
