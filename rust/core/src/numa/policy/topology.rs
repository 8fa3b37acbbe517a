// SPDX-License-Identifier: GPL-2.0

//! Implements the rule of backplanes and meshes: computes how near the nodes of a machine are.
//!
//! C source: `init_numa_topology_type()` in `kernel/sched/topology.c`, `score_nearby_nodes()` in
//! `kernel/sched/fair.c`.

/// The distance of a node to itself: `LOCAL_DISTANCE`.
pub const LOCAL_DISTANCE: u8 = 10;

/// The value that represents all of a quantity: relative quantities are in thousandths.
pub(super) const WHOLE: u64 = 1000;

/// How the nodes are connected: `sched_numa_topology_type`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// All nodes have the same distance from each other.
    Direct,
    /// A third node is between two nodes with the greatest distance.
    GluelessMesh,
    /// Groups of near nodes are connected by controllers.
    Backplane,
}

/// The distances between the nodes of a machine.
#[derive(Clone, Copy, Debug)]
pub struct Topology<'a> {
    nodes: usize,
    distances: &'a [u8],
    farthest: u8,
    kind: Kind,
}

impl<'a> Topology<'a> {
    /// Returns the topology of `nodes` nodes with the matrix `distances`, row by row, as in
    /// `/sys/devices/system/node/nodeN/distance`. Missing distances count as unreachable (255).
    ///
    /// `has_cpus` returns whether a node has CPUs. As in the kernel, the kind depends only on
    /// nodes with CPUs. Takes O(nodes^2) steps.
    pub fn new(nodes: usize, distances: &'a [u8], has_cpus: impl Fn(usize) -> bool) -> Self {
        let mut topology = Self {
            nodes,
            distances,
            farthest: LOCAL_DISTANCE,
            kind: Kind::Direct,
        };
        let mut nearest = u8::MAX;
        let mut pair = (0, 0);
        for from in (0..nodes).filter(|&node| has_cpus(node)) {
            for to in (0..nodes).filter(|&node| node != from && has_cpus(node)) {
                let distance = topology.distance(from, to);
                nearest = nearest.min(distance);
                if distance > topology.farthest {
                    topology.farthest = distance;
                    pair = (from, to);
                }
            }
        }
        if topology.farthest > nearest {
            let is_near = |from, to| topology.distance(from, to) < topology.farthest;
            let mut others = (0..nodes).filter(|&node| has_cpus(node));
            topology.kind = if others.any(|node| is_near(pair.0, node) && is_near(pair.1, node)) {
                Kind::GluelessMesh
            } else {
                Kind::Backplane
            };
        }
        topology
    }

    /// Returns the number of nodes.
    pub const fn nodes(&self) -> usize {
        self.nodes
    }

    /// Returns how the nodes are connected.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the greatest distance between two nodes with CPUs: `sched_max_numa_distance`.
    pub const fn farthest(&self) -> u8 {
        self.farthest
    }

    /// Returns the distance of two nodes, like `node_distance()`.
    pub fn distance(&self, from: usize, to: usize) -> u8 {
        if from >= self.nodes || to >= self.nodes {
            return u8::MAX;
        }
        let index = from.wrapping_mul(self.nodes).wrapping_add(to);
        self.distances.get(index).copied().unwrap_or(u8::MAX)
    }

    /// Returns how near memory on the node `to` is to the CPUs of the node `from`: [`WHOLE`] on the
    /// node itself, 0 at the greatest distance, and in proportion between them.
    ///
    /// The kernel weights the faults of a mesh in this way. It treats a backplane as groups of
    /// nodes instead, and sums the faults of each group. The proportion has the same effect: a
    /// node in the group of a node with much memory is preferred to a node of another group.
    pub fn nearness(&self, from: usize, to: usize) -> u64 {
        if from == to {
            return WHOLE;
        }
        let distance = self.distance(from, to);
        let range = u64::from(self.farthest.saturating_sub(LOCAL_DISTANCE));
        let gap = u64::from(self.farthest.saturating_sub(distance.max(LOCAL_DISTANCE)));
        (gap * WHOLE).checked_div(range).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(nodes: usize, distances: &[u8]) -> Kind {
        Topology::new(nodes, distances, |_| true).kind()
    }

    #[test]
    fn kinds_are_those_of_the_kernel() {
        assert_eq!(kind(1, &[10]), Kind::Direct);
        assert_eq!(kind(2, &[10, 20, 20, 10]), Kind::Direct);
        let ring = [
            10, 20, 30, 20, //
            20, 10, 20, 30, //
            30, 20, 10, 20, //
            20, 30, 20, 10,
        ];
        assert_eq!(kind(4, &ring), Kind::GluelessMesh);
        let backplane = [
            10, 20, 40, 40, //
            20, 10, 40, 40, //
            40, 40, 10, 20, //
            40, 40, 20, 10,
        ];
        assert_eq!(kind(4, &backplane), Kind::Backplane);
    }

    #[test]
    fn near_nodes_are_near() {
        let distances = [
            10, 15, 20, //
            15, 10, 20, //
            20, 20, 10,
        ];
        let topology = Topology::new(3, &distances, |_| true);
        assert_eq!(topology.nearness(0, 0), WHOLE);
        assert_eq!(topology.nearness(0, 1), WHOLE / 2);
        assert_eq!(topology.nearness(0, 2), 0);
        assert_eq!(topology.nearness(0, 3), 0);
        assert_eq!(topology.distance(0, 3), u8::MAX);
    }

    #[test]
    fn nodes_without_cpus_do_not_make_a_kind() {
        let distances = [
            10, 20, 17, //
            20, 10, 28, //
            17, 28, 10,
        ];
        let topology = Topology::new(3, &distances, |node| node < 2);
        assert_eq!((topology.kind(), topology.farthest()), (Kind::Direct, 20));
        assert_eq!(topology.nearness(0, 2), 300);
        assert_eq!(topology.nearness(1, 2), 0);
    }
}
