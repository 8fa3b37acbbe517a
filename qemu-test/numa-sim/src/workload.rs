// SPDX-License-Identifier: GPL-2.0

//! Defines the workload of a simulated machine: tasks, and the memory that they access.

/// Pages of 4 KiB in a MiB.
pub const MB: i64 = 256;

/// Memory whose pages are accessed with the same frequency.
#[derive(Clone, Debug)]
pub struct Region {
    /// The number of pages on each node.
    pub pages: Vec<i64>,
    /// Whether pages can move. Pages that cannot move (hugetlb, `mbind()`) have no hinting faults.
    pub is_movable: bool,
}

impl Region {
    /// Returns memory on one node.
    pub fn on(node: usize, nodes: usize, pages: i64) -> Self {
        let mut region = Self {
            pages: vec![0; nodes],
            is_movable: true,
        };
        region.pages[node] = pages;
        region
    }

    /// Returns memory that is spread evenly over nodes.
    pub fn over(on: &[usize], nodes: usize, pages: i64) -> Self {
        let mut region = Self::on(0, nodes, 0);
        for &node in on {
            region.pages[node] += pages / on.len() as i64;
        }
        region
    }

    /// Makes the memory unmovable.
    pub fn unmovable(self) -> Self {
        Self {
            is_movable: false,
            ..self
        }
    }

    /// Returns the number of all pages.
    pub fn size(&self) -> i64 {
        self.pages.iter().sum()
    }
}

/// A task: its accesses, its start and its end.
#[derive(Clone, Debug)]
pub struct Job {
    /// The regions that it accesses, each with its part of the accesses.
    pub accesses: Vec<(usize, f64)>,
    /// The node where it starts.
    pub node: usize,
    /// The nodes on which it may run. If it is empty, all nodes are allowed.
    pub allowed: Vec<usize>,
    /// When it starts, in milliseconds.
    pub starts: u64,
    /// When it exits, in milliseconds.
    pub exits: u64,
    /// The time in milliseconds after which its first region is moved to another node, as if a task
    /// there had filled it; 0 for never.
    pub phase: u64,
}

impl Job {
    /// Returns a task that always accesses one region.
    pub fn new(node: usize, region: usize) -> Self {
        Self {
            accesses: vec![(region, 1.0)],
            node,
            allowed: Vec::new(),
            starts: 0,
            exits: u64::MAX,
            phase: 0,
        }
    }
}

/// A machine and its workload.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The distances of the nodes.
    pub distances: Vec<u8>,
    /// The CPUs of each node.
    pub cpus: Vec<usize>,
    /// The pages of each node.
    pub memory: Vec<i64>,
    /// The memory of the tasks.
    pub regions: Vec<Region>,
    /// The tasks.
    pub jobs: Vec<Job>,
    /// The simulated time, in seconds.
    pub seconds: u64,
}

impl Scenario {
    /// Returns a machine without tasks.
    pub fn new(distances: Vec<u8>, cpus: Vec<usize>) -> Self {
        Self {
            distances,
            memory: vec![64 * 1024 * MB; cpus.len()],
            cpus,
            regions: Vec::new(),
            jobs: Vec::new(),
            seconds: 60,
        }
    }

    /// Returns the number of nodes.
    pub fn nodes(&self) -> usize {
        self.cpus.len()
    }

    /// Adds a region and returns its number.
    pub fn region(&mut self, region: Region) -> usize {
        self.regions.push(region);
        self.regions.len() - 1
    }

    /// Returns the largest possible part of local accesses, if each node had room for all tasks.
    /// Movable memory follows its tasks. A process that is larger than a node is spread. Each task
    /// runs on the node with the greatest part of its unmovable memory.
    pub fn bound(&self) -> f64 {
        let most_cpus = self.cpus.iter().copied().max().unwrap_or(1).max(1);
        let best = |job: &Job| {
            let movable = job
                .accesses
                .iter()
                .filter(|(region, _)| self.regions[*region].is_movable);
            let movable: f64 = movable
                .map(|&(region, weight)| {
                    weight / self.users(region).count().div_ceil(most_cpus) as f64
                })
                .sum();
            let fixed = |node: usize| -> f64 {
                let fixed = job
                    .accesses
                    .iter()
                    .filter(|(region, _)| !self.regions[*region].is_movable);
                fixed
                    .map(|&(region, weight)| {
                        let region = &self.regions[region];
                        weight * region.pages[node] as f64 / region.size().max(1) as f64
                    })
                    .sum()
            };
            let nodes = (0..self.nodes()).filter(|&node| self.cpus[node] > 0);
            movable + nodes.map(fixed).fold(0.0, f64::max)
        };
        self.jobs.iter().map(best).sum::<f64>() / self.jobs.len().max(1) as f64
    }

    /// Returns the tasks that access a region.
    pub fn users(&self, region: usize) -> impl Iterator<Item = usize> + '_ {
        let uses = move |job: &Job| job.accesses.iter().any(|&(number, _)| number == region);
        (0..self.jobs.len()).filter(move |&job| uses(&self.jobs[job]))
    }
}
