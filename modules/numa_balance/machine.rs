// SPDX-License-Identifier: GPL-2.0

//! Implements the snapshot of the machine, and allocates the memory for making a plan.

use crate::{
    plan::{find, Entry},
    state::Settings,
    unmovable::Unmovable,
};
use kernel::prelude::*;
use tackle::numa::{self, Task};
use tackle_core::numa::{
    policy::{
        self, Decision, Faults, Group, Node, NodeSet, Params, Planned, Room, Scratch, Snapshot,
        Topology, Vacancy, LOAD_ONE,
    },
    TaskId,
};

/// The memory for making a plan. Its size depends on `max_tasks`.
pub(crate) struct Machine {
    pub(crate) nodes: KVVec<Node>,
    pub(crate) distances: KVVec<u8>,
    pub(crate) tasks: KVVec<policy::Task>,
    /// By the index of the task: its IDs and its name.
    pub(crate) ids: KVVec<TaskId>,
    /// By the index of the task: its entry in the next plan, without a decision at first.
    pub(crate) entries: KVVec<Entry>,
    faults: KVVec<Faults>,
    /// For each task and node: the number of pages that cannot move.
    pub(crate) resident: KVVec<u32>,
    unmovable: Unmovable,
    pub(crate) decisions: KVVec<Decision>,
    /// The number of tasks for which there was no room.
    pub(crate) left_out: usize,
    planned: KVVec<Planned>,
    order: KVVec<u32>,
    list: KVVec<u32>,
    partners: KVVec<u32>,
    homes: KVVec<Option<u32>>,
    groups: KVVec<Group>,
    scores: KVVec<u16>,
    rooms: KVVec<Room>,
    vacancies: KVVec<Vacancy>,
    sums: KVVec<u64>,
    starts: KVVec<u32>,
    edges: KVVec<u32>,
}

/// Makes a vector of `count` default values.
pub(crate) fn filled<T: Clone + Default>(count: usize) -> Result<KVVec<T>> {
    Ok(KVVec::from_elem(T::default(), count, GFP_KERNEL)?)
}

impl Machine {
    pub(crate) fn new(max_tasks: usize) -> Result<Self> {
        let nodes = numa::nodes();
        let mut distances = KVVec::with_capacity(nodes * nodes, GFP_KERNEL)?;
        for from in 0..nodes {
            for to in 0..nodes {
                let distance = numa::distance(from, to).unwrap_or(u32::from(u8::MAX));
                let distance = u8::try_from(distance).unwrap_or(u8::MAX);
                distances.push(distance, GFP_KERNEL)?;
            }
        }
        Ok(Self {
            nodes: filled(nodes)?,
            distances,
            tasks: KVVec::with_capacity(max_tasks, GFP_KERNEL)?,
            ids: KVVec::with_capacity(max_tasks, GFP_KERNEL)?,
            entries: KVVec::with_capacity(max_tasks, GFP_KERNEL)?,
            faults: KVVec::with_capacity(max_tasks * nodes, GFP_KERNEL)?,
            resident: KVVec::with_capacity(max_tasks * nodes, GFP_KERNEL)?,
            unmovable: Unmovable::new(nodes, max_tasks)?,
            decisions: filled(max_tasks)?,
            left_out: 0,
            planned: filled(max_tasks)?,
            order: filled(max_tasks)?,
            list: filled(max_tasks)?,
            partners: filled(max_tasks)?,
            homes: filled(max_tasks)?,
            groups: filled(max_tasks.div_ceil(2))?,
            scores: filled(max_tasks * nodes)?,
            rooms: filled(nodes)?,
            vacancies: filled(nodes)?,
            sums: filled(nodes)?,
            starts: filled(nodes + 1)?,
            edges: filled(nodes * nodes)?,
        })
    }

    /// Reads the nodes, and all tasks that have faults or pages of hugetlbfs. `last` has the
    /// entries of the last plan.
    pub(crate) fn read(&mut self, settings: &Settings, last: &[Entry], now_ms: u64) {
        for (node, entry) in self.nodes.iter_mut().enumerate() {
            *entry = Node {
                cpus: numa::cpus(node),
                load: 0,
                free_pages: numa::free_pages(node),
                total_pages: numa::present_pages(node),
                online: numa::is_online(node),
            };
        }
        self.tasks.clear();
        self.ids.clear();
        self.entries.clear();
        self.faults.clear();
        self.left_out = 0;
        // No memory is allocated in the RCU read section of the walk.
        numa::each_task(|task| self.add(settings, task, last, now_ms));
        self.resident.clear();
        self.unmovable.begin();
        for (entry, id) in self.entries.iter().zip(self.ids.iter()) {
            let pages = match entry.threads {
                0 => None,
                _ => self.unmovable.of(entry, id),
            };
            for node in 0..self.nodes.len() {
                let pages = pages.and_then(|pages| pages.get(node)).copied();
                let share = pages.unwrap_or(0) / u64::from(entry.threads.max(1));
                // The vector has room for all tasks.
                let _ = self
                    .resident
                    .push_within_capacity(u32::try_from(share).unwrap_or(u32::MAX));
            }
        }
    }

