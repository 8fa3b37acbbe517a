// SPDX-License-Identifier: GPL-2.0

//! Simulates a machine: run queues, memory, and the scheduler's load balancer.

use fastrand::Rng;

use crate::kernel::{adjust_numa_imbalance, Cpu, Group, Kernel, Nodes, Task};
use crate::workload::{Region, Scenario};

/// The state of a simulated task that the kernel does not know.
#[derive(Clone, Debug, Default)]
pub struct Life {
    /// Whether it has started and not exited.
    pub is_alive: bool,
    /// How long it has run, in milliseconds.
    pub runtime: f64,
    /// How long it had run when its last scan window closed.
    pub scanned: f64,
    /// The time when its last scan window closed, in milliseconds.
    pub scanned_at: u64,
    /// The time when it was last moved to another node, in milliseconds.
    pub moved_at: Option<u64>,
}

/// A machine.
#[derive(Debug)]
pub struct Machine {
    /// The workload and the hardware.
    pub scenario: Scenario,
    /// The state of its scheduler.
    pub kernel: Kernel,
    /// The runnable tasks of each CPU.
    pub queues: Vec<Vec<usize>>,
    /// The further state of each task.
    pub lives: Vec<Life>,
    /// Its memory.
    pub regions: Vec<Region>,
    /// The task that accessed each region last, and its CPU.
    pub last: Vec<Option<(usize, usize)>>,
    /// The pages that are in use on each node.
    pub used: Vec<i64>,
    /// The time, in milliseconds.
    pub now: u64,
    /// How often a task was moved to another node.
    pub moves: u64,
    /// How many pages were moved to another node.
    pub pages_moved: i64,
    /// The generator of random numbers.
    pub rng: Rng,
    /// The number of steps in which the load balancer could not move any task.
    failures: u32,
}

impl Machine {
    /// Returns the machine of a scenario, before any task starts.
    pub fn new(scenario: Scenario, seed: u64) -> Self {
        let count = scenario.nodes();
        let mut cpus = Vec::new();
        let mut of_node = Vec::new();
        for (node, &number) in scenario.cpus.iter().enumerate() {
            of_node.push((cpus.len()..cpus.len() + number).collect());
            cpus.extend((0..number).map(|_| Cpu {
                node,
                ..Cpu::default()
            }));
        }
        let has_memory = scenario.memory.iter().map(|&pages| pages > 0).collect();
        let most = scenario.cpus.iter().max().copied().unwrap_or(1);
        let node_of = |node: usize| -> usize {
            let all: &Vec<usize> = &of_node[node];
            all.first().copied().unwrap_or(0)
        };
        let mut kernel = Kernel {
            tasks: Vec::new(),
            groups: Vec::new(),
            imbalance_pct: 117,
            imb_numa_nr: (most as i64 / 8).max(1),
            distance_of_previous: true,
            nodes: Nodes::new(scenario.distances.clone(), of_node.clone(), has_memory),
            cpus,
        };
        for job in &scenario.jobs {
            let mut task = Task::new(count, node_of(job.node));
            task.rss = job
                .accesses
                .iter()
                .map(|&(region, _)| scenario.regions[region].size())
                .sum();
            if !job.allowed.is_empty() {
                let allows = |cpu: &Cpu| job.allowed.contains(&cpu.node);
                task.allowed = kernel.cpus.iter().map(allows).collect();
            }
            kernel.tasks.push(task);
        }
        let mut used = vec![0; count];
        for region in &scenario.regions {
            for (node, pages) in region.pages.iter().enumerate() {
                used[node] += pages;
            }
        }
        Self {
            queues: vec![Vec::new(); kernel.cpus.len()],
            lives: vec![Life::default(); scenario.jobs.len()],
            regions: scenario.regions.clone(),
            last: vec![None; scenario.regions.len()],
            used,
            now: 0,
            moves: 0,
            pages_moved: 0,
            rng: Rng::with_seed(seed),
            failures: 0,
            kernel,
            scenario,
        }
    }

    /// Returns the tasks that are alive.
    pub fn alive(&self) -> Vec<usize> {
        (0..self.lives.len())
            .filter(|&task| self.lives[task].is_alive)
            .collect()
    }

    /// Returns the node where a task runs.
    pub fn node_of(&self, task: usize) -> usize {
        self.kernel.node_of(task)
    }

    /// Returns the part of a CPU that a task gets.
    pub fn share(&self, task: usize) -> f64 {
        1.0 / self.queues[self.kernel.tasks[task].cpu].len().max(1) as f64
    }

