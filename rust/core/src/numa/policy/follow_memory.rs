// SPDX-License-Identifier: GPL-2.0

//! Implements the rule "a task follows its memory": computes how local a task would be on each
//! node.

use super::topology::WHOLE;
use super::{residency, Snapshot};

/// Returns the accesses of a task on `node`: pages of faults, and unmovable pages with their
/// weight.
pub(super) fn accesses(snapshot: &Snapshot<'_>, task: usize, node: usize) -> u64 {
    let faults = snapshot.faults(task, node).sum();
    faults.saturating_add(residency::weight(snapshot, task, node))
}

/// Returns the accesses of a task on all nodes.
pub(super) fn all_accesses(snapshot: &Snapshot<'_>, task: usize) -> u64 {
    (0..snapshot.node_count()).fold(0, |sum: u64, node| {
        sum.saturating_add(accesses(snapshot, task, node))
    })
}

/// Returns the percentage of the task's accesses that is on `node`.
pub(super) fn percent(snapshot: &Snapshot<'_>, task: usize, node: usize) -> u32 {
    let part = accesses(snapshot, task, node).saturating_mul(100);
    let percent = part.checked_div(all_accesses(snapshot, task)).unwrap_or(0);
    // CAST: The value is at most 100.
    percent.min(100) as u32
}

/// Returns how near accesses are to the node `from`: [`WHOLE`] if all are on this node, 0 if all
/// are on the farthest nodes or if there are none. `accesses` returns the accesses on a node.
pub(super) fn locality(
    snapshot: &Snapshot<'_>,
    from: usize,
    accesses: impl Fn(usize) -> u64,
) -> u64 {
    let (mut near, mut all) = (0u64, 0u64);
    for node in 0..snapshot.node_count() {
        // The count is limited to 2^42 pages (16 PiB), so that no product overflows.
        let here = accesses(node).min(1 << 42);
        all = all.saturating_add(here);
        near = near.saturating_add(here * snapshot.topology.nearness(from, node));
    }
    near.checked_div(all).unwrap_or(0).min(WHOLE)
}
