// SPDX-License-Identifier: GPL-2.0

//! Implements the rule of residency: unmovable memory attracts its task.
//!
//! Memory that cannot move causes no hinting faults, so the kernel's statistics do not include it.
//! The policy counts such pages as accesses. They weigh more than pages that fault: if the task
//! moves to its unmovable memory, its other memory can follow, but unmovable memory cannot follow
//! the task.

use super::Snapshot;

/// Returns the weight of the unmovable pages of a task on `node`, in pages of faults.
pub(super) fn weight(snapshot: &Snapshot<'_>, task: usize, node: usize) -> u64 {
    u64::from(snapshot.resident(task, node)) * u64::from(snapshot.params.resident_weight)
}

/// Returns whether the unmovable pages of a task on `node` weigh more than its faults there.
pub(super) fn dominates(snapshot: &Snapshot<'_>, task: usize, node: usize) -> bool {
    weight(snapshot, task, node) > snapshot.faults(task, node).sum()
}