    fn add(&mut self, settings: &Settings, task: Task<'_>, last: &[Entry], now_ms: u64) {
        let (node, load) = (task.node(), task.load());
        if let Some(entry) = self.nodes.get_mut(node) {
            entry.load = entry.load.saturating_add(load);
        }
        if !task.has_mm() || task.is_exiting() {
            return;
        }
        let runtime_ms = u32::try_from(task.runtime_ms()).unwrap_or(u32::MAX);
        // Without faults there is nothing to plan for a task that sleeps or is young.
        let is_busy = load > 0 && runtime_ms >= settings.params.runtime_ms;
        if !task.has_faults() && !is_busy {
            return;
        }
        let threads = match settings.sees_hugetlb && task.is_fair() && task.has_hugetlb() {
            true => task.threads(),
            false => 0,
        };
        if !task.has_faults() && threads == 0 {
            return;
        }
        let (id, address) = (task.id(), task.address());
        let before = find(last, address, id.pid);
        let moved_ms = match before {
            Some(Entry {
                node: old, planned, ..
            }) if old != node && planned == Some(node) => now_ms,
            Some(before) => before.moved_ms,
            None => 0,
        };
        let entry = Entry {
            task: address,
            pid: id.pid,
            node,
            planned: None,
            row: self.entries.len(),
            threads,
            moved_ms,
        };
        if self.entries.push_within_capacity(entry).is_err() {
            self.left_out += 1;
            return;
        }
        let count = self.nodes.len();
        let row = policy::Task {
            id: u64::try_from(id.pid).unwrap_or(0),
            group: u32::try_from(task.group()).unwrap_or(0),
            node,
            preferred: task.preferred_node(),
            allowed: allowed(task, count),
            runtime_ms,
            // A task that sleeps now will run again.
            load: load.max(LOAD_ONE / 8),
            size_pages: task.resident_share(),
            moved_ms_ago: entry.moved_ms_ago(now_ms),
        };
        // These vectors have the same capacity as `entries`.
        let _ = self.ids.push_within_capacity(id);
        let _ = self.tasks.push_within_capacity(row);
        for node in 0..count {
            let faults = faults(|private| task.average(node, private));
            let _ = self.faults.push_within_capacity(faults);
        }
    }

    /// Makes a plan from the snapshot: fills `decisions`, and returns the number of decisions.
    pub(crate) fn decide(&mut self, params: Params) -> usize {
        let nodes = &self.nodes;
        let topology = Topology::new(nodes.len(), &self.distances, |node| {
            nodes.get(node).is_some_and(Node::has_cpus)
        });
        let snapshot = Snapshot {
            topology,
            nodes,
            tasks: &self.tasks,
            faults: &self.faults,
            resident: &self.resident,
            params,
        };
        let mut scratch = Scratch {
            planned: &mut self.planned,
            order: &mut self.order,
            list: &mut self.list,
            partners: &mut self.partners,
            homes: &mut self.homes,
            groups: &mut self.groups,
            scores: &mut self.scores,
            rooms: &mut self.rooms,
            vacancies: &mut self.vacancies,
            sums: &mut self.sums,
            starts: &mut self.starts,
            edges: &mut self.edges,
        };
        // This cannot fail, since all slices have room for `max_tasks`.
        policy::decide(&snapshot, &mut scratch, &mut self.decisions).unwrap_or(0)
    }
}

/// Returns the nodes on which a task may run.
pub(crate) fn allowed(task: Task<'_>, nodes: usize) -> NodeSet {
    (0..nodes).filter(|&node| task.can_run_on(node)).collect()
}

/// Returns the faults on a node; `count` returns the private or the shared ones.
pub(crate) fn faults(count: impl Fn(bool) -> u64) -> Faults {
    let [private, shared] = [true, false].map(|private| {
        // A count above 16 TiB of pages is reduced to that, which makes no difference to
        // decisions.
        u32::try_from(count(private)).unwrap_or(u32::MAX)
    });
    Faults { private, shared }
}
