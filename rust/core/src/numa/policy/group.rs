// SPDX-License-Identifier: GPL-2.0

//! Implements the rule of groups: tasks that share memory belong together.
//!
//! The kernel forms the groups from shared faults (`task_numa_group()` in `kernel/sched/fair.c`).
//! This rule gives each group a home: the node that is nearest to the accesses of all its tasks.
//! The share of the group's accesses that is shared decides how strongly the home attracts the
//! tasks. A task's own memory counts less, since it follows the task, unless it cannot move.
//! Groups choose their homes one after another, beginning with the group with the greatest load.
//! Each group, and each task without a group, leaves less room for the next ones. So two groups
//! with the same distribution of memory get different homes.

use super::follow_memory::{accesses, all_accesses, locality};
use super::spread::{choose, Claim, Vacancy};
use super::topology::WHOLE;
use super::{NodeSet, Scratch, Snapshot};
use crate::sort::heap_sort;

/// The state of a group while a plan is made.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The index of its first task in the list of tasks by group.
    first: u32,
    /// The number of its tasks.
    len: u32,
    /// The sum of their loads.
    load: u64,
    /// The nodes on which its tasks belong: one if the group fits into one node. Empty if it has
    /// no faults.
    pub(super) home: NodeSet,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            first: 0,
            len: 0,
            load: 0,
            home: NodeSet::EMPTY,
        }
    }
}

/// Computes the scores of all tasks on all nodes, from 0 to [`WHOLE`].
pub(super) fn fill_scores(snapshot: &Snapshot<'_>, scratch: &mut Scratch<'_>) {
    let nodes = snapshot.node_count();
    let group_of = |task: u32| {
        snapshot
            .tasks
            .get(task as usize)
            .map_or(0, |task| task.group)
    };

    for (index, row) in scratch.scores.chunks_exact_mut(nodes.max(1)).enumerate() {
        for (node, score) in row.iter_mut().enumerate() {
            // CAST: The value is at most `WHOLE`.
            *score = locality(snapshot, node, |other| accesses(snapshot, index, other)) as u16;
        }
    }
    scratch.homes.fill(None);
    for (node, vacancy) in scratch.vacancies.iter_mut().enumerate() {
        let room = scratch.rooms.get(node).copied().unwrap_or_default();
        *vacancy = Vacancy::new(&room, &snapshot.node(node));
    }

    for (index, entry) in scratch.order.iter_mut().enumerate() {
        // CAST: Scratch has at most u32::MAX tasks.
        *entry = index as u32;
    }
    heap_sort(scratch.order, |&a, &b| (group_of(a), a) < (group_of(b), b));

    let count = find_groups(snapshot, scratch);
    leave_room_for_singles(snapshot, scratch);
    let (groups, _) = scratch.groups.split_at_mut(count.min(scratch.groups.len()));
    // Of groups with equal loads, the one whose first task comes first is first, so that the order
    // does not depend on chance.
    heap_sort(groups, |a, b| {
        (core::cmp::Reverse(a.load), a.first) < (core::cmp::Reverse(b.load), b.first)
    });
    for index in 0..count {
        let group = scratch.groups.get(index).copied().unwrap_or_default();
        let home = settle(snapshot, scratch, &group, index);
        if let Some(group) = scratch.groups.get_mut(index) {
            group.home = home;
        }
    }
}

/// Subtracts the load of each task without a group from the vacancy of the task's best node.
fn leave_room_for_singles(snapshot: &Snapshot<'_>, scratch: &mut Scratch<'_>) {
    for (index, task) in snapshot.tasks.iter().enumerate() {
        if task.group != 0 || all_accesses(snapshot, index) == 0 {
            continue;
        }
        let allowed = |&node: &usize| super::mask::allows(snapshot, task, node);
        let best = (0..snapshot.node_count())
            .filter(allowed)
            .max_by_key(|&node| (scratch.score(index, node), core::cmp::Reverse(node)));
        if let Some(vacancy) = best.and_then(|node| scratch.vacancies.get_mut(node)) {
            vacancy.take(task.load.into());
        }
    }
}

