// SPDX-License-Identifier: GPL-2.0

//! The state that the kernel's NUMA balancing works on: nodes, CPUs, tasks and groups.

use tackle_core::numa::policy::{Kind, Topology};

/// The nodes of a machine.
#[derive(Clone, Debug)]
pub struct Nodes {
    /// How many there are.
    pub count: usize,
    /// Their distances, a row after the other.
    pub distances: Vec<u8>,
    /// Which have memory (`N_MEMORY`).
    pub has_memory: Vec<bool>,
    /// The CPUs of each (`cpumask_of_node()`).
    pub cpus: Vec<Vec<usize>>,
    /// `sched_numa_topology_type`.
    pub kind: Kind,
    /// `sched_max_numa_distance`.
    pub farthest: u8,
}

impl Nodes {
    /// The nodes with these distances, CPUs and memory.
    pub fn new(distances: Vec<u8>, cpus: Vec<Vec<usize>>, has_memory: Vec<bool>) -> Self {
        let count = cpus.len();
        let topology = Topology::new(count, &distances, |node| !cpus[node].is_empty());
        let (kind, farthest) = (topology.kind(), topology.farthest());
        Self {
            count,
            distances,
            has_memory,
            cpus,
            kind,
            farthest,
        }
    }

    /// `node_distance()`.
    pub fn distance(&self, from: usize, to: usize) -> u8 {
        self.distances[from * self.count + to]
    }

    /// Whether the node has CPUs (`N_CPU`).
    pub fn has_cpus(&self, node: usize) -> bool {
        !self.cpus[node].is_empty()
    }

    /// The nodes with CPUs.
    pub fn with_cpus(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.count).filter(|&node| self.has_cpus(node))
    }

    /// The nearest node with CPUs: `numa_nearest_node(node, N_CPU)`.
    pub fn nearest_with_cpus(&self, node: usize) -> usize {
        match self.has_cpus(node) {
            true => node,
            false => self
                .with_cpus()
                .min_by_key(|&other| self.distance(node, other))
                .unwrap_or(node),
        }
    }
}

/// A CPU: what `struct rq` has of it.
#[derive(Clone, Debug, Default)]
pub struct Cpu {
    /// Its node.
    pub node: usize,
    /// The task that runs on it.
    pub current: Option<usize>,
    /// How many tasks are runnable on it.
    pub running: usize,
    /// The sum of their loads.
    pub load: i64,
    /// The time that tasks were runnable.
    pub runnable: i64,
    /// The time that it was in use.
    pub util: i64,
}

/// Fault counts of a task or a group for one node: `[shared, private]`, as in the kernel.
pub type Types = [i64; 2];

/// A task: what `struct task_struct` has of it.
#[derive(Clone, Debug, Default)]
pub struct Task {
    /// Its CPU.
    pub cpu: usize,
    /// The CPUs on which it may run; all if empty.
    pub allowed: Vec<bool>,
    /// Its load.
    pub load: i64,
    /// `numa_preferred_nid`.
    pub preferred: Option<usize>,
    /// `numa_group`.
    pub group: Option<usize>,
    /// `total_numa_faults`.
    pub total: i64,
    /// The averages by the node of the memory (`NUMA_MEM`).
    pub memory: Vec<Types>,
    /// The averages by the node of the CPU (`NUMA_CPU`).
    pub by_cpu: Vec<Types>,
    /// The counts of this window by the node of the memory (`NUMA_MEMBUF`).
    pub memory_now: Vec<Types>,
    /// The counts of this window by the node of the CPU (`NUMA_CPUBUF`).
    pub by_cpu_now: Vec<Types>,
    /// `numa_faults_locality`: remote, local, failed.
    pub locality: [i64; 3],
    /// `numa_scan_period`, in milliseconds.
    pub period: i64,
    /// `numa_scan_period_max`, in milliseconds.
    pub period_max: i64,
    /// `numa_scan_seq`.
    pub scans: i64,
    /// The resident pages of its address space.
    pub rss: i64,
}

impl Task {
    /// A task without faults.
    pub fn new(nodes: usize, cpu: usize) -> Self {
        let none = vec![[0; 2]; nodes];
        Self {
            cpu,
            load: 1024,
            memory: none.clone(),
            by_cpu: none.clone(),
            memory_now: none.clone(),
            by_cpu_now: none,
            period: 1000,
            period_max: 60_000,
            ..Self::default()
        }
    }

    /// Whether it may run on a CPU.
    pub fn may_run(&self, cpu: usize) -> bool {
        self.allowed
            .get(cpu)
            .copied()
            .unwrap_or(self.allowed.is_empty())
    }

    /// `task_faults()`.
    pub fn faults(&self, node: usize) -> i64 {
        self.memory[node].iter().sum()
    }
}

/// A group: `struct numa_group`.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// How many tasks are in it.
    pub tasks: i64,
    /// `active_nodes`.
    pub active_nodes: i64,
    /// `max_faults_cpu`.
    pub max_faults_cpu: i64,
    /// `total_faults`.
    pub total: i64,
    /// The sums of the averages by the node of the memory.
    pub memory: Vec<Types>,
    /// The sums of the averages by the node of the CPU.
    pub by_cpu: Vec<Types>,
}

impl Group {
    /// A group without tasks.
    pub fn new(nodes: usize) -> Self {
        Self {
            active_nodes: 1,
            memory: vec![[0; 2]; nodes],
            by_cpu: vec![[0; 2]; nodes],
            ..Self::default()
        }
    }

    /// `group_faults()`.
    pub fn faults(&self, node: usize) -> i64 {
        self.memory[node].iter().sum()
    }

    /// `group_faults_cpu()`.
    pub fn faults_cpu(&self, node: usize) -> i64 {
        self.by_cpu[node].iter().sum()
    }

    /// All faults of a type: `group_faults_priv()`, `group_faults_shared()`.
    pub fn of_type(&self, private: usize) -> i64 {
        self.memory.iter().map(|types| types[private]).sum()
    }
}

/// A machine as the scheduler sees it.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// Its nodes.
    pub nodes: Nodes,
    /// Its CPUs.
    pub cpus: Vec<Cpu>,
    /// Its tasks.
    pub tasks: Vec<Task>,
    /// Its groups.
    pub groups: Vec<Group>,
    /// `imbalance_pct` of the lowest NUMA domain.
    pub imbalance_pct: i64,
    /// `imb_numa_nr` of the lowest NUMA domain.
    pub imb_numa_nr: i64,
    /// Whether `task_numa_migrate()` weighs a further candidate by the distance of the candidate
    /// before it, as Linux 7.3 does.
    pub distance_of_previous: bool,
}

impl Kernel {
    /// `task_node()`.
    pub fn node_of(&self, task: usize) -> usize {
        self.cpus[self.tasks[task].cpu].node
    }

    /// The group of a task.
    pub fn group_of(&self, task: usize) -> Option<&Group> {
        self.tasks[task].group.map(|group| &self.groups[group])
    }

    /// `idle_cpu()`.
    pub fn is_idle(&self, cpu: usize) -> bool {
        self.cpus[cpu].running == 0
    }
}
