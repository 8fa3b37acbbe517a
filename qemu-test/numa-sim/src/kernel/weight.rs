// SPDX-License-Identifier: GPL-2.0

//! Models the weight of a node for a task: `task_weight()`, `group_weight()`,
//! `score_nearby_nodes()` and `preferred_group_nid()`.

use tackle_core::numa::policy::{Kind, LOCAL_DISTANCE};

use super::state::{Kernel, Nodes};

/// Models `score_nearby_nodes()`. `faults` returns the faults of a node.
fn score_nearby_nodes(nodes: &Nodes, node: usize, limit: u8, faults: impl Fn(usize) -> i64) -> i64 {
    if nodes.kind == Kind::Direct {
        return 0;
    }
    let farthest = nodes.farthest;
    let mut score = 0;
    for other in 0..nodes.count {
        let distance = nodes.distance(node, other);
        if distance >= farthest || other == node {
            continue;
        }
        if nodes.kind == Kind::Backplane && distance >= limit {
            continue;
        }
        let mut here = faults(other);
        if nodes.kind == Kind::GluelessMesh {
            here *= i64::from(farthest - distance);
            here /= i64::from(farthest - LOCAL_DISTANCE);
        }
        score += here;
    }
    score
}

impl Kernel {
    /// Models `task_weight()`.
    pub fn task_weight(&self, task: usize, node: usize, distance: u8) -> i64 {
        let task = &self.tasks[task];
        if task.total == 0 {
            return 0;
        }
        let nearby = score_nearby_nodes(&self.nodes, node, distance, |node| task.faults(node));
        1000 * (task.faults(node) + nearby) / task.total
    }

    /// Models `group_weight()`.
    pub fn group_weight(&self, task: usize, node: usize, distance: u8) -> i64 {
        match self.group_of(task) {
            Some(group) if group.total != 0 => {
                let nearby =
                    score_nearby_nodes(&self.nodes, node, distance, |node| group.faults(node));
                1000 * (group.faults(node) + nearby) / group.total
            }
            _ => 0,
        }
    }

    /// Models `preferred_group_nid()`. `node` is the node with the most faults.
    pub fn preferred_group_nid(&self, task: usize, node: Option<usize>) -> Option<usize> {
        let nodes = &self.nodes;
        match nodes.kind {
            Kind::Direct => node,
            Kind::GluelessMesh => {
                let mut best = (0, node);
                for candidate in nodes.with_cpus() {
                    let score = self.group_weight(task, candidate, nodes.farthest);
                    if score > best.0 {
                        best = (score, Some(candidate));
                    }
                }
                best.1
            }
            Kind::Backplane => self.preferred_on_backplane(task, node),
        }
    }

    fn preferred_on_backplane(&self, task: usize, mut node: Option<usize>) -> Option<usize> {
        let nodes = &self.nodes;
        let faults = |node| self.group_of(task).map_or(0, |group| group.faults(node));
        let mut left: Vec<bool> = (0..nodes.count).map(|node| nodes.has_cpus(node)).collect();
        for distance in (LOCAL_DISTANCE + 1..=nodes.farthest).rev() {
            let exists = nodes
                .with_cpus()
                .any(|a| nodes.with_cpus().any(|b| nodes.distance(a, b) == distance));
            if !exists {
                continue;
            }
            let mut most = 0;
            let mut best = vec![false; nodes.count];
            for a in 0..nodes.count {
                if !left[a] {
                    continue;
                }
                let mut sum = 0;
                let mut group = vec![false; nodes.count];
                for b in 0..nodes.count {
                    if left[b] && nodes.distance(a, b) < distance {
                        sum += faults(b);
                        group[b] = true;
                        left[b] = false;
                    }
                }
                if sum > most {
                    most = sum;
                    best = group;
                    node = Some(a);
                }
            }
            if most == 0 {
                break;
            }
            left = best;
        }
        node
    }
}
