// SPDX-License-Identifier: GPL-2.0

//! A machine with NUMA nodes and tasks, to call the policy with.

#![allow(dead_code)]

use tackle_core::numa::policy::{
    decide, window, Action, Decision, Faults, Group, Node, NodeSet, Params, Planned, Preference,
    Room, Scratch, Snapshot, Task, Topology, Vacancy, LOAD_ONE, NEVER,
};

/// Two pairs of nodes with a backplane between them.
pub const TWO_PAIRS: [u8; 16] = [
    10, 20, 40, 40, //
    20, 10, 40, 40, //
    40, 40, 10, 20, //
    40, 40, 20, 10,
];

/// A ring of four nodes: the kernel calls it a glueless mesh.
pub const MESH: [u8; 16] = [
    10, 20, 30, 20, //
    20, 10, 20, 30, //
    30, 20, 10, 20, //
    20, 30, 20, 10,
];

/// A machine.
#[derive(Clone, Debug)]
pub struct Machine {
    pub distances: Vec<u8>,
    pub nodes: Vec<Node>,
    pub tasks: Vec<Task>,
    pub faults: Vec<Vec<Faults>>,
    pub resident: Vec<Vec<u32>>,
    /// The load of each node by tasks that are not in `tasks`.
    pub others: Vec<u32>,
    pub params: Params,
}

impl Machine {
    /// A machine with these distances and `cpus` CPUs for each node.
    pub fn new(distances: &[u8], nodes: usize, cpus: u32) -> Self {
        let node = Node {
            cpus,
            load: 0,
            free_pages: 1 << 18,
            total_pages: 1 << 20,
            online: true,
        };
        Self {
            distances: distances.to_vec(),
            nodes: vec![node; nodes],
            tasks: Vec::new(),
            faults: Vec::new(),
            resident: Vec::new(),
            others: vec![0; nodes],
            params: Params::DEFAULT,
        }
    }

    /// A machine whose nodes are all connected with each other.
    pub fn full(nodes: usize, cpus: u32) -> Self {
        let distance = |index: usize| match index / nodes == index % nodes {
            true => 10,
            false => 20,
        };
        let distances: Vec<_> = (0..nodes * nodes).map(distance).collect();
        Self::new(&distances, nodes, cpus)
    }

    /// Adds a task that runs on `node` and has private faults, and returns its index.
    pub fn task(&mut self, node: usize, faults: &[(usize, u32)]) -> usize {
        self.tasks.push(Task {
            id: 1 + self.tasks.len() as u64,
            group: 0,
            node,
            preferred: None,
            allowed: NodeSet::ALL,
            runtime_ms: 10_000,
            load: LOAD_ONE,
            size_pages: 1000,
            moved_ms_ago: NEVER,
        });
        let mut row = vec![Faults::default(); self.nodes.len()];
        for &(node, private) in faults {
            row[node].private = private;
        }
        self.faults.push(row);
        self.resident.push(vec![0; self.nodes.len()]);
        self.tasks.len() - 1
    }

    /// Makes the faults of a task shared ones.
    pub fn share(&mut self, task: usize) {
        for faults in &mut self.faults[task] {
            let shared = faults.private + faults.shared;
            *faults = Faults { private: 0, shared };
        }
    }

    /// The load of each node.
    pub fn loads(&self) -> Vec<u32> {
        let mut loads = self.others.clone();
        for task in &self.tasks {
            loads[task.node] += task.load;
        }
        loads
    }

    /// What the policy decides, with a scratch for as many tasks as there are.
    pub fn decide(&self) -> Vec<Decision> {
        self.decide_in(self.tasks.len())
            .expect("the scratch is long enough")
    }

    /// What the policy decides about the first task when its scan window closes.
    pub fn window(&self, planned: Option<usize>) -> Option<Preference> {
        self.with_snapshot(|snapshot| window(snapshot, planned))
    }

    fn with_snapshot<T>(&self, call: impl FnOnce(&Snapshot<'_>) -> T) -> T {
        let mut nodes = self.nodes.clone();
        for (node, load) in nodes.iter_mut().zip(self.loads()) {
            node.load = load;
        }
        let has_cpus = |node: usize| nodes[node].has_cpus();
        call(&Snapshot {
            topology: Topology::new(nodes.len(), &self.distances, has_cpus),
            nodes: &nodes,
            tasks: &self.tasks,
            faults: &self.faults.concat(),
            resident: &self.resident.concat(),
            params: self.params,
        })
    }

    /// What the policy decides, with a scratch for `room` tasks.
    pub fn decide_in(&self, room: usize) -> Option<Vec<Decision>> {
        let count = self.nodes.len();
        let mut scratch = Scratch {
            planned: &mut vec![Planned::default(); room],
            order: &mut vec![0; room],
            list: &mut vec![0; room],
            partners: &mut vec![0; room],
            homes: &mut vec![None; room],
            groups: &mut vec![Group::default(); room.div_ceil(2)],
            scores: &mut vec![0; room * count],
            rooms: &mut vec![Room::default(); count],
            vacancies: &mut vec![Vacancy::default(); count],
            sums: &mut vec![0; count],
            starts: &mut vec![0; count + 1],
            edges: &mut vec![0; count * count],
        };
        let mut out = vec![Decision::EMPTY; self.tasks.len()];
        let written = self.with_snapshot(|snapshot| decide(snapshot, &mut scratch, &mut out))?;
        out.truncate(written);
        Some(out)
    }

    /// Carries out a decision. Returns whether it has changed anything.
    pub fn carry_out(&mut self, decision: &Decision) -> bool {
        let task = decision.task;
        match decision.action {
            Action::Move(node) => {
                self.tasks[task].node = node;
                self.tasks[task].preferred = Some(node);
                true
            }
            Action::Swap(other) => {
                let (one, two) = (self.tasks[task].node, self.tasks[other].node);
                self.tasks[task].node = two;
                self.tasks[task].preferred = Some(two);
                self.tasks[other].node = one;
                self.tasks[other].preferred = Some(one);
                true
            }
            Action::Prefer(node) => {
                self.tasks[task].preferred = Some(node);
                true
            }
            Action::Spread(_) | Action::Stay => false,
        }
    }

    /// Carries out what is decided until nothing changes. Returns the number of rounds; panics if
    /// there are more than `limit`.
    pub fn settle(&mut self, limit: usize) -> usize {
        for round in 0..=limit {
            let mut changed = false;
            for decision in self.decide() {
                changed |= self.carry_out(&decision);
            }
            if !changed {
                return round;
            }
        }
        panic!("there are still decisions after {limit} rounds");
    }
}
