// SPDX-License-Identifier: GPL-2.0

//! Implements the plan for a whole machine: which tasks move, and which tasks are swapped.
//!
//! Each task has a score for each node ([`group`](super::group) computes them). A plan is made in
//! four passes over the tasks that would gain by a move. Each decision increases the sum of the
//! scores by at least the threshold of the rule of hysteresis, and scores do not depend on where
//! tasks run. So with the same faults, repeated plans reach a state without moves.
//!
//! 1. Tasks move to their best node if the rule of balance allows it. The task with the greatest
//!    gain moves first.
//! 2. Tasks whose best node is full are swapped with tasks on that node. For two nodes, the tasks
//!    that gain most are paired with the tasks that lose least:
//!
//!    ```text
//!    on node 0, gain on node 1:   +900  +400  +60
//!                                   |     |
//!    on node 1, gain on node 0:   +800     0  -300
//!    ```
//! 3. Tasks for which there is no swap take part in rearrangements of three nodes
//!    ([`rotate`](super::rotate)).
//! 4. The remaining tasks move to the best node that has room.

use super::balance::{self, Room};
use super::group::fill_scores;
use super::reasons::{arrives, remains};
use super::{hysteresis, mask, run_time, Action, Decision, Scratch, Snapshot, Task};
use crate::sort::heap_sort;

/// The maximum number of partners that are tried for a swap if the loads do not fit.
const TRIES: usize = 8;

/// Makes a plan for a machine. Takes O(n log n) steps for n tasks, and O(nodes^2) steps for each
/// task.
///
/// Writes decisions to `out` in the order in which they must be carried out: first moves and
/// swaps, then changes of preferred nodes, then reasons why tasks stay. A task that is not swapped
/// has one decision. A swapped task is in one or two swaps, as the task or as its partner. Returns
/// the number of decisions. If `out` is too short, the last ones are missing.
///
/// Returns [`None`] if `scratch` is too short.
pub fn decide(
    snapshot: &Snapshot<'_>,
    scratch: &mut Scratch<'_>,
    out: &mut [Decision],
) -> Option<usize> {
    let mut scratch = scratch.cut(snapshot)?;
    Room::fill(snapshot, scratch.rooms);
    fill_scores(snapshot, &mut scratch);
    for (planned, task) in scratch.planned.iter_mut().zip(snapshot.tasks) {
        // CAST: There are at most MAX_NODES nodes.
        planned.node = task.node as u32;
        planned.is_decided = false;
    }
    let mut plan = Plan {
        snapshot,
        scratch,
        out,
        count: 0,
    };
    plan.move_to_best();
    plan.swap();
    plan.rotate();
    plan.move_to_second_best();
    plan.explain();
    Some(plan.count)
}

/// A plan that is being made.
pub(super) struct Plan<'a, 's> {
    pub(super) snapshot: &'a Snapshot<'a>,
    pub(super) scratch: Scratch<'s>,
    out: &'a mut [Decision],
    count: usize,
}

impl Plan<'_, '_> {
    pub(super) fn task(&self, index: usize) -> Option<&Task> {
        self.snapshot.tasks.get(index)
    }

    pub(super) fn is_decided(&self, index: usize) -> bool {
        self.scratch
            .planned
            .get(index)
            .is_none_or(|planned| planned.is_decided)
    }

    /// Returns the weight of the task when gains are compared.
    pub(super) fn load(&self, index: usize) -> u64 {
        self.task(index).map_or(0, |task| task.load.max(1).into())
    }

    /// Returns how much better a node is than the node on which the task runs, in thousandths.
    pub(super) fn gain(&self, index: usize, node: usize) -> i64 {
        let source = self.task(index).map_or(0, |task| task.node);
        // CAST: Both scores are at most 1000.
        self.scratch.score(index, node) as i64 - self.scratch.score(index, source) as i64
    }

