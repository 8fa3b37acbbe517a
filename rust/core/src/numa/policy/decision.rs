// SPDX-License-Identifier: GPL-2.0

//! Implements the output of the policy: decisions, each with a reason in words.

use super::NodeSet;
use core::fmt;

/// What to do with a task.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// Make the node its preferred one. It runs there already, or cannot be moved there now.
    Prefer(usize),
    /// Move it to the node, and make this its preferred one.
    Move(usize),
    /// Exchange it with the task of this index in the snapshot: each goes to the node of the other,
    /// which becomes its preferred one. There is no second decision for the other task.
    Swap(usize),
    /// Its group is active on these nodes. The task is on one of them and stays.
    Spread(NodeSet),
    /// Nothing.
    Stay,
}

/// A decision about a task.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Decision {
    /// The index of the task in the snapshot.
    pub task: usize,
    /// What to do.
    pub action: Action,
    /// Why.
    pub reason: Reason,
}

impl Decision {
    /// A decision without content, to fill slices with.
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

/// Why a task was treated as it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// It follows its memory: the percentage of its faults that are on the node.
    FollowsMemory {
        /// Where it belongs.
        node: usize,
        /// Its faults there, of all.
        percent: u32,
    },
    /// It follows memory that cannot move.
    FollowsUnmovable {
        /// Where it belongs.
        node: usize,
        /// Its accesses there, of all.
        percent: u32,
    },
    /// It goes where it is nearer to its memory: a mesh or a backplane.
    NearMemory {
        /// Where it belongs.
        node: usize,
        /// How much nearer, in thousandths.
        gain: u32,
    },
    /// It goes to the home of its group.
    FollowsGroup {
        /// Where it belongs.
        node: usize,
        /// The group.
        group: u32,
    },
    /// Its group is larger than a node.
    GroupSpreads {
        /// The group.
        group: u32,
        /// On how many nodes the group is active.
        nodes: u32,
    },
    /// Another node would be better, but has no room, and no task to exchange it with.
    NoRoom {
        /// The better node.
        node: usize,
    },
    /// It was moved lately, and the improvement is not great enough yet.
    Settles {
        /// How many milliseconds ago it was moved.
        moved_ms_ago: u32,
    },
    /// It is where it belongs, or no other node is better enough.
    Local {
        /// Its faults on its node, of all.
        percent: u32,
    },
    /// It may run on one node only.
    Pinned,
    /// It has not run long enough.
    Young {
        /// How many milliseconds it has run.
        runtime_ms: u32,
    },
    /// It has no faults and no memory that cannot move.
    NoFaults,
}

impl Reason {
    /// How many reasons there are.
    pub const COUNT: usize = 11;

    /// Returns the number of the reason, below [`COUNT`](Self::COUNT): an index for counters.
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
