// SPDX-License-Identifier: GPL-2.0

//! Implements the lists of tasks that a plan processes, sorted by the gains of the tasks.

use super::decide::Plan;
use super::mask;
use crate::sort::heap_sort;

impl Plan<'_, '_> {
    /// Lists the tasks that have a better node in `scratch.list`, those with the greatest gain
    /// first. Returns the number of tasks.
    pub(super) fn list_candidates(&mut self) -> usize {
        let mut count = 0;
        for index in 0..self.snapshot.tasks.len() {
            if self.is_decided(index) || !self.is_movable(index) {
                continue;
            }
            let Some(best) = self.best_node(index) else {
                continue;
            };
            // The sort key is the weighted gain. It is stored in the list of partners, which is
            // not used now.
            let gain = self.gain(index, best).unsigned_abs() * self.load(index);
            if let Some(entry) = self.scratch.partners.get_mut(index) {
                *entry = u32::try_from(gain).unwrap_or(u32::MAX);
            }
            if let Some(entry) = self.scratch.list.get_mut(count) {
                // CAST: Scratch has at most u32::MAX tasks.
                *entry = index as u32;
                count += 1;
            }
        }
        let gains = &*self.scratch.partners;
        let gain = |task: u32| gains.get(task as usize).copied().unwrap_or(0);
        if let Some(list) = self.scratch.list.get_mut(..count) {
            heap_sort(list, |&a, &b| (gain(b), a) < (gain(a), b));
        }
        count
    }

    pub(super) fn listed(&self, place: usize) -> usize {
        self.scratch
            .list
            .get(place)
            .map_or(usize::MAX, |&task| task as usize)
    }

    /// Returns the index in `order` of the first task of a node.
    pub(super) fn start(&self, node: usize) -> usize {
        let start = self.scratch.starts.get(node);
        start.map_or(0, |&start| start as usize)
    }

    pub(super) fn partner(&self, place: usize) -> usize {
        self.scratch
            .partners
            .get(place)
            .map_or(usize::MAX, |&task| task as usize)
    }

    /// Lists tasks on `source`, those that gain most on `target` first. With `wants`,
    /// `scratch.list` gets the tasks whose best node is `target`. Otherwise `scratch.partners`
    /// gets all tasks that may run on `target`. Returns the number of tasks.
    pub(super) fn list_sorted(&mut self, source: usize, target: usize, wants: bool) -> usize {
        let mut count = 0;
        for place in self.start(source)..self.start(source.wrapping_add(1)) {
            let Some(&entry) = self.scratch.order.get(place) else {
                break;
            };
            let index = entry as usize;
            if self.is_decided(index) || !self.is_movable(index) {
                continue;
            }
            let goes = if wants {
                self.best_node(index) == Some(target)
            } else {
                self.task(index)
                    .is_some_and(|task| mask::allows(self.snapshot, task, target))
            };
            let list = if wants {
                &mut *self.scratch.list
            } else {
                &mut *self.scratch.partners
            };
            if let (true, Some(place)) = (goes, list.get_mut(count)) {
                *place = entry;
                count += 1;
            }
        }
        let (nodes, scores) = (self.snapshot.node_count(), &*self.scratch.scores);
        let score = |task: u32, node: usize| {
            let index = (task as usize).wrapping_mul(nodes).wrapping_add(node);
            i64::from(scores.get(index).copied().unwrap_or(0))
        };
        let gain = |task: u32| score(task, target) - score(task, source);
        let list = if wants {
            &mut *self.scratch.list
        } else {
            &mut *self.scratch.partners
        };
        if let Some(list) = list.get_mut(..count) {
            heap_sort(list, |&a, &b| (gain(b), a) < (gain(a), b));
        }
        count
    }
}
