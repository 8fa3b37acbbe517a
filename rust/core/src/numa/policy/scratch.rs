// SPDX-License-Identifier: GPL-2.0

//! Defines the caller's memory in which a plan is made.

use super::balance::Room;
use super::group::Group;
use super::spread::Vacancy;
use super::Snapshot;

/// The state of a task while a plan is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Planned {
    /// The node on which it will run.
    pub(super) node: u32,
    /// Whether there is a decision about it.
    pub(super) is_decided: bool,
}

/// The memory that [`decide`](super::decide) uses. Its previous contents do not matter. Each slice
/// may be longer than needed.
#[derive(Debug)]
pub struct Scratch<'a> {
    /// An element for each task.
    pub planned: &'a mut [Planned],
    /// An element for each task.
    pub order: &'a mut [u32],
    /// An element for each task.
    pub list: &'a mut [u32],
    /// An element for each task.
    pub partners: &'a mut [u32],
    /// An element for each task.
    pub homes: &'a mut [Option<u32>],
    /// An element for each pair of tasks, rounded up.
    pub groups: &'a mut [Group],
    /// An element for each task and node.
    pub scores: &'a mut [u16],
    /// An element for each node.
    pub rooms: &'a mut [Room],
    /// An element for each node.
    pub vacancies: &'a mut [Vacancy],
    /// An element for each node.
    pub sums: &'a mut [u64],
    /// An element for each node, and one more.
    pub starts: &'a mut [u32],
    /// An element for each pair of nodes.
    pub edges: &'a mut [u32],
}

impl Scratch<'_> {
    /// Returns the parts of the slices that a snapshot needs; [`None`] if a slice is too short.
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
