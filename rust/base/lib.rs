// SPDX-License-Identifier: GPL-2.0

//! The base of the library: what each module of the project needs, qdiscs among them.
//!
//! It is loaded as `tackle.ko`. Modules see it by way of the crate `tackle`
//! (`rust/tackle/lib.rs`), which adds all that stands on ftrace, kprobes and live patching.
//!
//! One file an API. This crate, `tackle` and the generated bindings are the only place with
//! `unsafe` code; modules that use them carry `#![forbid(unsafe_code)]`.

#[doc(hidden)]
pub mod bindings;
mod declare;
#[doc(hidden)]
pub mod going;
#[doc(hidden)]
pub mod leftover;
mod library;
#[doc(hidden)]
pub mod readiness;

pub mod debugfs;
pub mod fault;
#[cfg(CONFIG_KUNIT = "y")]
pub mod kunit;
pub mod net;
pub mod param;
pub mod periodic;

#[doc(hidden)]
pub use library::Library;

/// What macros use, under paths that no module can make up: a module can have crates of its own
/// that are called `core` or `kernel`.
#[doc(hidden)]
pub mod __private {
    pub use {core, kernel};
}

/// What `pr_err!` and its kin put in front of a line, as `module!` would define it.
const __LOG_PREFIX: &[u8] = b"tackle\0";