/// Lists the groups of two or more tasks in `scratch.groups`, and returns the number of groups.
fn find_groups(snapshot: &Snapshot<'_>, scratch: &mut Scratch<'_>) -> usize {
    let mut count = 0;
    let mut current: Option<(u32, Group)> = None;
    for place in 0..=scratch.order.len() {
        let task = scratch
            .order
            .get(place)
            .and_then(|&task| snapshot.tasks.get(task as usize));
        if let (Some((id, group)), Some(task)) = (&mut current, task) {
            if *id == task.group {
                group.len += 1;
                group.load = group.load.saturating_add(u64::from(task.load));
                continue;
            }
        }
        if let Some((id, group)) = current {
            if id != 0 && group.len > 1 {
                if let Some(entry) = scratch.groups.get_mut(count) {
                    *entry = group;
                    count += 1;
                }
            }
        }
        current = task.map(|task| {
            let group = Group {
                // CAST: Scratch has at most u32::MAX tasks.
                first: place as u32,
                len: 1,
                load: u64::from(task.load),
                home: NodeSet::EMPTY,
            };
            (task.group, group)
        });
    }
    count
}

/// Chooses and returns the home of the group with this index, and adds the home's attraction to
/// the scores of its tasks.
fn settle(
    snapshot: &Snapshot<'_>,
    scratch: &mut Scratch<'_>,
    group: &Group,
    index: usize,
) -> NodeSet {
    let range = group.first as usize..(group.first as usize).saturating_add(group.len as usize);
    let Some(members) = scratch.order.get(range) else {
        return NodeSet::EMPTY;
    };
    scratch.sums.fill(0);
    let (mut shared, mut all, mut pages) = (0u64, 0u64, 0u64);
    let mut allowed = NodeSet::EMPTY;
    for &member in members {
        let member = member as usize;
        let Some(task) = snapshot.tasks.get(member) else {
            continue;
        };
        for (node, sum) in scratch.sums.iter_mut().enumerate() {
            let here = accesses(snapshot, member, node);
            *sum = sum.saturating_add(here);
            all = all.saturating_add(here);
            shared = shared.saturating_add(u64::from(snapshot.faults(member, node).shared));
        }
        pages = pages.saturating_add(task.size_pages);
        for node in
            (0..snapshot.node_count()).filter(|&node| super::mask::allows(snapshot, task, node))
        {
            allowed.insert(node);
        }
    }
    if all == 0 {
        return NodeSet::EMPTY;
    }
    let sums = &*scratch.sums;
    for (node, vacancy) in scratch.vacancies.iter_mut().enumerate() {
        vacancy.locality = locality(snapshot, node, |other| {
            sums.get(other).copied().unwrap_or(0)
        });
        vacancy.votes = 0;
    }
    for task in members
        .iter()
        .filter_map(|&member| snapshot.tasks.get(member as usize))
    {
        if let Some(vacancy) = scratch
            .vacancies
            .get_mut(task.preferred.unwrap_or(task.node))
        {
            vacancy.votes += WHOLE / u64::from(group.len.max(1));
        }
    }
    let claim = Claim {
        load: group.load,
        pages,
        allowed,
    };
    let home = choose(&snapshot.topology, scratch.vacancies, &claim);

    // The home attracts tasks in proportion to the shared accesses, which stay local only if all
    // tasks are at home.
    let pull = shared
        .saturating_mul(WHOLE)
        .checked_div(all)
        .unwrap_or(0)
        .min(WHOLE);
    for &member in members {
        let member = member as usize;
        if let Some(entry) = scratch.homes.get_mut(member) {
            // CAST: There are no more groups than tasks.
            *entry = Some(index as u32);
        }
        let own = own_weight(snapshot, member);
        for node in 0..snapshot.node_count() {
            let nearness = home
                .iter()
                .map(|to| snapshot.topology.nearness(node, to))
                .max();
            let index = member
                .wrapping_mul(snapshot.node_count())
                .wrapping_add(node);
            if let Some(score) = scratch.scores.get_mut(index) {
                let group = nearness.unwrap_or(0) * pull;
                let own = u64::from(*score) * own / WHOLE * (WHOLE - pull);
                // CAST: The value is at most `WHOLE`.
                *score = ((own + group) / WHOLE) as u16;
            }
        }
    }
    home
}

/// Returns the weight of the own memory of a task in a group, in thousandths. Memory that cannot
/// move has the full weight. Other memory follows the task, and its move has a cost only once.
fn own_weight(snapshot: &Snapshot<'_>, task: usize) -> u64 {
    let fixed = (0..snapshot.node_count()).fold(0u64, |sum, node| {
        sum.saturating_add(super::residency::weight(snapshot, task, node))
    });
    let part = fixed
        .saturating_mul(WHOLE)
        .checked_div(all_accesses(snapshot, task));
    part.unwrap_or(0).clamp(WHOLE / 4, WHOLE)
}
