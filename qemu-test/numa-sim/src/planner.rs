// SPDX-License-Identifier: GPL-2.0

//! Calls our policy for a simulated machine.

use std::time::{Duration, Instant};

use fastrand::Rng;
use tackle_core::numa::policy::{
    decide, Action, Decision, Faults, Group, Node, NodeSet, Params, Planned, Room, Scratch,
    Snapshot, Task, Topology, Vacancy, LOAD_ONE, NEVER,
};

use crate::machine::Machine;
use crate::scenario::many;

/// Measures the time of a plan for a machine with random tasks. The same plan is made `rounds`
/// times.
pub fn time_plans(tasks: usize, nodes: usize, rounds: usize) -> Vec<Duration> {
    let mut rng = Rng::with_seed(7);
    let mut machine = Machine::new(many(tasks, nodes, &mut rng), 7);
    machine.come_and_go(1);
    // Give each task a fault on all its memory.
    for task in machine.alive() {
        machine.lives[task].runtime = 3000.0;
        for &(number, _) in &machine.scenario.jobs[task].accesses {
            for (node, &pages) in machine.regions[number].pages.iter().enumerate() {
                machine.kernel.tasks[task].memory[node][1] += pages;
            }
        }
    }
    let mut planner = Planner::default();
    (0..rounds).map(|_| planner.decide(&machine).1).collect()
}

/// The state of our policy.
#[derive(Debug, Default)]
pub struct Planner {
    /// The numbers of the tasks of the last snapshot.
    pub tasks: Vec<usize>,
    nodes: Vec<Node>,
    rows: Vec<Task>,
    faults: Vec<Faults>,
    resident: Vec<u32>,
}

impl Planner {
    /// Returns the actions of the policy: for each task its index in `tasks`, and the action. Also
    /// returns how long the policy took.
    pub fn decide(&mut self, machine: &Machine) -> (Vec<(usize, Action)>, Duration) {
        self.tasks = machine.alive();
        self.fill(machine);
        let (tasks, nodes) = (self.rows.len(), self.nodes.len());
        let mut scratch = Scratch {
            planned: &mut vec![Planned::default(); tasks],
            order: &mut vec![0; tasks],
            list: &mut vec![0; tasks],
            partners: &mut vec![0; tasks],
            homes: &mut vec![None; tasks],
            groups: &mut vec![Group::default(); tasks.div_ceil(2)],
            scores: &mut vec![0; tasks * nodes],
            rooms: &mut vec![Room::default(); nodes],
            vacancies: &mut vec![Vacancy::default(); nodes],
            sums: &mut vec![0; nodes],
            starts: &mut vec![0; nodes + 1],
            edges: &mut vec![0; nodes * nodes],
        };
        let mut out = vec![Decision::EMPTY; tasks];
        let start = Instant::now();
        let count =
            self.with_snapshot(machine, |snapshot| decide(snapshot, &mut scratch, &mut out));
        let time = start.elapsed();
        out.truncate(count.expect("the scratch is long enough"));
        let decisions = out.iter().map(|decision| (decision.task, decision.action));
        (decisions.collect(), time)
    }

    /// Calls `ask` with a snapshot of one task.
    pub fn with_task<T>(
        &mut self,
        machine: &Machine,
        task: usize,
        ask: impl FnOnce(&Snapshot<'_>) -> T,
    ) -> T {
        self.tasks = vec![task];
        self.fill(machine);
        self.with_snapshot(machine, ask)
    }

    fn with_snapshot<T>(&self, machine: &Machine, ask: impl FnOnce(&Snapshot<'_>) -> T) -> T {
        let has_cpus = |node: usize| self.nodes[node].has_cpus();
        ask(&Snapshot {
            topology: Topology::new(self.nodes.len(), &machine.scenario.distances, has_cpus),
            nodes: &self.nodes,
            tasks: &self.rows,
            faults: &self.faults,
            resident: &self.resident,
            params: Params::DEFAULT,
        })
    }

    fn fill(&mut self, machine: &Machine) {
        let count = machine.scenario.nodes();
        self.nodes.clear();
        self.nodes.extend((0..count).map(|node| Node {
            cpus: machine.scenario.cpus[node] as u32,
            load: machine.running(node) as u32 * LOAD_ONE,
            free_pages: (machine.scenario.memory[node] - machine.used[node]).max(0) as u64,
            total_pages: machine.scenario.memory[node] as u64,
            online: true,
        }));
        self.rows.clear();
        self.faults.clear();
        self.resident.clear();
        for &index in &self.tasks {
            let (task, life) = (&machine.kernel.tasks[index], &machine.lives[index]);
            let job = &machine.scenario.jobs[index];
            let allowed = match job.allowed.is_empty() {
                true => NodeSet::ALL,
                false => job.allowed.iter().copied().collect(),
            };
            let users = |region: usize| machine.scenario.users(region).count().max(1) as u64;
            let sizes = job.accesses.iter();
            let sizes =
                sizes.map(|&(region, _)| machine.regions[region].size() as u64 / users(region));
            self.rows.push(Task {
                id: index as u64,
                group: task.group.map_or(0, |group| 1 + group as u32),
                node: machine.node_of(index),
                preferred: task.preferred,
                allowed,
                runtime_ms: life.runtime as u32,
                load: LOAD_ONE,
                size_pages: sizes.sum(),
                moved_ms_ago: life.moved_at.map_or(NEVER, |at| (machine.now - at) as u32),
            });
            self.faults
                .extend(task.memory.iter().map(|&[shared, private]| Faults {
                    private: private.max(0) as u32,
                    shared: shared.max(0) as u32,
                }));
            let mut resident = vec![0; count];
            for &(region, _) in &job.accesses {
                let region = &machine.regions[region];
                for (node, &pages) in region
                    .pages
                    .iter()
                    .enumerate()
                    .filter(|_| !region.is_movable)
                {
                    resident[node] += pages as u32;
                }
            }
            self.resident.extend(resident);
        }
    }
}
