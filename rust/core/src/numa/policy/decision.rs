// SPDX-License-Identifier: GPL-2.0

//! Implements the output of the policy: decisions, each with a reason in words.

use super::NodeSet;
use core::fmt;

/// The action for a task.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// Make the node its preferred node. The task runs there already, or cannot be moved there
    /// now.
    Prefer(usize),
    /// Move the task to the node, and make it the preferred node.
    Move(usize),
    /// Swap the task with the task of this index in the snapshot. Each moves to the node of the
    /// other task, which becomes its preferred node. There is no second decision for the other
    /// task.
    Swap(usize),
    /// No change: the task's group is active on these nodes, and the task is on one of them.
    Spread(NodeSet),
    /// No change.
    Stay,
}

/// A decision about a task.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Decision {
    /// The index of the task in the snapshot.
    pub task: usize,
    /// The action.
    pub action: Action,
    /// The reason.
    pub reason: Reason,
}

impl Decision {
    /// A decision without meaning, for filling slices.
    pub const EMPTY: Self = Self {
        task: 0,
        action: Action::Stay,
        reason: Reason::NoFaults,
    };
}

impl Default for Decision {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// The reason of a decision.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// The task follows its memory.
    FollowsMemory {
        /// The node on which it belongs.
        node: usize,
        /// The percentage of its accesses that are on this node.
        percent: u32,
    },
    /// The task follows memory that cannot move.
    FollowsUnmovable {
        /// The node on which it belongs.
        node: usize,
        /// The percentage of its accesses that are on this node.
        percent: u32,
    },
    /// The task is nearer to its memory on another node of a mesh or a backplane.
    NearMemory {
        /// The node on which it belongs.
        node: usize,
        /// The improvement in thousandths.
        gain: u32,
    },
    /// The task moves to the home of its group.
    FollowsGroup {
        /// The node on which it belongs.
        node: usize,
        /// The group.
        group: u32,
    },
    /// Its group is larger than a node.
    GroupSpreads {
        /// The group.
        group: u32,
        /// The number of nodes on which the group is active.
        nodes: u32,
    },
    /// Another node would be better, but it has no room and no task for a swap.
    NoRoom {
        /// The better node.
        node: usize,
    },
    /// The task was moved recently, and the improvement is not great enough yet.
    Settles {
        /// The time since it was moved, in milliseconds.
        moved_ms_ago: u32,
    },
    /// The task is on its best node, or no other node is better by enough.
    Local {
        /// The percentage of its accesses that are on its node.
        percent: u32,
    },
    /// The task may run on one node only.
    Pinned,
    /// The task has not run long enough.
    Young {
        /// The time for which it has run, in milliseconds.
        runtime_ms: u32,
    },
    /// The task has no faults and no memory that cannot move.
    NoFaults,
}

impl Reason {
    /// The number of reasons.
    pub const COUNT: usize = 11;

    /// Returns the index of the reason for arrays, which is below [`COUNT`](Self::COUNT).
    pub const fn index(&self) -> usize {
        match self {
            Self::FollowsMemory { .. } => 0,
            Self::FollowsUnmovable { .. } => 1,
            Self::NearMemory { .. } => 2,
            Self::FollowsGroup { .. } => 3,
            Self::GroupSpreads { .. } => 4,
            Self::NoRoom { .. } => 5,
            Self::Settles { .. } => 6,
            Self::Local { .. } => 7,
            Self::Pinned => 8,
            Self::Young { .. } => 9,
            Self::NoFaults => 10,
        }
    }

    /// The names of the reasons in files, by [`index`](Self::index).
    pub const NAMES: [&'static str; Self::COUNT] = [
        "follows_memory",
        "follows_unmovable",
        "near_memory",
        "follows_group",
        "group_spreads",
        "no_room",
        "settles",
        "local",
        "pinned",
        "young",
        "no_faults",
    ];
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::FollowsMemory { node, percent } => write!(
                f,
                "follows its memory: {percent} % of its faults are on node {node}"
            ),
            Self::FollowsUnmovable { node, percent } => write!(
                f,
                "follows memory that cannot move: {percent} % of its accesses are on node {node}"
            ),
            Self::NearMemory { node, gain } => write!(
                f,
                "node {node} is nearer to its memory, by {gain} of 1000"
            ),
            Self::FollowsGroup { node, group } => {
                write!(f, "joins its group {group} on node {node}")
            }
            Self::GroupSpreads { group, nodes } => write!(
                f,
                "its group {group} is larger than a node: it is active on {nodes} nodes"
            ),
            Self::NoRoom { node } => write!(
                f,
                "node {node} is better, but a move would overload it, and no task there can be exchanged"
            ),
            Self::Settles { moved_ms_ago } => write!(
                f,
                "was moved {moved_ms_ago} ms ago: another move needs a greater improvement"
            ),
            Self::Local { percent } => write!(
                f,
                "no other node is better: {percent} % of its faults are on its node"
            ),
            Self::Pinned => f.write_str("is allowed to run on one node only"),
            Self::Young { runtime_ms } => {
                write!(f, "has run for {runtime_ms} ms only")
            }
            Self::NoFaults => f.write_str("has no faults and no memory that cannot move"),
        }
    }
}
