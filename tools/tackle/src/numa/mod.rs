// SPDX-License-Identifier: GPL-2.0

//! `tackle numa`: NUMA balancing, from what the module `numa_stat` counts.

pub mod cgroup;
mod heatmap;
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
pub mod topology;

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;

use crate::picture::{Format, Picture};
use crate::roots::Roots;

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
            Self::Topology { svg, png, json } => {
                let picture = |path: &Option<PathBuf>, format| {
                    path.clone().map(|path| Picture { path, format })
                };
                let pictures = [picture(svg, Format::Svg), picture(png, Format::Png)];
                let pictures: Vec<_> = pictures.into_iter().flatten().collect();
                topology::run(&nodes::nodes(roots)?, &pictures, *json)
            }
        }
    }
}
