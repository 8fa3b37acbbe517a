// SPDX-License-Identifier: GPL-2.0

//! A simulator of machines with many NUMA nodes, and of what balances them: the kernel's rules, our
//! policy, or nothing.
//!
//! The time goes in steps. A task accesses regions of memory, each of which has pages on nodes. When
//! a scan window of a task closes, it takes a hinting fault on each page of its movable regions; the
//! balancer decides which pages and tasks move. The scheduler's load balancer is the same for all.
//! There are no caches and no bandwidth: the results are where accesses go, not how long they take.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod balancer;
pub mod distances;
pub mod kernel;
pub mod machine;
pub mod planner;
pub mod run;
pub mod scenario;
pub mod workload;
