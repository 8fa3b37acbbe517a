// SPDX-License-Identifier: GPL-2.0

//! A function whose prototype is compared with a declaration of the module itself.

#![forbid(unsafe_code)]

use kernel::prelude::*;

mod forged {
    extern "C" {
        pub fn mutex_lock(lock: u64);
    }
}

tackle::function! {
    MutexLock: fn mutex_lock(u64);
    header: forged; //~ ERROR no rules expected
}

pub fn name() -> &'static CStr {
    <MutexLock as tackle::function::Function>::NAME //~ ERROR cannot find type
}