    /// Returns whether the rules of run time and masks allow the task to be placed.
    pub(super) fn is_movable(&self, index: usize) -> bool {
        self.task(index).is_some_and(|task| {
            run_time::is_enough(&self.snapshot.params, task)
                && self.snapshot.node(task.node).has_cpus()
                && !mask::pins(self.snapshot, task)
        })
    }

    /// Returns the nodes on which the task would gain enough and may run.
    pub(super) fn better_nodes(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        let task = self.task(index);
        let threshold = task.map_or(u64::MAX, |task| {
            hysteresis::threshold(&self.snapshot.params, task)
        });
        (0..self.snapshot.node_count()).filter(move |&node| {
            let gain = u64::try_from(self.gain(index, node)).unwrap_or(0);
            gain >= threshold && task.is_some_and(|task| mask::allows(self.snapshot, task, node))
        })
    }

    /// Returns the best of the nodes on which a task would gain enough. Of equal nodes, the first
    /// one.
    pub(super) fn best_node(&self, index: usize) -> Option<usize> {
        let score = |&node: &usize| (self.scratch.score(index, node), core::cmp::Reverse(node));
        self.better_nodes(index).max_by_key(score)
    }

    fn has_room(&self, index: usize, node: usize) -> bool {
        let Some(task) = self.task(index) else {
            return false;
        };
        match (
            self.scratch.rooms.get(task.node),
            self.scratch.rooms.get(node),
        ) {
            (Some(source), Some(target)) => balance::allows(source, target, task.load.into(), 0),
            _ => false,
        }
    }

    /// Executes the first pass.
    fn move_to_best(&mut self) {
        for place in 0..self.list_candidates() {
            let index = self.listed(place);
            match self.best_node(index) {
                Some(node) if self.has_room(index, node) => self.do_move(index, node),
                _ => {}
            }
        }
    }

    /// Executes the fourth pass.
    fn move_to_second_best(&mut self) {
        for place in 0..self.list_candidates() {
            let index = self.listed(place);
            let score = |&node: &usize| (self.scratch.score(index, node), core::cmp::Reverse(node));
            let nodes = self.better_nodes(index);
            let best = nodes
                .filter(|&node| self.has_room(index, node))
                .max_by_key(score);
            if let Some(node) = best {
                self.do_move(index, node);
            }
        }
    }

    /// Executes the second pass.
    fn swap(&mut self) {
        // The tasks are sorted by node in `order`.
        let tasks = self.snapshot.tasks;
        let node_of = |task: u32| {
            tasks
                .get(task as usize)
                .map_or(usize::MAX, |task| task.node)
        };
        for (index, entry) in self.scratch.order.iter_mut().enumerate() {
            // CAST: Scratch has at most u32::MAX tasks.
            *entry = index as u32;
        }
        heap_sort(self.scratch.order, |&a, &b| {
            (node_of(a), a) < (node_of(b), b)
        });
        for (node, start) in self.scratch.starts.iter_mut().enumerate() {
            let place = self
                .scratch
                .order
                .partition_point(|&task| node_of(task) < node);
            // CAST: Scratch has at most u32::MAX tasks.
            *start = place as u32;
        }
        for source in 0..self.snapshot.node_count() {
            for target in 0..self.snapshot.node_count() {
                if source != target {
                    self.swap_between(source, target);
                }
            }
        }
    }

    /// Swaps tasks on `source` that belong on `target` with tasks on `target`.
    fn swap_between(&mut self, source: usize, target: usize) {
        let wanting = self.list_sorted(source, target, true);
        if wanting == 0 {
            return;
        }
        let partners = self.list_sorted(target, source, false);
        let mut next = 0;
        for place in 0..wanting {
            let index = self.listed(place);
            let mut tried = 0;
            let mut at = next;
            while at < partners && tried < TRIES {
                let partner = self.partner(at);
                at += 1;
                if self.is_decided(partner) {
                    continue;
                }
                if !self.is_worth_swapping(index, partner) {
                    // All later partners lose more.
                    break;
                }
                if self.is_balanced_swap(index, partner) {
                    self.do_swap(index, partner);
                    break;
                }
                tried += 1;
            }
            while next < partners && self.is_decided(self.partner(next)) {
                next += 1;
            }
        }
    }

