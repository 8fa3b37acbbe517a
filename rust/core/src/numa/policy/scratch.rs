// SPDX-License-Identifier: GPL-2.0

//! Implements the memory of the caller in which a plan is made.

use super::balance::Room;
use super::group::Group;
use super::spread::Vacancy;
use super::Snapshot;

/// What a plan has for a task.
#[derive(Clone, Copy, Debug, Default)]
pub struct Planned {
    /// The node where it will run.
    pub(super) node: u32,
    /// Whether a decision about it was made.
    pub(super) is_decided: bool,
}

/// The memory in which [`decide`](super::decide) works. What is in it before does not matter. Each
/// slice may be longer than needed.
#[derive(Debug)]
pub struct Scratch<'a> {
    /// One for each task.
    pub planned: &'a mut [Planned],
    /// One for each task.
    pub order: &'a mut [u32],
    /// One for each task.
    pub list: &'a mut [u32],
    /// One for each task.
    pub partners: &'a mut [u32],
    /// One for each task.
    pub homes: &'a mut [Option<u32>],
    /// One for each two tasks, rounded up.
    pub groups: &'a mut [Group],
    /// One for each task and node.
    pub scores: &'a mut [u16],
    /// One for each node.
    pub rooms: &'a mut [Room],
    /// One for each node.
    pub vacancies: &'a mut [Vacancy],
    /// One for each node.
    pub sums: &'a mut [u64],
    /// One for each node, and one more.
    pub starts: &'a mut [u32],
    /// One for each pair of nodes.
    pub edges: &'a mut [u32],
}

impl Scratch<'_> {
    /// Returns the part that a snapshot needs; [`None`] if a slice is too short.
    pub(super) fn cut(&mut self, snapshot: &Snapshot<'_>) -> Option<Scratch<'_>> {
        let (tasks, nodes) = (snapshot.tasks.len(), snapshot.node_count());
        Some(Scratch {
            planned: self.planned.get_mut(..tasks)?,
            order: self.order.get_mut(..tasks)?,
            list: self.list.get_mut(..tasks)?,
            partners: self.partners.get_mut(..tasks)?,
            homes: self.homes.get_mut(..tasks)?,
            groups: self.groups.get_mut(..tasks.div_ceil(2))?,
            scores: self.scores.get_mut(..tasks.checked_mul(nodes)?)?,
            rooms: self.rooms.get_mut(..nodes)?,
            vacancies: self.vacancies.get_mut(..nodes)?,
            sums: self.sums.get_mut(..nodes)?,
            starts: self.starts.get_mut(..nodes.checked_add(1)?)?,
            edges: self.edges.get_mut(..nodes.checked_mul(nodes)?)?,
        })
    }

    /// Returns the score of a task on a node, from 0 to 1000.
    pub(super) fn score(&self, task: usize, node: usize) -> u64 {
        let nodes = self.rooms.len();
        if node >= nodes {
            return 0;
        }
        let index = task.wrapping_mul(nodes).wrapping_add(node);
        self.scores.get(index).copied().unwrap_or(0).into()
    }
}
