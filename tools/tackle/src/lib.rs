// SPDX-License-Identifier: GPL-2.0

//! Implements the command `tackle`, with which users control the modules of this project.
//!
//! `tackle patch` lists, enables and disables live patches. It reads and writes
//! `/sys/kernel/livepatch`, so it works with all live patches, not only with those of this
//! project.
//! `tackle hook` places and reads the hooks of the module `tackle_hooks`, in
//! `/sys/kernel/debug/tackle/hooks`, and checks what the handlers in a module call.
//! `tackle qdisc` watches queueing disciplines, which it reads by netlink, and measures what
//! they do to a slow link.
//! `tackle numa` shows and steers NUMA balancing with the modules `numa_stat` and
//! `numa_control`, in `/sys/kernel/debug/tackle`.
//! `tackle fault` makes the calls of a module fail with the module `fault_inject`, by
//! `/dev/tackle_fault`, and reports what the module does then.
//!
//! All paths of kernel files come from [`Roots`](roots::Roots); tests replace it by a temporary
//! folder. All netlink messages go through [`Netlink`](netlink::Netlink).

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
