// SPDX-License-Identifier: GPL-2.0

//! Implements the module `tackle.ko`, the base of the library.
//!
//! It is a crate of its own, since `module!` defines the init and exit functions. These must not be
//! among the library's exported symbols.

#![forbid(unsafe_code)]

use kernel::prelude::*;
use tackle_base::Library;

module! {
    type: TackleModule,
    name: "tackle",
    authors: ["The Tackle developers"],
    description: "Safe abstractions for qdiscs, debugfs and fault injection",
    license: "GPL",
}

struct TackleModule {
    _library: Library,
}

impl kernel::Module for TackleModule {
    fn init(_: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _library: Library::new()?,
        })
    }
}
