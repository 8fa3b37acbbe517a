// SPDX-License-Identifier: GPL-2.0

//! Redirects the function that prints `/proc/cmdline` through a hook. Unlike a live patch, the
//! redirection takes effect at once for all tasks.
//!
//! ```sh
//! insmod hook_redirect.ko
//! cat /proc/cmdline
//! cat /sys/kernel/debug/tackle/hook_redirect/redirected
//! rmmod hook_redirect
//! ```

#![forbid(unsafe_code)]

use kernel::{
    bindings::seq_file,
    ffi::{c_int, c_void},
    prelude::*,
    seq_print,
};
use tackle::{
    debugfs::{self, Scope},
    ftrace::{self, Redirect},
    function::{targets::CmdlineProcShow, Original, Pointer},
};

tackle::module! {
    type: HookRedirect,
    name: "hook_redirect",
    authors: ["The Tackle developers"],
    description: "Redirects /proc/cmdline through a hook",
    license: "GPL",
}

/// Prints the text of the original function, and a line of its own.
fn cmdline(
    original: Original<'_, CmdlineProcShow>,
    m: Pointer<'_, *mut seq_file>,
    _: Pointer<'_, *mut c_void>,
) -> c_int {
    let result = original.call_keeping();
    if let Some(m) = m.get(&original) {
        seq_print!(m, "this has been redirected\n");
    }
    result
}

/// The file, and the redirection that it shows. Dropping this value removes both.
struct HookRedirect {
    _files: Pin<KBox<Scope<Redirect>>>,
}

impl kernel::Module for HookRedirect {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let redirect = tackle::redirect!(CmdlineProcShow => cmdline);
        let root = debugfs::root()?;
        let files = root.scope(redirect, c"hook_redirect", |redirect, dir| {
            dir.read_callback_file(c"redirected", redirect, &|redirect, f| {
                writeln!(f, "{}", redirect.redirected())
            });
        });
        let files = KBox::pin_init(files, GFP_KERNEL)
            .inspect_err(|&e| pr_err!("cmdline_proc_show: {}\n", ftrace::reason(e)))?;
        Ok(Self { _files: files })
    }
}
