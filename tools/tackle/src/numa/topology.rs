// SPDX-License-Identifier: GPL-2.0

//! Implements `tackle numa topology`: prints the distances between the nodes, and the kind of
//! topology that the scheduler derives from them.
//!
//! C original: `init_numa_topology_type()` and `sched_record_numa_dist()` in
//! `kernel/sched/topology.c`. The kernel does not show its result, so the command computes it from
//! the distances in sysfs. On x86 with sub-NUMA clusters the result can differ: the kernel builds
//! its scheduling domains from changed distances there (`arch_sched_node_distance()`), so it can
//! find fewer levels.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::Result;
use serde::Serialize;

use super::nodes::Node;
use crate::picture::Picture;
use crate::table::{columns, json, say};

/// The smallest valid distance: that of a node to itself (`include/linux/topology.h`).
pub const LOCAL_DISTANCE: u32 = 10;

/// The kernel accepts only smaller distances (`DISTANCE_BITS`).
const DISTANCES: u32 = 1 << 8;

/// How nodes are connected, by the scheduler's classification (`enum numa_topology_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Kind {
    /// Each node is connected to all other nodes.
    Direct,
    /// Distant nodes are connected through other nodes.
    GluelessMesh,
    /// Groups of nodes are connected through controllers that are no nodes.
    Backplane,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "DIRECT (each node is connected to each other)",
            Self::GluelessMesh => "GLUELESS_MESH (nodes lie between others)",
            Self::Backplane => "BACKPLANE (controllers connect groups of nodes)",
        })
    }
}

/// Returns the kind of topology. Nodes without CPUs do not count.
pub fn kind(nodes: &[Node]) -> Kind {
    let with_cpus: Vec<_> = nodes.iter().filter(|node| !node.cpus.is_empty()).collect();
    // A distance that is missing in sysfs is treated as one that the kernel does not accept.
    let distance = |a: &Node, b: &Node| a.distances.get(&b.node).copied().unwrap_or(0);
    let pairs = || {
        with_cpus
            .iter()
            .flat_map(|a| with_cpus.iter().map(move |b| (*a, *b)))
    };
    let levels: BTreeSet<u32> = pairs().map(|(a, b)| distance(a, b)).collect();
    let is_valid = levels
        .iter()
        .all(|level| (LOCAL_DISTANCE..DISTANCES).contains(level));
    let Some(most) = levels.last().filter(|_| is_valid && levels.len() > 2) else {
        return Kind::Direct;
    };
    // The kernel decides by the first pair of nodes with the greatest distance.
    let Some((a, b)) = pairs().find(|(a, b)| distance(a, b) >= *most) else {
        return Kind::Direct;
    };
    let is_between = |c: &&&Node| distance(a, c) < *most && distance(b, c) < *most;
    match with_cpus.iter().find(is_between) {
        Some(_) => Kind::GluelessMesh,
        None => Kind::Backplane,
    }
}

/// The topology for JSON.
#[derive(Debug, Serialize)]
struct Topology<'a> {
    kind: Kind,
    nodes: &'a [Node],
}

/// Prints the topology, and draws it into `pictures`.
///
/// # Errors
/// Returns an error if a file cannot be written.
pub fn run(nodes: &[Node], pictures: &[Picture], as_json: bool) -> Result<()> {
    let kind = kind(nodes);
    if !pictures.is_empty() {
        let svg = super::heatmap::draw(kind, nodes)?;
        pictures
            .iter()
            .try_for_each(|picture| picture.write(svg.clone()))?;
    }
    if as_json {
        return json(&Topology { kind, nodes });
    }
    say(&text(kind, nodes));
    Ok(())
}

