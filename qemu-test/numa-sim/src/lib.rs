// SPDX-License-Identifier: GPL-2.0

//! A simulator of machines with many NUMA nodes, and of what balances them: the kernel's rules, our
//! policy, or nothing.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod kernel;
