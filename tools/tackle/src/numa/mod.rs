// SPDX-License-Identifier: GPL-2.0

//! `tackle numa`: NUMA balancing, from what the module `numa_stat` counts.

pub mod cgroup;
pub mod interface;
pub mod kernel;
pub mod nodes;
pub mod order;
pub mod process;
pub mod rates;
pub mod row;
pub mod screen;
pub mod source;
pub mod stat;
pub mod top;

use anyhow::Result;
use clap::Subcommand;

use crate::roots::Roots;

/// What can be done with NUMA balancing.
#[derive(Debug, Subcommand)]
pub enum NumaCommand {
    /// Print what was counted of NUMA hinting faults
    Stat(stat::Request),
    /// Watch tasks and nodes
    Top(top::Request),
}

impl NumaCommand {
    /// Carries the command out.
    ///
    /// # Errors
    /// What the user got wrong, and what the kernel or a module refused.
    pub fn run(&self, roots: &Roots) -> Result<()> {
        match self {
            Self::Stat(request) => request.run(roots),
            Self::Top(request) => request.run(roots),
        }
    }
}