/// Returns the topology as two tables: the nodes, and their distances.
pub fn text(kind: Kind, nodes: &[Node]) -> String {
    let heading = ["NODE", "CPUS", "MEMORY MiB", "FREE MiB"].map(String::from);
    let rows = nodes.iter().map(|node| {
        vec![
            node.node.to_string(),
            cpus(node).to_owned(),
            (node.memory_kb >> 10).to_string(),
            (node.free_kb >> 10).to_string(),
        ]
    });
    let about = columns(heading.to_vec(), |index| index != 1, rows);
    let heading = std::iter::once("DISTANCE".to_owned())
        .chain(nodes.iter().map(|node| node.node.to_string()))
        .collect();
    let rows = nodes.iter().map(|from| {
        let distance = |to: &Node| {
            from.distances
                .get(&to.node)
                .map_or("-".into(), u32::to_string)
        };
        std::iter::once(from.node.to_string())
            .chain(nodes.iter().map(distance))
            .collect()
    });
    let distances = columns(heading, |_| true, rows);
    format!("topology: {kind}\n\n{about}\n\n{distances}")
}

/// Returns the CPUs of a node as text, or `none`.
pub fn cpus(node: &Node) -> &str {
    if node.cpus.is_empty() {
        return "none";
    }
    &node.cpus
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of<const N: usize>(matrix: [[u32; N]; N]) -> Kind {
        kind(&nodes(matrix))
    }

    fn nodes<const N: usize>(matrix: [[u32; N]; N]) -> Vec<Node> {
        let node = |(node, row): (u32, [u32; N])| Node {
            node,
            cpus: node.to_string(),
            distances: (0..).zip(row).collect(),
            ..Node::default()
        };
        (0..).zip(matrix).map(node).collect()
    }

    #[test]
    fn up_to_two_levels_are_direct() {
        assert_eq!(kind_of([[10]]), Kind::Direct);
        assert_eq!(kind_of([[10, 20], [20, 10]]), Kind::Direct);
        let full = [
            [10, 20, 20, 20],
            [20, 10, 20, 20],
            [20, 20, 10, 20],
            [20, 20, 20, 10],
        ];
        assert_eq!(kind_of(full), Kind::Direct);
    }

    #[test]
    fn a_ring_is_a_glueless_mesh() {
        let ring = [
            [10, 20, 30, 20],
            [20, 10, 20, 30],
            [30, 20, 10, 20],
            [20, 30, 20, 10],
        ];
        assert_eq!(kind_of(ring), Kind::GluelessMesh);
    }

    #[test]
    fn groups_without_a_node_between_them_are_a_backplane() {
        let groups = [
            [10, 15, 40, 40],
            [15, 10, 40, 40],
            [40, 40, 10, 15],
            [40, 40, 15, 10],
        ];
        assert_eq!(kind_of(groups), Kind::Backplane);
    }

    #[test]
    fn nodes_without_cpus_do_not_count() {
        let mut all = nodes([[10, 20, 30], [20, 10, 20], [30, 20, 10]]);
        assert_eq!(kind(&all), Kind::GluelessMesh);
        all[1].cpus.clear();
        assert_eq!(kind(&all), Kind::Direct);
    }

    #[test]
    fn distances_that_the_kernel_refuses_leave_its_default() {
        let ring = [[10, 20, 256], [20, 10, 20], [256, 20, 10]];
        assert_eq!(kind_of(ring), Kind::Direct);
        assert_eq!(
            kind_of([[10, 20, 30], [20, 5, 20], [30, 20, 10]]),
            Kind::Direct
        );
    }

    #[test]
    fn the_text_has_nodes_and_distances() {
        let mut all = nodes([[10, 21], [21, 10]]);
        all[1].cpus.clear();
        all[0].memory_kb = 4 << 20;
        let text = text(Kind::Direct, &all);
        let lines: Vec<Vec<_>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(lines[0][..2], ["topology:", "DIRECT"]);
        assert_eq!(lines[3], ["0", "0", "4096", "0"]);
        assert_eq!(lines[4], ["1", "none", "0", "0"]);
        assert_eq!(lines[6], ["DISTANCE", "0", "1"]);
        assert_eq!(lines[8], ["1", "21", "10"]);
    }
}
