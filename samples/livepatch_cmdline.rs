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

use kernel::{prelude::*, seq_file::SeqFile, seq_print};
use tackle::livepatch::{targets::CmdlineProcShow, Func, SeqShow};

tackle::livepatch! {
    name: "livepatch_cmdline",
    authors: ["The Tackle developers"],
    description: "Live patch of /proc/cmdline",
    license: "GPL",
    funcs: [Func::seq_show::<Cmdline>()],
}

struct Cmdline;

impl SeqShow for Cmdline {
    type Target = CmdlineProcShow;

    fn show(m: &SeqFile) -> Result {
        seq_print!(m, "this has been live patched\n");
        Ok(())
    }
}
