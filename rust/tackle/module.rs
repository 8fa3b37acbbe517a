// SPDX-License-Identifier: GPL-2.0

//! Implements the module `tackle_ftrace.ko`: the part of the library that uses ftrace, kprobes and
//! live patching.
//!
//! This is a crate of its own, since `module!` defines the init and exit functions, which
//! must not be among the library's exported symbols.

#![forbid(unsafe_code)]

use kernel::prelude::*;
use tackle::Library;

tackle::module! {
    type: FtraceModule,
    name: "tackle_ftrace",
    authors: ["The Tackle developers"],
    description: "Safe abstractions for hooks and live patches",
    license: "GPL",
}

struct FtraceModule {
    _library: Library,
}

impl kernel::Module for FtraceModule {
    fn init(module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _library: Library::new(module)?,
        })
    }
}
