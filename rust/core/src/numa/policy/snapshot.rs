// SPDX-License-Identifier: GPL-2.0

//! Implements the input of the policy: the state of a machine at one time.

use super::{NodeSet, Topology};

/// One runnable task, in the unit of loads: `NICE_0_LOAD` scaled down, `SCHED_CAPACITY_SCALE`.
pub const LOAD_ONE: u32 = 1024;

/// A time that is longer ago than any: the event has not happened.
pub const NEVER: u32 = u32::MAX;

/// A node.
#[derive(Clone, Copy, Debug, Default)]
pub struct Node {
    /// Its online CPUs.
    pub cpus: u32,
    /// The sum of the loads of the tasks on it, also of those that the snapshot does not have. A
    /// task that always runs has [`LOAD_ONE`].
    pub load: u32,
    /// Its free pages.
    pub free_pages: u64,
    /// All its pages. A node without pages has no memory.
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

/// Pages of NUMA hinting faults of a task on the memory of one node: the halving averages that the
/// kernel has in `task_struct.numa_faults[]` (`NUMA_MEM`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Faults {
    /// Pages that this task alone accesses.
    pub private: u32,
    /// Pages that other tasks access, too.
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
    /// A number that identifies it, such as the ID of the thread. The policy copies it into
    /// reasons and does not interpret it.
    pub id: u64,
    /// Its NUMA group, as `task_numa_group_id()` returns it; 0 for none.
    pub group: u32,
    /// The node on which it runs or ran last.
    pub node: usize,
    /// Its preferred node.
    pub preferred: Option<usize>,
    /// The nodes that have at least one CPU on which it is allowed to run.
    pub allowed: NodeSet,
    /// How long it has run on CPUs since it started, in milliseconds.
    pub runtime_ms: u32,
    /// Its load; [`LOAD_ONE`] if it always runs.
    pub load: u32,
    /// Its share of the resident pages of its address space: these divided by the number of threads.
    pub size_pages: u64,
    /// How many milliseconds ago it was moved to another node; [`NEVER`] if it was not.
    pub moved_ms_ago: u32,
}

/// The thresholds of the rules.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// Tasks that have run for a shorter time, in milliseconds, are left alone.
    pub runtime_ms: u32,
    /// The improvement of locality that justifies a move, in thousandths of the accesses.
    pub min_gain: u32,
    /// For how many milliseconds a task that was moved needs a greater improvement.
    pub settle_ms: u32,
    /// The improvement that a task needs directly after it was moved, in thousandths. It falls to
    /// `min_gain` in the course of `settle_ms`.
    pub settle_gain: u32,
    /// How much a page that cannot move counts, compared with a page of a fault.
    pub resident_weight: u32,
    /// The part of a node's pages that has to stay free for pages to move there: one of so many.
    pub reserve: u32,
}

impl Params {
    /// What the module uses unless it is told otherwise.
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
    /// How near its nodes are.
    pub topology: Topology<'a>,
    /// Its nodes. Nodes that the slice does not have are offline.
    pub nodes: &'a [Node],
    /// The tasks.
    pub tasks: &'a [Task],
    /// For each task and node the faults: the row of a task has an element for each node.
    pub faults: &'a [Faults],
    /// For each task and node the pages that cannot move: `mlock()` does not count, `mbind()`,
    /// hugetlb and pins for DMA do. May be empty.
    pub resident: &'a [u32],
    /// The thresholds.
    pub params: Params,
}

impl Snapshot<'_> {
    /// Returns how many nodes there are.
    pub const fn node_count(&self) -> usize {
        self.topology.nodes()
    }

    /// Returns a node; an offline one if there is none.
    pub fn node(&self, node: usize) -> Node {
        self.nodes.get(node).copied().unwrap_or_default()
    }

    /// Returns the faults of a task on the memory of a node; 0 if one of them does not exist.
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
