// SPDX-License-Identifier: GPL-2.0

//! Implements the decision for one task when its scan window closes.

use super::follow_memory::{accesses, all_accesses, locality};
use super::{hysteresis, mask, run_time, Snapshot};

/// Returns the node that the first task of a snapshot should prefer now; [`None`] if the kernel is to
/// choose.
///
/// `planned` is the node that the last plan of [`decide`](super::decide) had for it. The plan is kept
/// unless the task's own memory speaks against it by more than the rule of hysteresis asks of a task
/// that was just moved: then the task has changed its phase. Takes O(nodes^2) steps, and needs no
/// memory.
pub fn window(snapshot: &Snapshot<'_>, planned: Option<usize>) -> Option<usize> {
    let task = snapshot.tasks.first()?;
    if !run_time::is_enough(&snapshot.params, task) || all_accesses(snapshot, 0) == 0 {
        return planned;
    }
    let score = |node: usize| locality(snapshot, node, |other| accesses(snapshot, 0, other));
    let nodes = (0..snapshot.node_count()).filter(|&node| mask::allows(snapshot, task, node));
    let best = nodes.max_by_key(|&node| (score(node), core::cmp::Reverse(node)))?;
    let (base, threshold) = match planned.filter(|&node| mask::allows(snapshot, task, node)) {
        Some(node) => (node, u64::from(snapshot.params.settle_gain)),
        None => (task.node, hysteresis::threshold(&snapshot.params, task)),
    };
    if score(best) >= score(base).saturating_add(threshold.max(1)) {
        return Some(best);
    }
    mask::allows(snapshot, task, base).then_some(base)
}