    /// Returns how many tasks are runnable on a node.
    pub fn running(&self, node: usize) -> usize {
        self.kernel.nodes.cpus[node]
            .iter()
            .map(|&cpu| self.queues[cpu].len())
            .sum()
    }

    /// Returns the CPU of a node with the fewest tasks.
    pub fn idlest_cpu(&self, node: usize) -> Option<usize> {
        let cpus = self.kernel.nodes.cpus[node].iter().copied();
        cpus.min_by_key(|&cpu| self.queues[cpu].len())
    }

    /// Starts and ends tasks, and begins new phases, as scheduled.
    pub fn come_and_go(&mut self, step: u64) {
        for task in 0..self.lives.len() {
            let job = self.scenario.jobs[task].clone();
            if !self.lives[task].is_alive && self.now >= job.starts && self.now < job.exits {
                self.lives[task].is_alive = true;
                self.lives[task].scanned_at = self.now;
                // Start the task on its node if this has an idle CPU, as fork() does on the node of
                // the parent.
                let nodes = &self.kernel.nodes;
                let node = nodes.nearest_with_cpus(job.node);
                let idle = |node: usize| self.running(node) < nodes.cpus[node].len();
                let node = match idle(node) {
                    true => node,
                    false => nodes
                        .with_cpus()
                        .filter(|&node| job.allowed.is_empty() || job.allowed.contains(&node))
                        .min_by_key(|&node| self.running(node) * 1000 / nodes.cpus[node].len())
                        .unwrap_or(node),
                };
                let cpu = self.idlest_cpu(node).expect("a node with CPUs");
                self.kernel.tasks[task].cpu = cpu;
                self.queues[cpu].push(task);
                self.sync(cpu);
            }
            if self.lives[task].is_alive && self.now >= job.exits {
                self.exit(task);
            }
            let phase = (self.now - job.starts.min(self.now)).checked_rem(job.phase);
            if self.lives[task].is_alive
                && phase.is_some_and(|rest| rest < step)
                && self.now > job.starts
            {
                self.refill(task);
            }
        }
    }

    /// Places the first region of a task on another node, as if a task there had filled it.
    fn refill(&mut self, task: usize) {
        let here = self.node_of(task);
        let others: Vec<_> = (0..self.scenario.nodes())
            .filter(|&node| node != here)
            .collect();
        let node = others[self.rng.usize(..others.len())];
        let number = self.scenario.jobs[task].accesses[0].0;
        let region = &mut self.regions[number];
        let pages = region.size();
        for (node, pages) in region.pages.iter_mut().enumerate() {
            self.used[node] -= *pages;
            *pages = 0;
        }
        region.pages[node] = pages;
        self.used[node] += pages;
        self.last[number] = None;
    }

    /// Models Models `task_numa_free()`, and removes the task from its run queue.
    fn exit(&mut self, task: usize) {
        self.lives[task].is_alive = false;
        let cpu = self.kernel.tasks[task].cpu;
        self.queues[cpu].retain(|&other| other != task);
        self.sync(cpu);
        let nodes = self.scenario.nodes();
        if let Some(number) = self.kernel.tasks[task].group {
            let (group, task) = (&mut self.kernel.groups[number], &self.kernel.tasks[task]);
            group.tasks -= 1;
            group.total -= task.total;
            for node in 0..nodes {
                for private in 0..2 {
                    group.memory[node][private] -= task.memory[node][private];
                    group.by_cpu[node][private] -= task.by_cpu[node][private];
                }
            }
        }
        self.kernel.tasks[task].group = None;
        for &(region, _) in &self.scenario.jobs[task].accesses {
            let users = self.scenario.users(region);
            if users.into_iter().any(|user| self.lives[user].is_alive) {
                continue;
            }
            for (node, pages) in self.regions[region].pages.iter_mut().enumerate() {
                self.used[node] -= *pages;
                *pages = 0;
            }
        }
    }

    /// Adds a task to the group of another task, as `task_numa_group()` does.
    pub fn join(&mut self, task: usize, other: usize) {
        if self.kernel.tasks[task].group.is_some() {
            return;
        }
        let number = match self.kernel.tasks[other].group {
            Some(number) => number,
            None => {
                self.kernel.groups.push(Group::new(self.scenario.nodes()));
                self.kernel.groups.len() - 1
            }
        };
        let (group, task) = (
            &mut self.kernel.groups[number],
            &mut self.kernel.tasks[task],
        );
        task.group = Some(number);
        group.tasks += 1;
        group.total += task.total;
        for node in 0..group.memory.len() {
            for private in 0..2 {
                group.memory[node][private] += task.memory[node][private];
                group.by_cpu[node][private] += task.by_cpu[node][private];
            }
        }
    }

