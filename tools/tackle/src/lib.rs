// SPDX-License-Identifier: GPL-2.0

//! The command `tackle`, for users of the modules.
//!
//! `tackle patch` lists, enables and disables live patches: those of this project and all
//! others, since it works on what the kernel's livepatch core shows in
//! `/sys/kernel/livepatch`.
//! `tackle hook` places and reads the hooks of the module `tackle_hooks`, in
//! `/sys/kernel/debug/tackle/hooks`, and checks what the handlers in a module call.
//! `tackle qdisc` watches queueing disciplines, which it reads by netlink, and measures what
//! they do to a slow link.
//! `tackle numa` shows and steers NUMA balancing with the modules `numa_stat` and
//! `numa_control`, in `/sys/kernel/debug/tackle`.
//! `tackle fault` makes the calls of a module fail with the module `fault_inject`, by
//! `/dev/tackle_fault`, and reports what the module does then.
//!
//! The files of the kernel are found through [`Roots`](roots::Roots), in whose place tests have
//! a folder; its netlink messages through [`Netlink`](netlink::Netlink).

#![forbid(unsafe_code)]

pub mod check;
pub mod cli;
pub mod debugfs;
pub mod fault;
pub mod files;
pub mod hook;
pub mod netlink;
pub mod numa;
pub mod patch;
pub mod picture;
pub mod qdisc;
pub mod roots;
pub mod table;
pub mod terminal;
pub mod unknown;
