// SPDX-License-Identifier: GPL-2.0

//! Defines the state of the kernel's NUMA balancing: nodes, CPUs, tasks and groups.

use tackle_core::numa::policy::{Kind, Topology};

/// The nodes of a machine.
#[derive(Clone, Debug)]
pub struct Nodes {
    /// The number of nodes.
    pub count: usize,
    /// The distances, row by row.
    pub distances: Vec<u8>,
    /// Which nodes have memory (`N_MEMORY`).
    pub has_memory: Vec<bool>,
    /// The CPUs of each node (`cpumask_of_node()`).
    pub cpus: Vec<Vec<usize>>,
    /// `sched_numa_topology_type`.
    pub kind: Kind,
    /// `sched_max_numa_distance`.
    pub farthest: u8,
}

impl Nodes {
    /// Returns the nodes with these distances, CPUs and memory.
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

    /// Models `node_distance()`.
    pub fn distance(&self, from: usize, to: usize) -> u8 {
        self.distances[from * self.count + to]
    }

    /// Returns whether the node has CPUs (`N_CPU`).
    pub fn has_cpus(&self, node: usize) -> bool {
        !self.cpus[node].is_empty()
    }

    /// Returns the nodes with CPUs.
    pub fn with_cpus(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.count).filter(|&node| self.has_cpus(node))
    }

    /// Returns the nearest node with CPUs: `numa_nearest_node(node, N_CPU)`.
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

/// A CPU, as in `struct rq`.
#[derive(Clone, Debug, Default)]
pub struct Cpu {
    /// Its node.
    pub node: usize,
    /// The task that runs on it.
    pub current: Option<usize>,
    /// The number of runnable tasks.
    pub running: usize,
    /// The sum of the loads of these tasks.
    pub load: i64,
    /// The time that tasks were runnable.
    pub runnable: i64,
    /// The time that the CPU was in use.
    pub util: i64,
}

/// Fault counts of a task or a group for one node: `[shared, private]`, as in the kernel.
pub type Types = [i64; 2];

/// A task, as in `struct task_struct`.
#[derive(Clone, Debug, Default)]
pub struct Task {
    /// Its CPU.
    pub cpu: usize,
    /// The CPUs on which the task may run. If it is empty, all CPUs are allowed.
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
    /// Returns a task without faults.
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

    /// Returns whether the task may run on a CPU.
    pub fn may_run(&self, cpu: usize) -> bool {
        self.allowed
            .get(cpu)
            .copied()
            .unwrap_or(self.allowed.is_empty())
    }

    /// Models `task_faults()`.
    pub fn faults(&self, node: usize) -> i64 {
        self.memory[node].iter().sum()
    }
}

/// A group: `struct numa_group`.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// The number of tasks in the group.
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
    /// Returns a group without tasks.
    pub fn new(nodes: usize) -> Self {
        Self {
            active_nodes: 1,
            memory: vec![[0; 2]; nodes],
            by_cpu: vec![[0; 2]; nodes],
            ..Self::default()
        }
    }

    /// Models `group_faults()`.
    pub fn faults(&self, node: usize) -> i64 {
        self.memory[node].iter().sum()
    }

    /// Models `group_faults_cpu()`.
    pub fn faults_cpu(&self, node: usize) -> i64 {
        self.by_cpu[node].iter().sum()
    }

    /// Returns all faults of a type: `group_faults_priv()` and `group_faults_shared()`.
    pub fn of_type(&self, private: usize) -> i64 {
        self.memory.iter().map(|types| types[private]).sum()
    }
}

/// The scheduler's state of a machine.
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
    /// Whether `task_numa_migrate()` weighs a candidate by the distance of the previous candidate,
    /// as Linux 7.3 does.
    pub distance_of_previous: bool,
}

impl Kernel {
    /// Models `task_node()`.
    pub fn node_of(&self, task: usize) -> usize {
        self.cpus[self.tasks[task].cpu].node
    }

    /// Returns the group of a task.
    pub fn group_of(&self, task: usize) -> Option<&Group> {
        self.tasks[task].group.map(|group| &self.groups[group])
    }

    /// Models `idle_cpu()`.
    pub fn is_idle(&self, cpu: usize) -> bool {
        self.cpus[cpu].running == 0
    }
}
