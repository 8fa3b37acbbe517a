// SPDX-License-Identifier: GPL-2.0

//! Implements the rule of masks: a task stays on the nodes on which it may run.

use super::{Snapshot, Task};

/// Returns whether a task may run on `node`.
pub(super) fn allows(snapshot: &Snapshot<'_>, task: &Task, node: usize) -> bool {
    node < snapshot.node_count() && task.allowed.contains(node) && snapshot.node(node).has_cpus()
}

/// Returns whether a task may run on no other node than its present one.
pub(super) fn pins(snapshot: &Snapshot<'_>, task: &Task) -> bool {
    let mut nodes = 0..snapshot.node_count();
    !nodes.any(|node| node != task.node && allows(snapshot, task, node))
}
