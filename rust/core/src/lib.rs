// SPDX-License-Identifier: GPL-2.0

//! The decisions of the tackle modules, as pure algorithms.
//!
//! Nothing in here knows a kernel type, allocates, blocks or can panic: what a
//! module needs from its surroundings (the time, a random number, a packet) is
//! handed in. So the same source is compiled into the kernel by Kbuild and into
//! host tests by cargo.
//!
//! - [`codel`]: when a queue drops or marks a packet,
//! - [`fault`]: whether a fault point fails this time,
//! - [`fq_codel`]: which of many flows sends next, and which one a full queue drops from,
//! - [`hooks`]: which hook a line asks for, and what hooks collect,
//! - [`netlink`]: attributes and C structures that the kernel sends,
//! - [`numa`]: what NUMA balancing has done, by task, process and cgroup, and where tasks and pages
//!   belong,
//! - [`sort`]: lists in order.

// Kbuild gives it on the command line.
#![cfg_attr(not(kbuild), no_std)]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod codel;
pub mod fault;
pub mod fq_codel;
pub mod hooks;
pub mod netlink;
pub mod numa;
pub mod sort;
