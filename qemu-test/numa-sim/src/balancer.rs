// SPDX-License-Identifier: GPL-2.0

//! Implements the balancing of a simulated machine: hinting faults, and decisions about tasks and
//! pages.

use tackle_core::numa::policy::{
    page, scan_period, window, Action, Page, Params, Scan, ScanDecision, Verdict,
};

use crate::machine::Machine;
use crate::planner::Planner;

/// The time between two plans of our policy for the whole machine, in milliseconds.
const PLAN_MS: u64 = 1000;

/// The balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balancer {
    /// No balancing: `numa_balancing=0`.
    None,
    /// The kernel's rules.
    Kernel,
    /// Our policy.
    Ours,
}

impl Balancer {
    /// All balancers.
    pub const ALL: [Self; 3] = [Self::None, Self::Kernel, Self::Ours];

    /// Returns the name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Kernel => "kernel",
            Self::Ours => "ours",
        }
    }
}

/// The number of parts into which the pages of a shared region on a node are divided. Each part has
/// a random last user.
const CHUNKS: i64 = 4;

/// The state of a balancer.
#[derive(Debug)]
pub struct Work {
    who: Balancer,
    planner: Planner,
}

impl Work {
    /// Returns the initial state of a balancer.
    pub fn new(who: Balancer) -> Self {
        Self {
            who,
            planner: Planner::default(),
        }
    }

    /// Balances the machine for one step of the simulation.
    pub fn step(&mut self, machine: &mut Machine, step: u64) {
        if self.who == Balancer::None {
            return;
        }
        for task in machine.alive() {
            let life = &machine.lives[task];
            let pass = machine.kernel.tasks[task].period * machine.kernel.scan_windows(task);
            if life.runtime - life.scanned >= pass as f64 {
                self.close_window(machine, task);
            }
            // The kernel retries this while there are faults (numa_migrate_retry).
            if self.who == Balancer::Kernel && machine.now % 1000 < step {
                kernel_migrate(machine, task);
            }
        }
        if self.who == Balancer::Ours && machine.now % PLAN_MS < step {
            let (decisions, _) = self.planner.decide(machine);
            for (task, action) in decisions {
                carry_out(machine, task, action, &self.planner.tasks);
            }
        }
    }

    /// Ends a scan window of a task, in which all its memory has had a fault.
    fn close_window(&mut self, machine: &mut Machine, task: usize) {
        let params = Params::DEFAULT;
        let is_unmovable = {
            let accesses = &machine.scenario.jobs[task].accesses;
            accesses
                .iter()
                .all(|&(region, _)| !machine.regions[region].is_movable)
        };
        let (before, period) = (
            machine.lives[task].clone(),
            machine.kernel.tasks[task].period,
        );
        let mut scan = Scan {
            runtime_ms: before.runtime as u32,
            period_ms: period as u32,
            min_ms: machine.kernel.scan_min(task) as u32,
            is_unmovable,
            ..Scan::default()
        };
        machine.lives[task].scanned = before.runtime;
        machine.lives[task].scanned_at = machine.now;
        if self.who == Balancer::Ours && scan_period(&params, &scan) == ScanDecision::Skip {
            return;
        }
        self.fault_all(machine, task);
        let faults = &machine.kernel.tasks[task];
        let [remote, local, failed] = faults.locality;
        let of_type = |kind: usize| {
            faults
                .memory_now
                .iter()
                .map(|types| types[kind])
                .sum::<i64>()
        };
        scan.local = local as u64;
        scan.remote = remote as u64;
        scan.failed = failed as u64;
        scan.shared = of_type(0) as u64;
        scan.private = of_type(1) as u64;
        let preferred = machine.kernel.tasks[task].preferred;
        let ran = ((before.runtime - before.scanned) * 1e6) as i64;
        let elapsed = ((machine.now - before.scanned_at) as i64 * 1_000_000).max(ran);
        machine.kernel.placement(task, ran, elapsed);
        match self.who {
            Balancer::Kernel => kernel_migrate(machine, task),
            _ => {
                scan.period_ms = machine.kernel.tasks[task].period as u32;
                if let ScanDecision::Period(period) = scan_period(&params, &scan) {
                    machine.kernel.tasks[task].period = period.into();
                }
                let planned = preferred;
                let choice = self
                    .planner
                    .with_task(machine, task, |snapshot| window(snapshot, planned));
                let choice = choice.map(|choice| choice.node);
                machine.kernel.tasks[task].preferred = choice.or(preferred);
            }
        }
    }

