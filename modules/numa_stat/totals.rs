// SPDX-License-Identifier: GPL-2.0

//! Implements the counters for the whole system. They are per-CPU and need no locks.

use kernel::prelude::*;
use tackle::percpu::Counter;
use tackle_core::numa::Layout;

/// A number for each pair of nodes.
struct Matrix {
    nodes: usize,
    counts: KVVec<Counter>,
}

impl Matrix {
    fn new(nodes: usize) -> Result<Self> {
        let mut counts = KVVec::with_capacity(nodes * nodes, GFP_KERNEL)?;
        for _ in 0..nodes * nodes {
            counts.push(Counter::new()?, GFP_KERNEL)?;
        }
        Ok(Self { nodes, counts })
    }

    fn cell(&self, row: usize, column: usize) -> Option<&Counter> {
        if column >= self.nodes {
            return None;
        }
        self.counts.get(row.checked_mul(self.nodes)? + column)
    }

    fn add(&self, row: usize, column: usize, n: u64) {
        if let Some(cell) = self.cell(row, column) {
            cell.add(n);
        }
    }

    fn get(&self, row: usize, column: usize) -> u64 {
        self.cell(row, column).map_or(0, Counter::sum)
    }
}

/// The totals. They never decrease.
pub(crate) struct Totals {
    /// The same count as `numa_hint_faults` in `/proc/vmstat`.
    pub(crate) hint_faults: Counter,
    /// The same count as `numa_hint_faults_local` there.
    pub(crate) hint_faults_local: Counter,
    /// The same count as `numa_pages_migrated` there.
    pub(crate) pages_migrated: Counter,
    /// The number of tasks that had a row and have ended.
    pub(crate) ended: Counter,
    /// The pages of faults, by the node of the CPU and that of the memory.
    faults: Matrix,
    /// The migrated pages, by their old node and their new node.
    moved: Matrix,
}

impl Totals {
    /// # Errors
    ///
    /// Returns `ENOMEM` if there is no memory.
    pub(crate) fn new(layout: Layout) -> Result<Self> {
        Ok(Self {
            hint_faults: Counter::new()?,
            hint_faults_local: Counter::new()?,
            pages_migrated: Counter::new()?,
            ended: Counter::new()?,
            faults: Matrix::new(layout.nodes())?,
            moved: Matrix::new(layout.nodes())?,
        })
    }

    pub(crate) fn fault(&self, cpu_node: usize, mem_node: usize, pages: u64) {
        self.faults.add(cpu_node, mem_node, pages);
    }

    pub(crate) fn migrated(&self, source: usize, target: usize, pages: u64) {
        self.pages_migrated.add(pages);
        self.moved.add(source, target, pages);
    }

    /// Returns the number of pages of the node `mem_node` on which CPUs of `cpu_node` have
    /// faulted.
    pub(crate) fn faults(&self, cpu_node: usize, mem_node: usize) -> u64 {
        self.faults.get(cpu_node, mem_node)
    }

    /// Returns the number of pages that were migrated from one node to another.
    pub(crate) fn moved(&self, source: usize, target: usize) -> u64 {
        self.moved.get(source, target)
    }
}
