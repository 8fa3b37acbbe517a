// SPDX-License-Identifier: GPL-2.0

//! Implements the counts of pages that cannot move, by process: those of hugetlbfs.

use crate::{machine::filled, plan::Entry};
use kernel::prelude::*;
use tackle::{numa, task};
use tackle_core::numa::TaskId;

/// How many processes are counted at most. Those beyond it have no pages that cannot move.
const MOST_PROCESSES: usize = 256;

/// A process is counted in one of so many plans.
const PLANS: u64 = 5;

/// A process that was counted. Its pages are in the row of the same index.
#[derive(Clone, Copy)]
struct Process {
    tgid: i32,
    /// When its pages were counted last, in ms; 0 if this never succeeded.
    at_ms: u64,
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
    now_ms: u64,
    interval_ms: u32,
}

impl Unmovable {
    pub(crate) fn new(nodes: usize, max_tasks: usize) -> Result<Self> {
        let most = max_tasks.min(MOST_PROCESSES);
        Ok(Self {
            last: Table::new(nodes, most)?,
            next: Table::new(nodes, most)?,
            row: filled(nodes)?,
            now_ms: 0,
            interval_ms: 0,
        })
    }

    /// Begins a plan. Plans are made each `interval_ms`.
    pub(crate) fn begin(&mut self, now_ms: u64, interval_ms: u32) {
        core::mem::swap(&mut self.last, &mut self.next);
        self.next.processes.clear();
        self.next.pages.clear();
        self.now_ms = now_ms;
        self.interval_ms = interval_ms;
    }

    /// Returns the pages of a task's process, by node; [`None`] if there are too many processes. The
    /// tasks of a process have to follow each other.
    pub(crate) fn of(&mut self, entry: &Entry, id: &TaskId) -> Option<&[u64]> {
        let last = self.next.processes.last().map(|last| last.tgid);
        if last != Some(id.tgid) {
            self.count(entry, id)?;
        }
        let nodes = self.row.len();
        self.next.pages.chunks(nodes).next_back()
    }

    fn count(&mut self, entry: &Entry, id: &TaskId) -> Option<()> {
        let nodes = self.row.len();
        let before = self.last.find(id.tgid, nodes);
        let mut at_ms = before.map_or(0, |(process, _)| process.at_ms);
        self.row.fill(0);
        let is_due = self.now_ms >= at_ms + PLANS * u64::from(self.interval_ms);
        let found = match is_due {
            true => task::find(id.pid).filter(|task| task::address(task) == entry.task),
            false => None,
        };
        if found.is_some_and(|task| numa::count_hugetlb(&task, &mut self.row).is_ok()) {
            at_ms = self.now_ms;
        } else if let Some((_, row)) = before {
            // The process changes its address space just now, or this thread has ended.
            self.row.copy_from_slice(row);
        }
        let process = Process {
            tgid: id.tgid,
            at_ms,
        };
        self.next.processes.push_within_capacity(process).ok()?;
        for &pages in self.row.iter() {
            // It has room for all processes.
            let _ = self.next.pages.push_within_capacity(pages);
        }
        Some(())
    }
}
