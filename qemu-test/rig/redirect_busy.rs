// SPDX-License-Identifier: GPL-2.0

//! Redirects `/proc/cmdline` to a replacement in which readers of the file sleep until a signal
//! comes. With `how=forget` the redirection is never dropped.

#![forbid(unsafe_code)]

#[path = "forget.rs"]
mod forget;

use forget::forget;
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

tackle::string_param! {
    /// What the module does with the redirection.
    static HOW: StringParam<8> = "how", "forget: it is never dropped";
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

/// The values that are dropped when the module is unloaded.
struct RedirectBusy {
    _redirect: Option<Pin<KBox<Redirect>>>,
}

impl kernel::Module for RedirectBusy {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let redirect = KBox::pin_init(tackle::redirect!(CmdlineProcShow => busy), GFP_KERNEL)?;
        if HOW.value() == c"forget" {
            forget(redirect);
            return Ok(Self { _redirect: None });
        }
        Ok(Self {
            _redirect: Some(redirect),
        })
    }
}
