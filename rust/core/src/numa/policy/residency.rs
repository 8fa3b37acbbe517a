// SPDX-License-Identifier: GPL-2.0

//! Implements the rule of residency: unmovable memory attracts its task.
//!
//! Memory that cannot move takes no hinting faults, so the kernel does not see it. The policy counts
//! such pages as accesses. They weigh more than pages that fault: if the task moves to its unmovable
//! memory, its other memory can follow, and not the reverse.

use super::Snapshot;

/// Returns what the unmovable pages of a task on `node` count, in pages of faults.
pub(super) fn weight(snapshot: &Snapshot<'_>, task: usize, node: usize) -> u64 {
    u64::from(snapshot.resident(task, node)) * u64::from(snapshot.params.resident_weight)
}

/// Returns which percentage of what the task accesses cannot move and is on `node`, and whether that
/// is the greater part of what speaks for the node.
pub(super) fn dominates(snapshot: &Snapshot<'_>, task: usize, node: usize) -> bool {
    weight(snapshot, task, node) > snapshot.faults(task, node).sum()
}
