// SPDX-License-Identifier: GPL-2.0

//! Implements the rule of spreading: a group larger than a node gets a set of active nodes.
//!
//! The kernel calls this pseudo-interleaving: it counts the nodes on which a group is active
//! (`numa_group_count_active_nodes()` in `kernel/sched/fair.c`), and distributes the group's
//! memory over them. This rule chooses the set instead: it has no more nodes than the group needs,
//! and the nodes are near each other and near the group's memory.

use super::balance::Room;
use super::topology::WHOLE;
use super::{Node, NodeSet, Topology};

/// The weight of the present preferred nodes of a group's tasks, in thousandths. A home does not
/// change for a smaller improvement.
const STICKINESS: u64 = 100;

/// The room that groups with a home have left on a node, and the merits of the node for the next
/// group.
#[derive(Clone, Copy, Debug, Default)]
pub struct Vacancy {
    /// The load for which there is room.
    load: u64,
    /// The pages for which there is room.
    pages: u64,
    /// How near the node is to the group's accesses.
    pub(super) locality: u64,
    /// The share of the group's tasks that prefer the node, in thousandths.
    pub(super) votes: u64,
}

impl Vacancy {
    pub(super) fn new(room: &Room, node: &Node) -> Self {
        Self {
            load: if node.has_cpus() { room.capacity() } else { 0 },
            pages: node.total_pages,
            ..Self::default()
        }
    }

    /// Subtracts `load` from the load for which there is room.
    pub(super) fn take(&mut self, load: u64) {
        self.load = self.load.saturating_sub(load);
    }

    /// Returns the merit of the node.
    fn merit(&self) -> u64 {
        self.locality + self.votes * STICKINESS / WHOLE
    }
}

/// The needs of a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    /// The sum of its loads.
    pub(super) load: u64,
    /// Its pages.
    pub(super) pages: u64,
    /// The nodes on which at least one of its tasks may run.
    pub(super) allowed: NodeSet,
}

/// Returns the nodes of a group, and subtracts its needs from their vacancies. If the group fits
/// into one node, this is one node. Otherwise the best node is added until the group fits.
pub(super) fn choose(topology: &Topology<'_>, vacancies: &mut [Vacancy], claim: &Claim) -> NodeSet {
    let mut home = NodeSet::EMPTY;
    let (mut load, mut pages) = (claim.load, claim.pages);
    while home.is_empty() || load > 0 || pages > 0 {
        let candidates = vacancies.iter().enumerate().filter(|&(node, vacancy)| {
            claim.allowed.contains(node)
                && !home.contains(node)
                && (vacancy.load > 0 || home.is_empty())
        });
        let best = candidates.max_by_key(|&(node, vacancy)| {
            let fits = vacancy.load >= load && vacancy.pages >= pages;
            let near: u64 = home.iter().map(|to| topology.nearness(node, to)).sum();
            let near = near.checked_div(home.len() as u64).unwrap_or(0);
            // If no node has room for everything, a node with more room keeps the set small.
            let room = if fits {
                u64::MAX
            } else {
                vacancy.load.min(load)
            };
            (room, vacancy.merit() + near, core::cmp::Reverse(node))
        });
        let Some((node, _)) = best else {
            break;
        };
        home.insert(node);
        if let Some(vacancy) = vacancies.get_mut(node) {
            let (taken, held) = (vacancy.load.min(load), vacancy.pages.min(pages));
            vacancy.load -= taken;
            vacancy.pages -= held;
            load -= taken;
            pages -= held;
        }
    }
    home
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISTANCES: [u8; 16] = [
        10, 20, 40, 40, //
        20, 10, 40, 40, //
        40, 40, 10, 20, //
        40, 40, 20, 10,
    ];

    fn vacancy(load: u64, locality: u64) -> Vacancy {
        Vacancy {
            load,
            pages: 100,
            locality,
            votes: 0,
        }
    }

    fn claim(load: u64, pages: u64) -> Claim {
        Claim {
            load,
            pages,
            allowed: NodeSet::ALL,
        }
    }

    #[test]
    fn a_group_that_fits_gets_the_best_node() {
        let topology = Topology::new(4, &DISTANCES, |_| true);
        let mut vacancies = [vacancy(8, 1), vacancy(8, 2), vacancy(8, 9), vacancy(3, 10)];
        let home = choose(&topology, &mut vacancies, &claim(4, 1));
        assert_eq!(home, NodeSet::one(2));
        assert_eq!(
            choose(&topology, &mut vacancies, &claim(8, 1)),
            NodeSet::one(1)
        );
    }

    #[test]
    fn a_large_group_gets_nodes_that_are_near_each_other() {
        let topology = Topology::new(4, &DISTANCES, |_| true);
        let mut vacancies = [vacancy(8, 5), vacancy(8, 0), vacancy(8, 4), vacancy(8, 0)];
        let home = choose(&topology, &mut vacancies, &claim(12, 1));
        assert_eq!(home, [0, 1].into_iter().collect());
    }

    #[test]
    fn much_memory_needs_more_nodes() {
        let topology = Topology::new(4, &DISTANCES, |_| true);
        let mut vacancies = [vacancy(8, 5); 4];
        let home = choose(&topology, &mut vacancies, &claim(1, 250));
        assert_eq!(home.len(), 3);
    }

    #[test]
    fn a_group_larger_than_the_machine_gets_all() {
        let topology = Topology::new(4, &DISTANCES, |_| true);
        let mut vacancies = [vacancy(8, 5); 4];
        assert_eq!(choose(&topology, &mut vacancies, &claim(99, 1)).len(), 4);
        assert_eq!(choose(&topology, &mut vacancies, &claim(1, 1)).len(), 1);
    }
}
