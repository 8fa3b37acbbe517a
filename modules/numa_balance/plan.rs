// SPDX-License-Identifier: GPL-2.0

//! Implements the last plan in the form in which the callbacks of balancing search it.

use crate::state::Shown;
use kernel::prelude::*;
use tackle_core::numa::policy::{Faults, Node, NEVER};

/// The entry of a task in a plan.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    /// The address of the task, and its ID, since a later task can have the same address.
    pub(crate) task: usize,
    pub(crate) pid: i32,
    /// The node on which it ran.
    pub(crate) node: usize,
    /// The node on which it should run; [`None`] if the plan does not move it.
    pub(crate) planned: Option<usize>,
    /// Its index among the tasks in the snapshot of the plan.
    pub(crate) row: usize,
    /// The threads of its process if it has pages of hugetlbfs; 0 if it has none.
    pub(crate) threads: u32,
    /// When it came to a node that a plan had for it, in ms; 0 if it did not.
    pub(crate) moved_ms: u64,
}

impl Entry {
    /// Returns the time since the task was moved, in ms.
    pub(crate) fn moved_ms_ago(&self, now_ms: u64) -> u32 {
        if self.moved_ms == 0 {
            return NEVER;
        }
        let ago = now_ms.saturating_sub(self.moved_ms);
        u32::try_from(ago).unwrap_or(NEVER)
    }
}

/// The last plan, and the state of the nodes at that time.
pub(crate) struct Plan {
    /// The entries, sorted by the address of the task in ascending order.
    pub(crate) entries: KVVec<Entry>,
    pub(crate) nodes: KVVec<Node>,
    /// For each task and node: the number of pages that cannot move. [`Entry::row`] is the index
    /// of a task's row.
    pub(crate) resident: KVVec<u32>,
    /// The distances between the nodes, row by row.
    pub(crate) distances: KVVec<u8>,
    /// Memory for the faults of one task.
    pub(crate) faults: KVVec<Faults>,
    /// Decisions at the end of scan windows that are not in the log yet.
    pub(crate) fresh: KVVec<Shown>,
    /// The number of these decisions for which there was no room.
    pub(crate) lost: u64,
}

/// The maximum number of decisions at the end of scan windows that are not in the log yet.
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

    /// Records a decision at the end of a scan window.
    pub(crate) fn keep(&mut self, shown: Shown) {
        if self.fresh.push_within_capacity(shown).is_err() {
            self.lost += 1;
        }
    }
}

/// Returns the entry of a task. `entries` must be in the order of [`Plan::entries`].
pub(crate) fn find(entries: &[Entry], task: usize, pid: i32) -> Option<Entry> {
    let found = entries
        .binary_search_by_key(&task, |entry| entry.task)
        .ok()?;
    let entry = entries.get(found).copied();
    entry.filter(|entry| entry.pid == pid)
}
