// SPDX-License-Identifier: GPL-2.0

//! Implements the decisions of the tackle modules as pure algorithms.
//!
//! Nothing in this crate uses a kernel type, allocates, blocks or can panic. The caller supplies
//! what the algorithms need (the time, a random number, a packet). So Kbuild compiles the same
//! source into the kernel, and cargo compiles it into host tests.
//!
//! - [`codel`]: when a queue drops or marks a packet,
//! - [`fault`]: whether a fault point fails this time,
//! - [`fq_codel`]: which of many flows sends next, and which flow loses packets if the queue is
//!   full,
//! - [`hooks`]: which hook a line requests, and the data that hooks collect,
//! - [`netlink`]: attributes and C structures that the kernel sends,
//! - [`numa`]: statistics of NUMA balancing by task, process and cgroup, and the nodes to which
//!   tasks and pages belong,
//! - [`sort`]: sorting in place.

// Kbuild passes `no_std` on the command line.
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
