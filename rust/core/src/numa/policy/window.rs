// SPDX-License-Identifier: GPL-2.0

//! Implements the decision for one task when its scan window ends.

use super::follow_memory::{accesses, all_accesses, locality, percent};
use super::reasons::of_memory;
use super::{hysteresis, mask, run_time, Reason, Snapshot};

/// The node that a task should prefer from now on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Preference {
    /// The node.
    pub node: usize,
    /// The reason; [`None`] if the last plan had this node for the task, with its own reason.
    pub reason: Option<Reason>,
}

/// Returns the node that the first task of a snapshot should prefer now; [`None`] if the kernel
/// should choose.
///
/// `planned` is the node that the last plan of [`decide`](super::decide) had for the task. The
/// plan is kept unless another node is better by at least
/// [`settle_gain`](super::Params::settle_gain), both for the task's own memory and for its faults
/// alone. In this case the task has begun to use other memory. Takes O(nodes^2) steps, and needs
/// no memory.
pub fn window(snapshot: &Snapshot<'_>, planned: Option<usize>) -> Option<Preference> {
    let task = snapshot.tasks.first()?;
    let as_planned = |node| Preference { node, reason: None };
    if !run_time::is_enough(&snapshot.params, task) || all_accesses(snapshot, 0) == 0 {
        return planned.map(as_planned);
    }
    let score = |node: usize| locality(snapshot, node, |other| accesses(snapshot, 0, other));
    // The plan has compared the memory that cannot move with the memory of the task's group. Only
    // new faults are a reason to leave the plan.
    let of_faults = |node: usize| locality(snapshot, node, |other| snapshot.faults(0, other).sum());
    let nodes = (0..snapshot.node_count()).filter(|&node| mask::allows(snapshot, task, node));
    let best = nodes.max_by_key(|&node| (score(node), core::cmp::Reverse(node)))?;
    let (base, threshold) = match planned.filter(|&node| mask::allows(snapshot, task, node)) {
        Some(node) => (node, u64::from(snapshot.params.settle_gain)),
        None => (task.node, hysteresis::threshold(&snapshot.params, task)),
    };
    let gains =
        |score: &dyn Fn(usize) -> u64| score(best) >= score(base).saturating_add(threshold.max(1));
    if gains(&score) && (planned != Some(base) || gains(&of_faults)) {
        let reason = Some(of_memory(snapshot, 0, best, score(best) - score(base)));
        return Some(Preference { node: best, reason });
    }
    let stays = Reason::Local {
        percent: percent(snapshot, 0, base),
    };
    mask::allows(snapshot, task, base).then_some(Preference {
        node: base,
        reason: (planned != Some(base)).then_some(stays),
    })
}
