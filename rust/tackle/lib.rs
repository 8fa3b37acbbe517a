// SPDX-License-Identifier: GPL-2.0

//! The `tackle` library: safe abstractions over the C APIs that hooks, live
//! patches, queueing disciplines and fault injection need.
//!
//! Each file is for one API. This crate, its base (`rust/base`) and the generated bindings are the
//! only place with `unsafe` code; modules that use it carry `#![forbid(unsafe_code)]`.
//!
//! This crate exports the whole library, including its base. A module depends only on the parts
//! that it uses. The base is loaded as `tackle.ko`. The code in this crate uses ftrace, kprobes and
//! live patching, and is loaded as `tackle_ftrace.ko`. On a kernel without one of the three, the
//! files that use it are left out.

#[cfg(any(CONFIG_LIVEPATCH, all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES)))]
mod call_at;
#[cfg(any(CONFIG_LIVEPATCH, all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES)))]
mod going;
#[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES, CONFIG_FPROBE))]
#[doc(hidden)]
pub mod hook_module;
#[cfg(any(CONFIG_LIVEPATCH, all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES)))]
mod library;

#[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
pub mod btf;
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
#[cfg(tackle_numa)]
pub mod lock;
#[cfg(tackle_numa)]
pub mod numa;
#[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
pub mod percpu;
pub mod prelude;
#[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
pub mod symbol;
pub mod task;
pub mod time;

use tackle_base::bindings;
#[cfg(CONFIG_KUNIT = "y")]
pub use tackle_base::expect_eq;
#[cfg(tackle_numa)]
use tackle_base::leftover;
#[doc(hidden)]
pub use tackle_base::{__needs_this_build, __private};
pub use tackle_base::{
    debugfs, fault_attr, fault_point, modinfo, module, net, param, periodic, string_param,
};

#[cfg(any(CONFIG_LIVEPATCH, all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES)))]
#[doc(hidden)]
pub use library::Library;

/// The prefix of log lines of `pr_err!` and similar macros. `module!` would define it otherwise.
const __LOG_PREFIX: &[u8] = b"tackle_ftrace\0";
