// SPDX-License-Identifier: GPL-2.0

//! Implements the observer: updates the counters at each event.

use crate::{table::Table, totals::Totals, wakeups::Wakeups};
use kernel::prelude::*;
use tackle::{
    numa::{
        nodes, Counted, Exit, Fault, Hint, Migration, Observer, Outcome, Placement, PlacementKind,
        Privacy, Scan, Skip, Task, Wakeup, Window,
    },
    time,
};
use tackle_core::numa::{Counter, Entry, Faulted, Key, Layout, RowMut};

/// The rows, the totals and the wake-ups.
pub(crate) struct Statistics {
    pub(crate) table: Table,
    pub(crate) totals: Totals,
    pub(crate) wakeups: Wakeups,
}

impl Statistics {
    /// # Errors
    ///
    /// Returns `EINVAL` if `bytes` is too small for the rows, and `ENOMEM` if there is no memory.
    pub(crate) fn new(bytes: usize, wakeups: Wakeups) -> Result<Self> {
        let layout = Layout::new(nodes());
        Ok(Self {
            table: Table::new(layout, bytes)?,
            totals: Totals::new(layout)?,
            wakeups,
        })
    }

    /// Calls `change` with the row of `task`, and creates the row if there is none.
    fn with_task(&self, task: Task<'_>, change: impl FnOnce(&mut Entry, &mut RowMut<'_>)) {
        let id = task.id();
        self.table
            .with(Key::Task(task.address()), |entry, mut row, is_new| {
                entry.task = id;
                if is_new {
                    entry.preferred = task.preferred_node();
                    entry.group = task.group();
                    entry.cgroup = task.cgroup();
                }
                change(entry, &mut row);
            });
    }

    /// Copies the kernel's averages and window counts of `task`, which can be older than the
    /// module. From then on, the row is updated as the kernel updates its own numbers.
    fn seed(&self, task: Task<'_>, entry: &mut Entry, row: &mut RowMut<'_>) {
        entry.is_seeded = true;
        for node in 0..self.table.layout().nodes() {
            let both = [true, false];
            let average = both.map(|private| task.average(node, private));
            let window = both.map(|private| task.in_window(node, private));
            row.seed(node, average, window);
        }
    }

    fn add_fault(&self, fault: &Fault<'_>, is_private: Option<bool>) {
        let (Some(mem_node), Some(cpu_node)) = (fault.mem_node(), fault.cpu_node()) else {
            return;
        };
        let faulted = Faulted {
            mem_node,
            cpu_node,
            pages: fault.pages().into(),
            is_local: fault.is_local(),
            is_migrated: fault.is_migrated(),
            has_failed: fault.has_failed(),
            is_private,
        };
        self.totals.fault(cpu_node, mem_node, faulted.pages);
        let task = fault.task();
        self.with_task(task, |entry, row| {
            // The kernel has already counted this fault. If the row is seeded below, the copied
            // window includes the fault, so do not add it to the window here.
            row.fault(&faulted, entry.is_seeded);
            if !entry.is_seeded && is_private.is_some() {
                self.seed(task, entry, row);
            }
            let begin = core::mem::take(&mut entry.hint_at);
            if begin != 0 {
                let ns = time::mono_fast_ns().saturating_sub(begin);
                row.add(Counter::Stalls, 1);
                row.add_time(Counter::StallNs, Counter::StallMaxNs, ns);
            }
        });
    }
}

impl Observer for Statistics {
    fn hint(&self, hint: &Hint<'_>) {
        self.totals.hint_faults.increment();
        if hint.is_local() {
            self.totals.hint_faults_local.increment();
        }
        self.with_task(hint.task(), |entry, _| {
            entry.hint_at = time::mono_fast_ns();
        });
        let cgroup = hint.cgroup();
        if cgroup != 0 {
            self.table.with(Key::Cgroup(cgroup), |_, mut row, _| {
                row.add(Counter::HintFaults, 1);
                if hint.is_local() {
                    row.add(Counter::HintFaultsLocal, 1);
                }
            });
        }
    }

    fn fault(&self, fault: &Fault<'_>) {
        self.add_fault(fault, None);
    }

    fn counted(&self, counted: &Counted<'_>) {
        let is_private = match counted.privacy() {
            Privacy::Ignored => return,
            Privacy::Shared => false,
            Privacy::Private => true,
        };
        self.add_fault(counted.fault(), Some(is_private));
    }

