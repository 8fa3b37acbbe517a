// SPDX-License-Identifier: GPL-2.0

//! Implements the choice of the reason for a decision.

use super::follow_memory::{all_accesses, percent};
use super::topology::WHOLE;
use super::{
    hysteresis, mask, residency, run_time, Action, Decision, Reason, Scratch, Snapshot, Task,
};

/// Returns the home of a task's group, if the task has a group and the group has a home.
fn group(scratch: &Scratch<'_>, index: usize) -> Option<super::NodeSet> {
    let number = scratch.homes.get(index).copied().flatten()?;
    let group = scratch.groups.get(number as usize)?;
    (!group.home.is_empty()).then_some(group.home)
}

/// Returns the reason why a task moves to `node`.
pub(super) fn arrives(
    snapshot: &Snapshot<'_>,
    scratch: &Scratch<'_>,
    index: usize,
    node: usize,
) -> Reason {
    let task = snapshot.tasks.get(index);
    if let Some(reason) = follows(snapshot, index, node) {
        return reason;
    }
    if let (Some(home), Some(task)) = (group(scratch, index), task) {
        if home.contains(node) {
            let group = task.group;
            return match home.len() {
                1 => Reason::FollowsGroup { node, group },
                // CAST: There are at most MAX_NODES nodes.
                nodes => Reason::GroupSpreads {
                    group,
                    nodes: nodes as u32,
                },
            };
        }
    }
    let source = task.map_or(node, |task| task.node);
    let gain = scratch
        .score(index, node)
        .saturating_sub(scratch.score(index, source));
    nears(snapshot, index, node, gain)
}

/// A node with at least this percentage of a task's accesses counts as a place of the task's
/// memory.
const THIRD: u32 = 34;

/// Returns the reason why a task moves to `node` if most of its memory is there.
fn follows(snapshot: &Snapshot<'_>, index: usize, node: usize) -> Option<Reason> {
    let percent = percent(snapshot, index, node);
    if residency::dominates(snapshot, index, node) && percent >= THIRD {
        return Some(Reason::FollowsUnmovable { node, percent });
    }
    (percent >= 50).then_some(Reason::FollowsMemory { node, percent })
}

/// Returns the reason why a task moves to `node` if some of its memory is there, or is nearer.
fn nears(snapshot: &Snapshot<'_>, index: usize, node: usize, gain: u64) -> Reason {
    let percent = percent(snapshot, index, node);
    if gain > 0 && percent < THIRD {
        // CAST: The value is at most `WHOLE`.
        let gain = gain.min(WHOLE) as u32;
        return Reason::NearMemory { node, gain };
    }
    Reason::FollowsMemory { node, percent }
}

/// Returns the reason why a task moves to `node` because of its own memory. `gain` is the
/// improvement in thousandths.
pub(super) fn of_memory(snapshot: &Snapshot<'_>, index: usize, node: usize, gain: u64) -> Reason {
    follows(snapshot, index, node).unwrap_or_else(|| nears(snapshot, index, node, gain))
}

/// Returns the decision about a task that is not moved. `better` is a node that would be better,
/// if there is one.
pub(super) fn remains(
    snapshot: &Snapshot<'_>,
    scratch: &Scratch<'_>,
    index: usize,
    better: Option<usize>,
) -> Decision {
    let stay = |reason| Decision {
        task: index,
        action: Action::Stay,
        reason,
    };
    let Some(task) = snapshot.tasks.get(index) else {
        return stay(Reason::NoFaults);
    };
    if mask::pins(snapshot, task) {
        return stay(Reason::Pinned);
    }
    if !run_time::is_enough(&snapshot.params, task) {
        return stay(Reason::Young {
            runtime_ms: task.runtime_ms,
        });
    }
    if all_accesses(snapshot, index) == 0 {
        return stay(Reason::NoFaults);
    }
    if let Some(node) = better {
        let reason = Reason::NoRoom { node };
        return match task.preferred == Some(node) {
            true => stay(reason),
            false => Decision {
                action: Action::Prefer(node),
                ..stay(reason)
            },
        };
    }
    if let Some(home) = group(scratch, index) {
        if home.len() > 1 && home.contains(task.node) {
            return Decision {
                action: Action::Spread(home),
                // CAST: There are at most MAX_NODES nodes.
                ..stay(Reason::GroupSpreads {
                    group: task.group,
                    nodes: home.len() as u32,
                })
            };
        }
    }
    if settles(snapshot, scratch, index, task) {
        return stay(Reason::Settles {
            moved_ms_ago: task.moved_ms_ago,
        });
    }
    let percent = percent(snapshot, index, task.node);
    let reason = Reason::Local { percent };
    match task.preferred == Some(task.node) || !mask::allows(snapshot, task, task.node) {
        true => stay(reason),
        false => Decision {
            action: Action::Prefer(task.node),
            ..stay(arrives(snapshot, scratch, index, task.node))
        },
    }
}

/// Returns whether another node would be good enough for a move if the task had not been moved
/// recently.
fn settles(snapshot: &Snapshot<'_>, scratch: &Scratch<'_>, index: usize, task: &Task) -> bool {
    let settled = Task {
        moved_ms_ago: super::NEVER,
        ..*task
    };
    let least = hysteresis::threshold(&snapshot.params, &settled);
    (0..snapshot.node_count())
        .filter(|&node| mask::allows(snapshot, task, node))
        .any(|node| scratch.score(index, node) >= scratch.score(index, task.node) + least)
}
