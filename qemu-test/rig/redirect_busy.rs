// SPDX-License-Identifier: GPL-2.0

//! A redirection of `/proc/cmdline` to a replacement in which whoever reads the file sleeps
//! until a signal comes.

#![forbid(unsafe_code)]

use kernel::{
    bindings::seq_file,
    ffi::{c_int, c_void},
    prelude::*,
    time::{delay::fsleep, Delta},
};
use tackle::{
    ftrace::Redirect,
    function::{targets::CmdlineProcShow, Original, Pointer},
};

tackle::module! {
    type: RedirectBusy,
    name: "redirect_busy",
    authors: ["The Tackle developers"],
    description: "Redirects a function to one in which its callers sleep",
    license: "GPL",
}

fn busy(
    _: Original<'_, CmdlineProcShow>,
    _: Pointer<'_, *mut seq_file>,
    _: Pointer<'_, *mut c_void>,
) -> c_int {
    while !current!().signal_pending() {
        fsleep(Delta::from_millis(10));
    }
    0
}

/// What is dropped when the module goes.
struct RedirectBusy {
    _redirect: Pin<KBox<Redirect>>,
}

impl kernel::Module for RedirectBusy {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let redirect = KBox::pin_init(tackle::redirect!(CmdlineProcShow => busy), GFP_KERNEL)?;
        Ok(Self {
            _redirect: redirect,
        })
    }
}