    fn window(&self, window: &Window<'_>) {
        let task = window.task();
        self.with_task(task, |entry, row| {
            row.add(Counter::Windows, 1);
            if entry.is_seeded {
                row.close_window();
            }
            entry.group = window.group();
            entry.cgroup = task.cgroup();
            // A policy sets the preferred node in a hook, which causes no event `placement`.
            entry.preferred = task.preferred_node();
        });
    }

    fn scan(&self, scan: &Scan<'_>) {
        self.with_task(scan.task(), |_, row| {
            row.add(Counter::Scans, 1);
            row.add_time(Counter::ScanNs, Counter::ScanMaxNs, scan.duration());
            // CAST: All variants of this enum are 0 or greater.
            if let Some(counter) = Counter::scan(scan.result() as usize) {
                row.add(counter, 1);
            }
        });
    }

    fn skip(&self, skip: &Skip<'_>) {
        // CAST: All variants of this enum are 0 or greater.
        let Some(counter) = Counter::skip(skip.reason() as usize) else {
            return;
        };
        self.with_task(skip.task(), |_, row| row.add(counter, 1));
    }

    fn migration(&self, migration: &Migration<'_>) {
        let pages = migration.pages();
        let nodes = (migration.source(), migration.target());
        let is_done = migration.outcome() == Outcome::Done;
        if let ((Some(source), Some(target)), true) = (nodes, is_done) {
            self.totals.migrated(source, target, pages);
        }
        self.with_task(migration.task(), |_, row| {
            if migration.duration() > 0 {
                row.add_time(
                    Counter::MigrationNs,
                    Counter::MigrationMaxNs,
                    migration.duration(),
                );
            }
            if let ((Some(source), Some(target)), true) = (nodes, is_done) {
                row.add(Counter::Migrations, 1);
                row.add_moved(source, target, pages);
            }
            // CAST: All variants of this enum are 0 or greater.
            if let Some(counter) = Counter::failed(migration.outcome() as usize) {
                row.add(counter, pages);
            }
        });
        let cgroup = migration.cgroup();
        if is_done && cgroup != 0 {
            self.table.with(Key::Cgroup(cgroup), |_, mut row, _| {
                row.add(Counter::PagesMigrated, pages);
            });
        }
    }

    fn placement(&self, placement: &Placement<'_>) {
        let is_done = placement.result().is_ok();
        let counter = match (placement.kind(), is_done) {
            (PlacementKind::Preferred, _) => Counter::PreferredChanges,
            (PlacementKind::Moved, true) => Counter::Moves,
            (PlacementKind::Moved, false) => Counter::MovesFailed,
            (PlacementKind::Swapped, true) => Counter::Swaps,
            (PlacementKind::Swapped, false) => Counter::SwapsFailed,
        };
        self.with_task(placement.task(), |entry, row| {
            row.add(counter, 1);
            if placement.kind() == PlacementKind::Preferred {
                entry.preferred = placement.target();
            }
        });
        // No row is created for the other task: it may be running, so the kernel's averages cannot
        // be copied.
        if let Some(other) = placement.other() {
            let key = Key::Task(other.address());
            self.table
                .with_existing(key, |_, mut row| row.add(counter, 1));
        }
    }

    fn exit(&self, exit: &Exit<'_>) {
        let task = exit.task().id();
        let key = Key::Task(exit.task().address());
        if !exit.has_ended() {
            return self.table.with_existing(key, |entry, mut row| {
                entry.task = task;
                entry.group = 0;
                row.clear_averages();
            });
        }
        let mut cgroup = 0;
        let mut had_row = false;
        self.table.with_existing(key, |entry, mut row| {
            had_row = true;
            cgroup = entry.cgroup;
            row.clear_window();
        });
        if had_row {
            self.totals.ended.increment();
            let to = [Key::Cgroup(cgroup), Key::Process(task.tgid)];
            let first = usize::from(cgroup == 0);
            let end = if exit.is_last() { 1 } else { 2 };
            let to = to.get(first..end).unwrap_or_default();
            self.table.fold(key, &task, to);
        }
        if exit.is_last() {
            self.table.remove(Key::Process(task.tgid));
        }
    }
    fn wakeup(&self, wakeup: &Wakeup<'_>) {
        self.wakeups.count(wakeup);
    }
}