    /// Handles a fault of the task on each page of its movable regions.
    fn fault_all(&self, machine: &mut Machine, task: usize) {
        for index in 0..machine.scenario.jobs[task].accesses.len() {
            let number = machine.scenario.jobs[task].accesses[index].0;
            if !machine.regions[number].is_movable {
                continue;
            }
            let users: Vec<_> = machine
                .scenario
                .users(number)
                .filter(|&user| machine.lives[user].is_alive)
                .collect();
            if users.len() > 1 {
                let other = users.iter().copied().find(|&user| user != task);
                machine.join(task, other.unwrap_or(task));
            }
            let cpu = machine.kernel.tasks[task].cpu;
            let before = machine.regions[number].pages.clone();
            for (source, pages) in before.into_iter().enumerate() {
                let part = pages / users.len().max(1) as i64;
                if users.len() < 2 {
                    let last = machine.last[number];
                    self.fault(machine, task, number, source, part, last);
                    continue;
                }
                for _ in 0..CHUNKS {
                    let last = users[machine.rng.usize(..users.len())];
                    let last = (last, machine.kernel.tasks[last].cpu);
                    self.fault(machine, task, number, source, part / CHUNKS, Some(last));
                }
            }
            machine.last[number] = Some((task, cpu));
        }
    }

    /// Handles faults of the task on pages of a region. Models `do_numa_page()` and
    /// `task_numa_fault()`.
    fn fault(
        &self,
        machine: &mut Machine,
        task: usize,
        number: usize,
        source: usize,
        pages: i64,
        last: Option<(usize, usize)>,
    ) {
        if pages == 0 {
            return;
        }
        let cpu = machine.kernel.tasks[task].cpu;
        let target = machine.kernel.cpus[cpu].node;
        let is_private = last.is_none_or(|(other, _)| other == task);
        let is_full = machine.used[target] + pages > machine.scenario.memory[target];
        let mut node = source;
        if source != target && !is_full && self.migrates(machine, task, source, last) {
            machine.regions[number].pages[source] -= pages;
            machine.regions[number].pages[target] += pages;
            machine.used[source] -= pages;
            machine.used[target] += pages;
            machine.pages_moved += pages;
            node = target;
        }
        let mut is_local = source == target;
        if let Some(group) = machine.kernel.tasks[task]
            .group
            .filter(|_| !is_private && !is_local)
        {
            is_local = machine.kernel.groups[group].active_nodes > 1
                && machine.kernel.is_active_node(target, group)
                && machine.kernel.is_active_node(node, group);
        }
        let faults = &mut machine.kernel.tasks[task];
        faults.memory_now[node][usize::from(is_private)] += pages;
        faults.by_cpu_now[target][usize::from(is_private)] += pages;
        faults.locality[usize::from(is_local)] += pages;
    }

    /// Returns whether a page moves to the task's node.
    fn migrates(
        &self,
        machine: &Machine,
        task: usize,
        source: usize,
        last: Option<(usize, usize)>,
    ) -> bool {
        let cpu = machine.kernel.tasks[task].cpu;
        let kernel = machine.kernel.should_migrate(task, source, cpu, last);
        if self.who == Balancer::Kernel {
            return kernel;
        }
        let home = machine.kernel.tasks[task].preferred;
        let verdict = page(&Page {
            target: machine.kernel.cpus[cpu].node,
            home,
            is_private: last.is_none_or(|(other, _)| other == task),
            is_target_full: false,
        });
        match verdict {
            Verdict::Allow => true,
            Verdict::Deny => false,
            Verdict::Defer => kernel,
        }
    }
}

/// Models `numa_migrate_preferred()`.
fn kernel_migrate(machine: &mut Machine, task: usize) {
    let preferred = machine.kernel.tasks[task].preferred;
    if preferred.is_none() || preferred == Some(machine.node_of(task)) {
        return;
    }
    for cpu in 0..machine.queues.len() {
        machine.sync(cpu);
    }
    let source = machine.kernel.tasks[task].cpu;
    if let Some(migration) = machine.kernel.migrate(task) {
        machine.move_to(task, migration.cpu);
        if let Some(other) = migration.swapped {
            machine.move_to(other, source);
        }
    }
}

/// Executes a decision of our policy. `tasks` are the tasks of the snapshot.
fn carry_out(machine: &mut Machine, task: usize, action: Action, tasks: &[usize]) {
    let task = tasks[task];
    match action {
        Action::Prefer(node) => machine.kernel.tasks[task].preferred = Some(node),
        Action::Move(node) => {
            machine.kernel.tasks[task].preferred = Some(node);
            if let Some(cpu) = machine.idlest_cpu(node) {
                machine.move_to(task, cpu);
            }
        }
        Action::Swap(other) => {
            let other = tasks[other];
            let (one, two) = (
                machine.kernel.tasks[task].cpu,
                machine.kernel.tasks[other].cpu,
            );
            machine.move_to(task, two);
            machine.move_to(other, one);
            machine.kernel.tasks[task].preferred = Some(machine.node_of(task));
            machine.kernel.tasks[other].preferred = Some(machine.node_of(other));
        }
        Action::Spread(_) | Action::Stay => {}
    }
}
