// SPDX-License-Identifier: GPL-2.0

//! A handler that refers to the stack of whoever hooks the function.

#![forbid(unsafe_code)]

use kernel::{
    bindings::{file, loff_t},
    ffi::c_char,
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
};

pub fn hook() -> Result<u64> {
    let calls = Atomic::new(0u64);
    let hook = tackle::hook!(
        vfs_read: fn(*mut file, *mut c_char, usize, *mut loff_t) -> isize,
        |_call, _arguments| { //~ ERROR closure may outlive the current function, but it borrows `calls`
            calls.fetch_add(1, Relaxed);
        },
    );
    KBox::pin_init(hook, GFP_KERNEL)?;
    Ok(calls.load(Relaxed))
}
