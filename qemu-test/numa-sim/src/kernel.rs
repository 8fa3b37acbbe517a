// SPDX-License-Identifier: GPL-2.0

//! Models the NUMA balancing of Linux 7.3: the decisions of `kernel/sched/fair.c` about tasks,
//! pages and scans. `tests/kernel_diff.rs` compares the model with the C code.

mod migrate;
mod placement;
mod state;
mod weight;

pub use migrate::{adjust_numa_imbalance, Migration};
pub use state::{Cpu, Group, Kernel, Nodes, Task, Types};
