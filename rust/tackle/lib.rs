// SPDX-License-Identifier: GPL-2.0

//! The `tackle` library: safe abstractions over the C APIs that hooks, live
//! patches, queueing disciplines and fault injection need.
//!
//! One file an API. This crate and the generated bindings are the only place with
//! `unsafe` code; modules that use it carry `#![forbid(unsafe_code)]`.
//!
//! It is loaded as `tackle.ko`, on which the other modules depend. On a kernel without
//! ftrace, kprobes or live patching the files that stand on it are left out.

mod bindings;
#[cfg(any(CONFIG_LIVEPATCH, all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES)))]
mod call_at;
mod declare;
mod going;
#[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES, CONFIG_FPROBE))]
#[doc(hidden)]
pub mod hook_module;
mod leftover;
mod library;

#[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
pub mod btf;
pub mod debugfs;
pub mod fault;
#[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES, CONFIG_FPROBE))]
pub mod filter;
#[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
pub mod ftrace;
pub mod function;
#[cfg(CONFIG_KUNIT = "y")]
pub mod kunit;
#[cfg(CONFIG_LIVEPATCH)]
pub mod livepatch;
pub mod net;
#[cfg(all(
    CONFIG_DYNAMIC_FTRACE_WITH_ARGS,
    CONFIG_KPROBES,
    CONFIG_FPROBE,
    CONFIG_NUMA_BALANCING
))]
pub mod numa;
pub mod param;
#[cfg(not(CONFIG_UML))]
pub mod percpu;
pub mod prelude;
#[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
pub mod symbol;
pub mod task;
pub mod time;

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
