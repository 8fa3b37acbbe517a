// SPDX-License-Identifier: GPL-2.0

//! Implements the last plan as callbacks of balancing look it up.

use crate::state::Shown;
use kernel::prelude::*;
use tackle_core::numa::policy::{Faults, Node, NEVER};

/// What a plan has for a task.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    /// The address of the task, and its ID: another task can get the address.
    pub(crate) task: usize,
    pub(crate) pid: i32,
    /// The node where it ran.
    pub(crate) node: usize,
    /// The node where it is to run; [`None`] if the plan leaves it alone.
    pub(crate) planned: Option<usize>,
    /// Which of the tasks it is in the snapshot of the plan.
    pub(crate) row: usize,
    /// The threads of its process if it has pages of hugetlbfs; 0 if it has none.
    pub(crate) threads: u32,
    /// When it came to a node that a plan had for it, in ms; 0 if it did not.
    pub(crate) moved_ms: u64,
}

impl Entry {
    /// Returns how many ms ago the task was moved.
    pub(crate) fn moved_ms_ago(&self, now_ms: u64) -> u32 {
        if self.moved_ms == 0 {
            return NEVER;
        }
        let ago = now_ms.saturating_sub(self.moved_ms);
        u32::try_from(ago).unwrap_or(NEVER)
    }
}

/// The last plan, and the nodes as they were then.
pub(crate) struct Plan {
    /// By the address of the task, in rising order.
    pub(crate) entries: KVVec<Entry>,
    pub(crate) nodes: KVVec<Node>,
    /// For each task and node the pages that cannot move; [`Entry::row`] is the number of the row.
    pub(crate) resident: KVVec<u32>,
    /// The distances of the nodes, a row after the other.
    pub(crate) distances: KVVec<u8>,
    /// Room for the faults of one task.
    pub(crate) faults: KVVec<Faults>,
    /// Decisions at the end of scan windows, until the log takes them.
    pub(crate) fresh: KVVec<Shown>,
    /// How many of them had no room.
    pub(crate) lost: u64,
}

/// How many decisions at the end of scan windows are kept until the log takes them.
pub(crate) const FRESH_LEN: usize = 128;

impl Plan {
    pub(crate) fn new(nodes: usize, max_tasks: usize) -> Result<Self> {
        Ok(Self {
            entries: KVVec::with_capacity(max_tasks, GFP_KERNEL)?,
            resident: KVVec::with_capacity(max_tasks * nodes, GFP_KERNEL)?,
            nodes: KVVec::from_elem(Node::default(), nodes, GFP_KERNEL)?,
            distances: KVVec::from_elem(0, nodes * nodes, GFP_KERNEL)?,
            faults: KVVec::from_elem(Faults::default(), nodes, GFP_KERNEL)?,
            fresh: KVVec::with_capacity(FRESH_LEN, GFP_KERNEL)?,
            lost: 0,
        })
    }

    /// Keeps a decision at the end of a scan window.
    pub(crate) fn keep(&mut self, shown: Shown) {
        if self.fresh.push_within_capacity(shown).is_err() {
            self.lost += 1;
        }
    }
}

/// Returns what a plan has for a task. `entries` are in the order of [`Plan::entries`].
pub(crate) fn find(entries: &[Entry], task: usize, pid: i32) -> Option<Entry> {
    let found = entries
        .binary_search_by_key(&task, |entry| entry.task)
        .ok()?;
    let entry = entries.get(found).copied();
    entry.filter(|entry| entry.pid == pid)
}
