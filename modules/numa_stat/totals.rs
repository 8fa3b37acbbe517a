// SPDX-License-Identifier: GPL-2.0

//! What `numa_stat` counts for the whole system, by CPU without locks.

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

/// The sums. They never fall.
pub(crate) struct Totals {
    /// As `numa_hint_faults` of `/proc/vmstat`.
    pub(crate) hint_faults: Counter,
    /// As `numa_hint_faults_local`.
    pub(crate) hint_faults_local: Counter,
    /// As `numa_pages_migrated`.
    pub(crate) pages_migrated: Counter,
    /// Tasks with a row that have ended.
    pub(crate) ended: Counter,
    /// Pages of faults, by the node of the CPU and that of the memory.
    faults: Matrix,
    /// Pages that were migrated, by the node that they left and the one that they came to.
    moved: Matrix,
}

impl Totals {
    /// # Errors
    ///
    /// `ENOMEM`.
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

    /// Returns how many pages CPUs of one node have faulted on of another.
    pub(crate) fn faults(&self, cpu_node: usize, mem_node: usize) -> u64 {
        self.faults.get(cpu_node, mem_node)
    }

    /// Returns how many pages were migrated from one node to another.
    pub(crate) fn moved(&self, source: usize, target: usize) -> u64 {
        self.moved.get(source, target)
    }
}
