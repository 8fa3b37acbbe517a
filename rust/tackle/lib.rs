// SPDX-License-Identifier: GPL-2.0

//! The `tackle` library: safe abstractions over the C APIs that hooks, live
//! patches, queueing disciplines and fault injection need.
//!
//! One file an API. This crate and the generated bindings are the only place with
//! `unsafe` code; modules that use it carry `#![forbid(unsafe_code)]`.
//!
//! It is loaded as `tackle.ko`, on which the other modules depend.

mod bindings;
mod library;

pub mod debugfs;
pub mod fault;
pub mod ftrace;
pub mod livepatch;
pub mod net;
pub mod numa;
pub mod param;
pub mod symbol;
pub mod task;

#[doc(hidden)]
pub use library::Library;

/// What `pr_err!` and its kin put in front of a line, as `module!` would define it.
const __LOG_PREFIX: &[u8] = b"tackle\0";
