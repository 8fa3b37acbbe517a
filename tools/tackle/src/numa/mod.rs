// SPDX-License-Identifier: GPL-2.0

//! Implements `tackle numa`. It shows the statistics of the module `numa_stat`, the switches of
//! the module `numa_control` and the plan of the module `numa_balance`. It also shows what the
//! kernel itself shows of nodes, memory and interrupts.

pub mod advise;
pub mod cgroup;
pub mod control;
mod heatmap;
pub mod interface;
pub mod interrupts;
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
pub mod topology;
pub mod unseen;
pub mod wakeups;

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;

use crate::picture::{Format, Picture};
use crate::roots::Roots;
use control::{preferred, Control, Preferred, Target};

/// What can be done with NUMA balancing.
#[derive(Debug, Subcommand)]
pub enum NumaCommand {
    /// Print what was counted of NUMA hinting faults
    Stat(stat::Request),
    /// Watch tasks and nodes
    Top(top::Request),
    /// Print the nodes, their distances and the kind of topology
    Topology {
        /// Draw the distances into this file, as SVG
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
        /// Draw the distances into this file, as PNG
        #[arg(long, value_name = "FILE")]
        png: Option<PathBuf>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Switch NUMA balancing off for tasks
    Off(Target),
    /// Switch NUMA balancing on again
    On(Target),
    /// Print where the policy of numa_balance would place tasks, and why
    Advise(advise::Request),
    /// Print whether the kernel balances, which policy decides, and what is switched off
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Set the node that a task prefers
    Prefer {
        /// The task
        #[arg(value_name = "TID")]
        pid: u32,
        /// The node; none takes it back
        #[arg(value_name = "NODE|none", value_parser = preferred)]
        node: Preferred,
    },
    /// Print the memory of a task that never faults, by reason and node
    Unseen {
        /// The task
        #[arg(long, value_name = "TID")]
        pid: u32,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the nodes of devices and of the CPUs that handle their interrupts
    Interrupts {
        /// Only those that are handled far from their device
        #[arg(long)]
        remote: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print which tasks wake tasks of other nodes, and how often
    Wakeups {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

impl NumaCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// Returns an error if an argument is wrong, or if the kernel or a module refuses an
    /// operation.
    pub fn run(&self, roots: &Roots) -> Result<()> {
        match self {
            Self::Stat(request) => request.run(roots),
            Self::Top(request) => request.run(roots),
            Self::Topology { svg, png, json } => {
                let picture = |path: &Option<PathBuf>, format| {
                    path.clone().map(|path| Picture { path, format })
                };
                let pictures = [picture(svg, Format::Svg), picture(png, Format::Png)];
                let pictures: Vec<_> = pictures.into_iter().flatten().collect();
                topology::run(&nodes::nodes(roots)?, &pictures, *json)
            }
            Self::Off(target) => Control::open(roots)?.switch(false, target),
            Self::On(target) => Control::open(roots)?.switch(true, target),
            Self::Advise(request) => request.run(roots),
            Self::Status { json } => control::status(roots, *json),
            Self::Prefer { pid, node } => Control::open(roots)?.prefer(*pid, *node),
            Self::Unseen { pid, json } => unseen::run(roots, *pid, *json),
            Self::Interrupts { remote, json } => interrupts::run(roots, *remote, *json),
            Self::Wakeups { json } => wakeups::run(roots, *json),
        }
    }
}
