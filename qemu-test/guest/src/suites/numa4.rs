// SPDX-License-Identifier: GPL-2.0

//! Tests NUMA balancing on four nodes that form a ring, so that the distances between nodes differ.

use anyhow::{ensure, Result};

use super::numa::{
    expect_migration, tasks_come_and_go_while_rows_are_read, ten_thousand_rows_are_read,
};
use crate::suite::{list, Context, Suite};
use crate::sys::numa;

/// The suite.
pub const SUITE: Suite = Suite {
    name: "numa4",
    by_name_only: false,
    tests: list![
        guest_has_a_ring_of_four_nodes,
        memory_follows_across_the_ring,
        tasks_come_and_go_while_rows_are_read,
        ten_thousand_rows_are_read,
    ],
};

/// The distances of each node from all nodes, as set by the runner
/// (`qemu-test/runner/src/qemu.rs`).
const RING: [[u32; 4]; 4] = [
    [10, 20, 30, 20],
    [20, 10, 20, 30],
    [30, 20, 10, 20],
    [20, 30, 20, 10],
];

fn guest_has_a_ring_of_four_nodes(_: &mut Context<'_>) -> Result<()> {
    let nodes = numa::nodes()?;
    ensure!(nodes == RING.len(), "expected 4 nodes, got {nodes}");
    for (node, expected) in RING.iter().enumerate() {
        numa::cpu_of(node)?;
        let distances = numa::distances(node)?;
        ensure!(
            distances == expected,
            "node {node}: expected the distances {expected:?}, got {distances:?}"
        );
    }
    Ok(())
}

fn memory_follows_across_the_ring(context: &mut Context<'_>) -> Result<()> {
    expect_migration(context, 3, 0)
}
