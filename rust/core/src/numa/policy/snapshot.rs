// SPDX-License-Identifier: GPL-2.0

//! Defines the input of the policy: the state of a machine at one time.

use super::{NodeSet, Topology};

/// The load of one task that always runs: `NICE_0_LOAD` scaled down, `SCHED_CAPACITY_SCALE`.
pub const LOAD_ONE: u32 = 1024;

/// A time that means that an event has never happened.
pub const NEVER: u32 = u32::MAX;

/// A node.
#[derive(Clone, Copy, Debug, Default)]
pub struct Node {
    /// The number of its online CPUs.
    pub cpus: u32,
    /// The sum of the loads of the tasks on it, including tasks that the snapshot does not have. A
    /// task that always runs has the load [`LOAD_ONE`].
    pub load: u32,
    /// The number of its free pages.
    pub free_pages: u64,
    /// The number of all its pages; 0 for a node without memory.
    pub total_pages: u64,
    /// Whether it is online.
    pub online: bool,
}

impl Node {
    /// Returns whether tasks can run on it.
    pub const fn has_cpus(&self) -> bool {
        self.online && self.cpus > 0
    }
}

/// Pages of NUMA hinting faults of a task on the memory of one node: the decaying averages that
/// the kernel has in `task_struct.numa_faults[]` (`NUMA_MEM`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Faults {
    /// Pages that only this task accesses.
    pub private: u32,
    /// Pages that other tasks access as well.
    pub shared: u32,
}

impl Faults {
    /// Returns all pages.
    pub const fn sum(&self) -> u64 {
        self.private as u64 + self.shared as u64
    }
}

/// A task.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// A number that identifies it for the caller, such as the ID of the thread. The policy does
    /// not use it.
    pub id: u64,
    /// Its NUMA group: the result of `task_numa_group_id()`; 0 for none.
    pub group: u32,
    /// The node on which it runs or ran last.
    pub node: usize,
    /// Its preferred node.
    pub preferred: Option<usize>,
    /// The nodes that have at least one CPU on which it is allowed to run.
    pub allowed: NodeSet,
    /// The time for which it has run on CPUs since it started, in milliseconds.
    pub runtime_ms: u32,
    /// Its load; [`LOAD_ONE`] if it always runs.
    pub load: u32,
    /// Its share of the resident pages of its address space: their number divided by the number of
    /// threads.
    pub size_pages: u64,
    /// The time since it was moved to another node, in milliseconds; [`NEVER`] if it was not.
    pub moved_ms_ago: u32,
}

/// The thresholds of the rules.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// The minimum run time in milliseconds. Tasks with a shorter run time are not placed.
    pub runtime_ms: u32,
    /// The improvement of locality that justifies a move, in thousandths of the accesses.
    pub min_gain: u32,
    /// The time for which a moved task needs a greater improvement, in milliseconds.
    pub settle_ms: u32,
    /// The improvement that a task needs directly after a move, in thousandths. It decreases to
    /// `min_gain` during `settle_ms`.
    pub settle_gain: u32,
    /// The weight of a page that cannot move, compared with a page of a fault.
    pub resident_weight: u32,
    /// A node must keep one of `reserve` pages free; otherwise no pages move there.
    pub reserve: u32,
}

impl Params {
    /// The defaults of the module `numa_balance`.
    pub const DEFAULT: Self = Self {
        runtime_ms: 1000,
        min_gain: 50,
        settle_ms: 4000,
        settle_gain: 400,
        resident_weight: 4,
        reserve: 64,
    };
}

impl Default for Params {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The state of a machine, or of one of its tasks.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<'a> {
    /// The distances between its nodes.
    pub topology: Topology<'a>,
    /// Its nodes. Nodes beyond the end of the slice are offline.
    pub nodes: &'a [Node],
    /// The tasks.
    pub tasks: &'a [Task],
    /// The faults of each task on each node. The row of a task has an element for each node.
    pub faults: &'a [Faults],
    /// The pages of each task on each node that cannot move. Pages that are bound by `mbind()`,
    /// pages of hugetlbfs and pages pinned for DMA are such pages; pages with only `mlock()` are
    /// not. May be empty.
    pub resident: &'a [u32],
    /// The thresholds.
    pub params: Params,
}

impl Snapshot<'_> {
    /// Returns the number of nodes.
    pub const fn node_count(&self) -> usize {
        self.topology.nodes()
    }

    /// Returns a node, or an offline one if there is no such node.
    pub fn node(&self, node: usize) -> Node {
        self.nodes.get(node).copied().unwrap_or_default()
    }

    /// Returns the faults of a task on the memory of a node; 0 if there is no such task or node.
    pub fn faults(&self, task: usize, node: usize) -> Faults {
        self.element(self.faults, task, node)
    }

    /// Returns the pages of a task on a node that cannot move.
    pub fn resident(&self, task: usize, node: usize) -> u32 {
        self.element(self.resident, task, node)
    }

    fn element<T: Copy + Default>(&self, rows: &[T], task: usize, node: usize) -> T {
        if node >= self.node_count() {
            return T::default();
        }
        let index = task.wrapping_mul(self.node_count()).wrapping_add(node);
        rows.get(index).copied().unwrap_or_default()
    }
}
