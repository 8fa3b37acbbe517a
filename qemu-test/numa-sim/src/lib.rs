// SPDX-License-Identifier: GPL-2.0

//! Simulates machines with many NUMA nodes, which are balanced by the kernel's rules, by our
//! policy, or not at all.
//!
//! Time passes in steps. A task accesses regions of memory, whose pages are on nodes. At the end of
//! a scan window, a task has a hinting fault on each page of its movable regions. The balancer
//! decides which pages and tasks move. The scheduler's load balancer is the same for all balancers.
//! There are no caches and no limits of bandwidth. The results are the nodes that accesses go to,
//! not their times.

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
