// SPDX-License-Identifier: GPL-2.0

//! The command `tackle`, for those who use the modules.
//!
//! `tackle patch` looks after live patches: those of this project and all others, since
//! it works on what the kernel's livepatch core shows in `/sys/kernel/livepatch`.
//! `tackle hook` places and reads the hooks of the module `tackle_hooks`, in
//! `/sys/kernel/debug/tackle/hooks`, and looks at what the handlers in a module call.
//! `tackle qdisc` watches queueing disciplines, as `tc` shows them, and measures what they do
//! to a slow link.
//!
//! What patches and hooks ask of the kernel goes through [`Roots`](roots::Roots), in whose place
//! tests have a folder.

#![forbid(unsafe_code)]

pub mod check;
pub mod cli;
pub mod files;
pub mod hook;
pub mod patch;
pub mod qdisc;
pub mod roots;
pub mod table;
pub mod terminal;
pub mod unknown;
