// SPDX-License-Identifier: GPL-2.0

//! Tests NUMA balancing on 64 nodes, the maximum with `CONFIG_NODES_SHIFT=6`. The first four nodes
//! have a processor each. The others have memory only. Nodes 1 to 62 have little memory.

use anyhow::{ensure, Result};

use super::numa::expect_migration;
use crate::suite::{list, Context, Suite};
use crate::sys::numa;

/// The suite.
pub const SUITE: Suite = Suite {
    name: "numa64",
    by_name_only: false,
    tests: list![
        guest_has_64_nodes_with_memory,
        memory_leaves_a_node_without_cpus,
    ],
};

const NODES: usize = 64;
const WITH_CPUS: usize = 4;

fn guest_has_64_nodes_with_memory(_: &mut Context<'_>) -> Result<()> {
    for (file, expected) in [
        ("online", NODES),
        ("has_memory", NODES),
        ("has_cpu", WITH_CPUS),
    ] {
        let nodes = numa::nodes_that(file)?;
        ensure!(
            nodes.iter().copied().eq(0..expected),
            "{file}: expected the nodes 0 to {}, got {nodes:?}",
            expected - 1
        );
    }
    Ok(())
}

fn memory_leaves_a_node_without_cpus(context: &mut Context<'_>) -> Result<()> {
    expect_migration(context, NODES - 1, 0)
}
