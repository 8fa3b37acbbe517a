// SPDX-License-Identifier: GPL-2.0

//! Implements rearrangements of three nodes, for tasks for which there is no move and no swap.
//!
//! A task of node A belongs on node B, which is full, and no task of B can move to A without a
//! loss. But a task of B can move to a third node C:
//!
//! ```text
//!   chain: C has room           rotation: C is full, too
//!
//!   A --> B --> C               A --> B
//!                               ^    /
//!                                \  v
//!                                 C
//! ```
//!
//! A chain consists of two moves, of which the move to C comes first. A rotation consists of two
//! swaps, so that no node is overloaded in between: first the tasks of A and B are swapped, and
//! then the task that is on A now is swapped with the task of C.

use super::balance::{allows, carry_out};
use super::decide::Plan;
use super::{mask, Action};

/// The maximum number of rearrangements in a plan for each node. Each one requires a search
/// through all tasks of three nodes. The next plan can have the remaining ones.
const LIMIT: usize = 2;

/// No task.
const NONE: u32 = u32::MAX;

/// A rearrangement.
#[derive(Clone, Copy)]
struct Turn {
    /// The sum of the gains.
    gain: i64,
    /// The task of A.
    first: usize,
    /// The task of B.
    second: usize,
    /// C.
    third_node: usize,
    /// The task of C; [`None`] in a chain.
    third: Option<usize>,
}

impl Plan<'_, '_> {
    /// Makes rearrangements for tasks that should move and cannot.
    pub(super) fn rotate(&mut self) {
        let nodes = self.snapshot.node_count();
        let waiting = self.list_candidates();
        if nodes < 3 || waiting == 0 {
            return;
        }
        for node in 0..nodes {
            self.find_edges(node);
        }
        let mut left = nodes.saturating_mul(LIMIT);
        for place in 0..waiting {
            let index = self.listed(place);
            if left == 0 {
                return;
            }
            if self.is_decided(index) {
                continue;
            }
            let Some(turn) = self.best_turn(index) else {
                continue;
            };
            self.carry_out_turn(&turn);
            for node in 0..nodes {
                let used = |task: Option<usize>| {
                    task.and_then(|task| self.task(task))
                        .is_some_and(|task| task.node == node)
                };
                if used(Some(turn.first)) || used(Some(turn.second)) || used(turn.third) {
                    self.find_edges(node);
                }
            }
            left -= 1;
        }
    }

    /// For each other node, finds the task of `source` that would gain most there, or lose least.
    fn find_edges(&mut self, source: usize) {
        let nodes = self.snapshot.node_count();
        let row = source.wrapping_mul(nodes);
        if let Some(edges) = self.scratch.edges.get_mut(row..row.wrapping_add(nodes)) {
            edges.fill(NONE);
        }
        for place in self.start(source)..self.start(source.wrapping_add(1)) {
            let Some(&entry) = self.scratch.order.get(place) else {
                return;
            };
            let index = entry as usize;
            if self.is_decided(index) || !self.is_movable(index) {
                continue;
            }
            for target in (0..nodes).filter(|&target| target != source) {
                let is_allowed = self
                    .task(index)
                    .is_some_and(|task| mask::allows(self.snapshot, task, target));
                let is_better = match self.edge(source, target) {
                    Some(other) => {
                        self.weighed_gain(index, target) > self.weighed_gain(other, target)
                    }
                    None => true,
                };
                if !is_allowed || !is_better {
                    continue;
                }
                if let Some(edge) = self.scratch.edges.get_mut(row.wrapping_add(target)) {
                    *edge = entry;
                }
            }
        }
    }

    fn edge(&self, source: usize, target: usize) -> Option<usize> {
        let index = source
            .wrapping_mul(self.snapshot.node_count())
            .wrapping_add(target);
        let task = self
            .scratch
            .edges
            .get(index)
            .copied()
            .filter(|&task| task != NONE)?;
        Some(task as usize)
    }

    /// Returns the best rearrangement for a task, if there is one that gains enough and keeps the
    /// balance.
    fn best_turn(&self, first: usize) -> Option<Turn> {
        let source = self.task(first)?.node;
        let mut best: Option<Turn> = None;
        for target in self.better_nodes(first) {
            for third_node in 0..self.snapshot.node_count() {
                if third_node == source || third_node == target {
                    continue;
                }
                let Some(second) = self.edge(target, third_node) else {
                    continue;
                };
                let gain = self.weighed_gain(first, target) + self.weighed_gain(second, third_node);
                let chain = Turn {
                    gain,
                    first,
                    second,
                    third_node,
                    third: None,
                };
                let rotation = self.edge(third_node, source).map(|third| Turn {
                    gain: gain + self.weighed_gain(third, source),
                    third: Some(third),
                    ..chain
                });
                for turn in [Some(chain), rotation].into_iter().flatten() {
                    if best.as_ref().is_none_or(|best| turn.gain > best.gain)
                        && self.is_worth(&turn)
                        && self.is_balanced(&turn)
                    {
                        best = Some(turn);
                    }
                }
            }
        }
        best
    }

    /// Returns whether the tasks together gain enough.
    fn is_worth(&self, turn: &Turn) -> bool {
        let tasks = [Some(turn.first), Some(turn.second), turn.third];
        let needed = tasks
            .into_iter()
            .flatten()
            .map(|task| self.needed_gain(task))
            .max();
        turn.gain >= needed.unwrap_or(i64::MAX)
    }

    /// Returns whether each step keeps the balance.
    fn is_balanced(&self, turn: &Turn) -> bool {
        let (Some(first), Some(second)) = (self.task(turn.first), self.task(turn.second)) else {
            return false;
        };
        let room = |node: usize| self.scratch.rooms.get(node).copied().unwrap_or_default();
        let (one, two) = (u64::from(first.load), u64::from(second.load));
        // A, B and C.
        let mut rooms = [room(first.node), room(second.node), room(turn.third_node)];
        let mut step = |source: usize, target: usize, load: u64, back: u64| {
            let is_allowed = match (rooms.get(source), rooms.get(target)) {
                (Some(source), Some(target)) => allows(source, target, load, back),
                _ => false,
            };
            carry_out(&mut rooms, source, target, load, back);
            is_allowed
        };
        match turn.third.map(|third| self.task(third)) {
            None => step(1, 2, two, 0) && step(0, 1, one, 0),
            Some(None) => false,
            Some(Some(third)) => step(0, 1, one, two) && step(0, 2, two, u64::from(third.load)),
        }
    }

    fn carry_out_turn(&mut self, turn: &Turn) {
        let (Some(&first), Some(&second)) = (self.task(turn.first), self.task(turn.second)) else {
            return;
        };
        let Some(third) = turn.third else {
            self.do_move(turn.second, turn.third_node);
            self.do_move(turn.first, second.node);
            return;
        };
        self.do_swap(turn.first, turn.second);
        // The second task runs on A now.
        let load = self.task(third).map_or(0, |task| task.load.into());
        carry_out(
            self.scratch.rooms,
            first.node,
            turn.third_node,
            second.load.into(),
            load,
        );
        self.settle(turn.second, turn.third_node);
        self.settle(third, first.node);
        self.push(third, Action::Swap(turn.second), first.node);
    }
}
