// SPDX-License-Identifier: GPL-2.0

//! Implements the base of the library, which each module of the project needs: debugfs files, fault
//! injection, qdiscs and the like.
//!
//! The base is loaded as `tackle.ko`. Modules use it through the crate `tackle`
//! (`rust/tackle/lib.rs`), which adds the APIs that need ftrace, kprobes and live patching.
//!
//! Each API has one file. Only this crate, `tackle` and the generated bindings contain `unsafe`
//! code; modules that use them have `#![forbid(unsafe_code)]`.

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

/// Re-exports for the library's macros. A macro cannot use the plain paths, since a module can have
/// crates of its own that are called `core` or `kernel`.
#[doc(hidden)]
pub mod __private {
    pub use {core, kernel};
}

/// The prefix of log lines of `pr_err!` and the like, which `module!` would define otherwise.
const __LOG_PREFIX: &[u8] = b"tackle\0";