    /// Returns the gain on a node, weighted by the load.
    pub(super) fn weighed_gain(&self, index: usize, node: usize) -> i64 {
        // CAST: A load is below 2^32.
        self.gain(index, node)
            .saturating_mul(self.load(index) as i64)
    }

    /// Returns the weighted gain that a task needs to be moved.
    pub(super) fn needed_gain(&self, index: usize) -> i64 {
        let threshold = self.task(index).map_or(u64::MAX, |task| {
            hysteresis::threshold(&self.snapshot.params, task)
        });
        // CAST: A load is below 2^32.
        i64::try_from(threshold)
            .unwrap_or(i64::MAX)
            .saturating_mul(self.load(index) as i64)
    }

    /// Returns whether two tasks together gain enough by a swap.
    fn is_worth_swapping(&self, one: usize, other: usize) -> bool {
        let (Some(task), Some(partner)) = (self.task(one), self.task(other)) else {
            return false;
        };
        let sum = self.weighed_gain(one, partner.node) + self.weighed_gain(other, task.node);
        sum >= self.needed_gain(one).max(self.needed_gain(other))
    }

    fn is_balanced_swap(&self, one: usize, other: usize) -> bool {
        let (Some(task), Some(partner)) = (self.task(one), self.task(other)) else {
            return false;
        };
        let rooms = &*self.scratch.rooms;
        match (rooms.get(task.node), rooms.get(partner.node)) {
            (Some(source), Some(target)) => {
                balance::allows(source, target, task.load.into(), partner.load.into())
            }
            _ => false,
        }
    }

    pub(super) fn settle(&mut self, index: usize, node: usize) {
        if let Some(planned) = self.scratch.planned.get_mut(index) {
            planned.is_decided = true;
            // CAST: There are at most MAX_NODES nodes.
            planned.node = node as u32;
        }
    }

    pub(super) fn do_move(&mut self, index: usize, node: usize) {
        let Some(&task) = self.task(index) else {
            return;
        };
        balance::carry_out(self.scratch.rooms, task.node, node, task.load.into(), 0);
        self.settle(index, node);
        self.push(index, Action::Move(node), node);
    }

    pub(super) fn do_swap(&mut self, one: usize, other: usize) {
        let (Some(&task), Some(&partner)) = (self.task(one), self.task(other)) else {
            return;
        };
        let (load, back) = (task.load.into(), partner.load.into());
        balance::carry_out(self.scratch.rooms, task.node, partner.node, load, back);
        self.settle(one, partner.node);
        self.settle(other, task.node);
        self.push(one, Action::Swap(other), partner.node);
    }

    pub(super) fn push(&mut self, task: usize, action: Action, node: usize) {
        let reason = arrives(self.snapshot, &self.scratch, task, node);
        self.write(Decision {
            task,
            action,
            reason,
        });
    }

    fn write(&mut self, decision: Decision) {
        if let Some(entry) = self.out.get_mut(self.count) {
            *entry = decision;
            self.count += 1;
        }
    }

    /// Writes the decisions about tasks that do not move. The tasks that get a preferred node come
    /// first.
    fn explain(&mut self) {
        for is_stay in [false, true] {
            for index in 0..self.snapshot.tasks.len() {
                if self.is_decided(index) {
                    continue;
                }
                let better = if self.is_movable(index) {
                    self.best_node(index)
                } else {
                    None
                };
                let decision = remains(self.snapshot, &self.scratch, index, better);
                if matches!(decision.action, Action::Stay) == is_stay {
                    self.write(decision);
                }
            }
        }
    }
}
