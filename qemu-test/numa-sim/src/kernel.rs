// SPDX-License-Identifier: GPL-2.0

//! A model of the NUMA balancing of Linux 7.3: what `kernel/sched/fair.c` decides about tasks, pages
//! and scans. `tests/kernel_diff.rs` compares it with the C code.

mod migrate;
mod placement;
mod state;
mod weight;

pub use migrate::{adjust_numa_imbalance, Migration};
pub use state::{Cpu, Group, Kernel, Nodes, Task, Types};
