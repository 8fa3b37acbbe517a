// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of the library, for all that only a kernel can test.
//!
//! ```sh
//! insmod tackle_kunit.ko given=seven77
//! dmesg
//! ```
//!
//! The tests run when the module is loaded, and need a kernel with `CONFIG_KUNIT=y`. If KUnit is
//! not enabled by default, add `kunit.enable=1 kunit.autorun=1` to the kernel's command line.
//!
//! Each API has one file, and each file has one suite. A test returns a [`Result`] and compares
//! with [`tackle::expect_eq!`], so that a test that fails drops its values and leaves nothing.

#![forbid(unsafe_code)]

use kernel::prelude::*;

mod codel;
mod debugfs;
mod exit;
mod fault;
mod fifo;
mod flows;
mod ftrace;
mod ftrace_kinds;
mod ftrace_typed;
mod function;
mod handlers;
mod hook;
mod livepatch;
mod netlink;
mod numa;
mod param;
mod periodic;
mod qdisc;
mod redirect;
mod shadow;
mod skbuff;
mod symbol;

tackle::module! {
    type: TackleKunit,
    name: "tackle_kunit",
    authors: ["The Tackle developers"],
    description: "KUnit tests of the tackle library",
    license: "GPL",
}

/// The module has no data: KUnit finds the suites in the module's file.
struct TackleKunit;

impl kernel::Module for TackleKunit {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}