    /// Moves a task to a CPU.
    pub fn move_to(&mut self, task: usize, cpu: usize) {
        let from = self.kernel.tasks[task].cpu;
        if from == cpu {
            return;
        }
        if self.kernel.cpus[from].node != self.kernel.cpus[cpu].node {
            self.moves += 1;
            self.lives[task].moved_at = Some(self.now);
        }
        self.queues[from].retain(|&other| other != task);
        self.queues[cpu].push(task);
        self.kernel.tasks[task].cpu = cpu;
        self.sync(from);
        self.sync(cpu);
    }

    /// Updates the model of a CPU from its run queue.
    pub fn sync(&mut self, cpu: usize) {
        let queue = &self.queues[cpu];
        let rq = &mut self.kernel.cpus[cpu];
        rq.running = queue.len();
        rq.load = 1024 * queue.len() as i64;
        rq.runnable = rq.load;
        rq.util = rq.load.min(1024);
        let turn = (self.now / 100) as usize % queue.len().max(1);
        rq.current = queue.get(turn).copied();
    }

    /// Balances the load within each node, and then moves one task from the busiest to the idlest
    /// node. Tasks on their preferred node are not moved, unless no other task was found for a
    /// while, as in `migrate_degrades_locality()`.
    pub fn balance(&mut self) {
        for node in 0..self.scenario.nodes() {
            let cpus = self.kernel.nodes.cpus[node].clone();
            let busiest = cpus
                .iter()
                .copied()
                .max_by_key(|&cpu| self.queues[cpu].len());
            let (Some(busy), Some(idle)) = (busiest, self.idlest_cpu(node)) else {
                continue;
            };
            if self.queues[busy].len() > self.queues[idle].len() + 1 {
                let task = self.queues[busy][0];
                self.move_to(task, idle);
            }
        }
        let nodes: Vec<_> = self.kernel.nodes.with_cpus().collect();
        let used = |node: &usize| self.running(*node) * 1000 / self.kernel.nodes.cpus[*node].len();
        let (Some(&busy), Some(&idle)) = (
            nodes.iter().max_by_key(|n| used(n)),
            nodes.iter().min_by_key(|n| used(n)),
        ) else {
            return;
        };
        let (source, target) = (self.running(busy) as i64, self.running(idle) as i64);
        let cpus = |node: usize| self.kernel.nodes.cpus[node].len() as i64;
        let is_imbalanced = if target < cpus(idle) {
            let imbalance = (source * cpus(idle) - target * cpus(busy)) / cpus(idle).max(1);
            adjust_numa_imbalance(imbalance, target, self.kernel.imb_numa_nr) > 1
        } else {
            source * cpus(idle) * 100 > target * cpus(busy) * 117
        };
        if !is_imbalanced {
            self.failures = 0;
            return;
        }
        let cpu = self.idlest_cpu(idle).expect("the idlest node has CPUs");
        let on_node = self.kernel.nodes.cpus[busy].iter();
        let candidates: Vec<_> = on_node
            .flat_map(|&cpu| self.queues[cpu].iter().copied())
            .filter(|&task| self.kernel.tasks[task].may_run(cpu))
            .collect();
        let is_free = |task: &&usize| self.kernel.tasks[**task].preferred != Some(busy);
        let free = candidates.iter().find(is_free).copied();
        let choice = match free {
            None if self.failures < 3 => None,
            None => candidates.first().copied(),
            some => some,
        };
        match choice {
            Some(task) => {
                self.failures = 0;
                self.move_to(task, cpu);
            }
            None => self.failures += 1,
        }
    }

    /// Returns the part of a task's accesses that is local, and their mean distance.
    pub fn locality(&self, task: usize) -> (f64, f64) {
        let node = self.node_of(task);
        let (mut local, mut distance) = (0.0, 0.0);
        for &(region, weight) in &self.scenario.jobs[task].accesses {
            let region = &self.regions[region];
            let size = region.size().max(1) as f64;
            for (to, &pages) in region.pages.iter().enumerate() {
                let part = weight * pages as f64 / size;
                distance += part * f64::from(self.kernel.nodes.distance(node, to));
                if to == node {
                    local += part;
                }
            }
        }
        (local, distance)
    }
}
