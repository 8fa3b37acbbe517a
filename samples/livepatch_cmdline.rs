// SPDX-License-Identifier: GPL-2.0

//! A live patch of `/proc/cmdline`: the kernel's `samples/livepatch/livepatch-sample.c`
//! in Rust.
//!
//! ```sh
//! insmod livepatch_cmdline.ko
//! cat /proc/cmdline
//! echo 0 > /sys/kernel/livepatch/livepatch_cmdline/enabled
//! ```

#![forbid(unsafe_code)]

use kernel::bindings::seq_file;
use tackle::{function::targets::CmdlineProcShow, prelude::patch::*};

tackle::livepatch! {
    name: "livepatch_cmdline",
    authors: ["The Tackle developers"],
    description: "Live patch of /proc/cmdline",
    license: "GPL",
    objects: [{ functions: [CmdlineProcShow => cmdline] }],
}

fn cmdline(
    original: Original<'_, CmdlineProcShow>,
    m: Pointer<'_, *mut seq_file>,
    _: Pointer<'_, *mut c_void>,
) -> c_int {
    if let Some(m) = m.get(&original) {
        seq_print!(m, "this has been live patched\n");
    }
    0
}
