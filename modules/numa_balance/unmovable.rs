// SPDX-License-Identifier: GPL-2.0

//! Implements the counts of pages that cannot move, by process: those of hugetlbfs.

use crate::{machine::filled, plan::Entry};
use kernel::prelude::*;
use tackle::{numa, task};
use tackle_core::numa::TaskId;

/// The maximum number of processes in a plan. The pages of other processes are not counted.
const MOST_PROCESSES: usize = 256;

/// The pages of a process are counted once in this number of plans.
const PLANS: u32 = 5;

/// A process. Its pages are in the row of the same index.
#[derive(Clone, Copy)]
struct Process {
    tgid: i32,
    /// The number of plans that use this count. Then the pages are counted again.
    left: u32,
}

/// Processes, and for each process and node the pages.
struct Table {
    processes: KVVec<Process>,
    pages: KVVec<u64>,
}

impl Table {
    fn new(nodes: usize, most: usize) -> Result<Self> {
        Ok(Self {
            processes: KVVec::with_capacity(most, GFP_KERNEL)?,
            pages: KVVec::with_capacity(most * nodes, GFP_KERNEL)?,
        })
    }

    /// Returns a process and its pages.
    fn find(&self, tgid: i32, nodes: usize) -> Option<(Process, &[u64])> {
        let index = self.processes.iter().position(|known| known.tgid == tgid)?;
        let row = self.pages.get(index * nodes..(index + 1) * nodes)?;
        Some((*self.processes.get(index)?, row))
    }
}

/// The processes of the last plan, and those of the plan that is being made.
pub(crate) struct Unmovable {
    last: Table,
    next: Table,
    /// The pages of one process.
    row: KVVec<u64>,
}

impl Unmovable {
    pub(crate) fn new(nodes: usize, max_tasks: usize) -> Result<Self> {
        let most = max_tasks.min(MOST_PROCESSES);
        Ok(Self {
            last: Table::new(nodes, most)?,
            next: Table::new(nodes, most)?,
            row: filled(nodes)?,
        })
    }

    /// Begins a plan.
    pub(crate) fn begin(&mut self) {
        core::mem::swap(&mut self.last, &mut self.next);
        self.next.processes.clear();
        self.next.pages.clear();
    }

    /// Returns the pages of a task's process, by node; [`None`] if there are too many processes.
    /// The tasks of a process have to be passed one after the other.
    pub(crate) fn of(&mut self, entry: &Entry, id: &TaskId) -> Option<&[u64]> {
        let last = self.next.processes.last().map(|last| last.tgid);
        if last != Some(id.tgid) {
            self.add(entry, id)?;
        }
        let nodes = self.row.len();
        self.next.pages.chunks(nodes).next_back()
    }

    /// Adds the process of a task, with its pages; [`None`] if there are too many processes.
    fn add(&mut self, entry: &Entry, id: &TaskId) -> Option<()> {
        // Without room nothing is kept, so the pages would be counted for each task of the process.
        if self.next.processes.len() == self.next.processes.capacity() {
            return None;
        }
        let before = self.last.find(id.tgid, self.row.len());
        let mut left = before.map_or(0, |(process, _)| process.left);
        self.row.fill(0);
        if left == 0 && count(entry, id, &mut self.row) {
            left = PLANS;
        } else if let Some((_, row)) = before {
            self.row.copy_from_slice(row);
        }
        let process = Process {
            tgid: id.tgid,
            left: left.saturating_sub(1),
        };
        self.next.processes.push_within_capacity(process).ok()?;
        for &pages in self.row.iter() {
            // The vector has room for the pages of all processes.
            let _ = self.next.pages.push_within_capacity(pages);
        }
        Some(())
    }
}

/// Counts the pages of a task's process in `row`. Returns false if the task has ended, or if the
/// process changes its address space at this moment.
fn count(entry: &Entry, id: &TaskId, row: &mut [u64]) -> bool {
    let found = task::find(id.pid).filter(|found| task::address(found) == entry.task);
    found.is_some_and(|found| numa::count_hugetlb(&found, row).is_ok())
}
