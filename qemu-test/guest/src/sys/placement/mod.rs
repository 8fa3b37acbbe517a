// SPDX-License-Identifier: GPL-2.0

//! Runs workloads whose tasks and memory are placed well or badly, and measures which share of
//! their memory accesses is local while a policy balances them.

pub mod cases;
pub mod policy;
pub mod run;
pub mod worker;
