// SPDX-License-Identifier: GPL-2.0

//! Models where a task that is not on its preferred node moves: `task_numa_migrate()`,
//! `task_numa_find_cpu()` and `task_numa_compare()`.

use tackle_core::numa::policy::Kind;

use super::state::Kernel;

/// `SMALLIMP`.
const SMALLIMP: i64 = 30;
/// `NUMA_IMBALANCE_MIN`.
const NUMA_IMBALANCE_MIN: i64 = 2;
/// The capacity of a CPU.
const CAPACITY: i64 = 1024;

/// `enum numa_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NodeType {
    HasSpare,
    FullyBusy,
    Overloaded,
}

/// `struct numa_stats`.
#[derive(Clone, Copy, Debug)]
struct Stats {
    load: i64,
    capacity: i64,
    running: i64,
    kind: NodeType,
    idle: Option<usize>,
}

/// The result of `task_numa_migrate()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// The CPU to which the task moves.
    pub cpu: usize,
    /// The task that moves to the CPU of the first task in exchange.
    pub swapped: Option<usize>,
}

/// `struct task_numa_env`.
struct Env {
    p: usize,
    source_cpu: usize,
    source: usize,
    target_cpu: usize,
    target: usize,
    distance: u8,
    source_stats: Stats,
    target_stats: Stats,
    best_task: Option<usize>,
    best_gain: i64,
    best_cpu: Option<usize>,
    /// The CPUs with `numa_migrate_on` set: the best CPU so far.
    reserved: Vec<bool>,
}

/// Models `adjust_numa_imbalance()`.
pub fn adjust_numa_imbalance(imbalance: i64, running: i64, imb_numa_nr: i64) -> i64 {
    match running <= imb_numa_nr && imbalance <= NUMA_IMBALANCE_MIN {
        true => 0,
        false => imbalance,
    }
}

impl Kernel {
    /// Models `task_numa_migrate()`. Sets the preferred node of a task in a group, and returns
    /// where the task should move. Does not move the task.
    pub fn migrate(&mut self, p: usize) -> Option<Migration> {
        let source_cpu = self.tasks[p].cpu;
        let source = self.cpus[source_cpu].node;
        let preferred = self.tasks[p].preferred?;
        let mut distance = self.nodes.distance(source, preferred);
        let mut task_weight = self.task_weight(p, source, distance);
        let mut group_weight = self.group_weight(p, source, distance);
        let mut env = Env {
            p,
            source_cpu,
            source,
            target_cpu: source_cpu,
            target: preferred,
            distance,
            source_stats: self.stats(p, source, false, &[]),
            target_stats: self.stats(p, preferred, true, &[]),
            best_task: None,
            best_gain: 0,
            best_cpu: None,
            reserved: vec![false; self.cpus.len()],
        };
        let task_gain = self.task_weight(p, preferred, distance) - task_weight;
        let group_gain = self.group_weight(p, preferred, distance) - group_weight;
        self.find_cpu(&mut env, task_gain, group_gain);

        let is_spread = self.group_of(p).is_some_and(|group| group.active_nodes > 1);
        if env.best_cpu.is_none() || is_spread {
            for node in self.nodes.with_cpus().collect::<Vec<_>>() {
                if node == source || node == preferred {
                    continue;
                }
                let of = if self.distance_of_previous {
                    env.target
                } else {
                    node
                };
                distance = self.nodes.distance(source, of);
                if self.nodes.kind == Kind::Backplane && distance != env.distance {
                    task_weight = self.task_weight(p, source, distance);
                    group_weight = self.group_weight(p, source, distance);
                }
                let task_gain = self.task_weight(p, node, distance) - task_weight;
                let group_gain = self.group_weight(p, node, distance) - group_weight;
                if task_gain < 0 && group_gain < 0 {
                    continue;
                }
                env.distance = distance;
                env.target = node;
                env.target_stats = self.stats(p, node, true, &env.reserved);
                self.find_cpu(&mut env, task_gain, group_gain);
            }
        }
        if self.tasks[p].group.is_some() {
            let node = env.best_cpu.map_or(source, |cpu| self.cpus[cpu].node);
            self.tasks[p].preferred = Some(node);
        }
        let swapped = env.best_task;
        env.best_cpu.map(|cpu| Migration { cpu, swapped })
    }

    /// Models `update_numa_stats()`.
    fn stats(&self, p: usize, node: usize, find_idle: bool, reserved: &[bool]) -> Stats {
        let (mut load, mut runnable, mut util, mut running, mut capacity) = (0, 0, 0, 0, 0);
        let mut idle = None;
        for &cpu in &self.nodes.cpus[node] {
            let rq = &self.cpus[cpu];
            load += rq.load;
            runnable += rq.runnable;
            util += rq.util;
            running += rq.running as i64;
            capacity += CAPACITY;
            let is_reserved = reserved.get(cpu).copied().unwrap_or(false);
            if find_idle
                && idle.is_none()
                && self.is_idle(cpu)
                && !is_reserved
                && self.tasks[p].may_run(cpu)
            {
                idle = Some(cpu);
            }
        }
        let weight = self.nodes.cpus[node].len() as i64;
        let pct = 100 + (self.imbalance_pct - 100) / 2;
        let kind = if running > weight
            && (capacity * 100 < util * pct || capacity * pct < runnable * 100)
        {
            NodeType::Overloaded
        } else if running < weight
            || (capacity * 100 > util * pct && capacity * pct > runnable * 100)
        {
            NodeType::HasSpare
        } else {
            NodeType::FullyBusy
        };
        Stats {
            load,
            capacity,
            running,
            kind,
            idle,
        }
    }

    /// Models `task_numa_find_cpu()`.
    fn find_cpu(&self, env: &mut Env, task_gain: i64, group_gain: i64) {
        let mut may_move = false;
        if env.target_stats.kind == NodeType::HasSpare {
            let source_running = env.source_stats.running - 1;
            let target_running = env.target_stats.running + 1;
            let imbalance = (target_running - source_running).max(0);
            if adjust_numa_imbalance(imbalance, target_running, self.imb_numa_nr) == 0 {
                may_move = true;
                if let Some(cpu) = env.target_stats.idle {
                    env.target_cpu = cpu;
                    self.assign(env, None, 0);
                    return;
                }
            }
        } else {
            let load = self.tasks[env.p].load;
            may_move = !is_too_imbalanced(env, load);
        }
        for index in 0..self.nodes.cpus[env.target].len() {
            let cpu = self.nodes.cpus[env.target][index];
            if !self.tasks[env.p].may_run(cpu) {
                continue;
            }
            env.target_cpu = cpu;
            if self.compare(env, task_gain, group_gain, may_move) {
                break;
            }
        }
    }

    /// Models `task_numa_compare()`. Returns whether the search ends.
    fn compare(&self, env: &mut Env, task_gain: i64, group_gain: i64, may_move: bool) -> bool {
        let p_group = self.tasks[env.p].group;
        let mut gain = if p_group.is_some() {
            group_gain
        } else {
            task_gain
        };
        let move_gain = gain;
        let distance = env.distance;
        if env.reserved[env.target_cpu] {
            return false;
        }
        let Some(current) = self.cpus[env.target_cpu].current else {
            if may_move && move_gain >= env.best_gain {
                return self.assign_and_stop(env, None, gain, may_move);
            }
            return false;
        };
        if current == env.p {
            return true;
        }
        let other = &self.tasks[current];
        let prefers_source = |task: usize| self.tasks[task].preferred == Some(env.source);
        if !other.may_run(env.source_cpu) {
            return false;
        }
        if env.best_task.is_some_and(prefers_source) && !prefers_source(current) {
            return false;
        }
        let task_diff = self.task_weight(current, env.source, distance)
            - self.task_weight(current, env.target, distance);
        if other.group == p_group {
            if env.target_stats.kind == NodeType::HasSpare {
                return false;
            }
            gain = task_gain + task_diff;
            if other.group.is_some() {
                gain -= gain / 16;
            }
        } else if other.group.is_some() && p_group.is_some() {
            gain += self.group_weight(current, env.source, distance)
                - self.group_weight(current, env.target, distance);
        } else {
            gain += task_diff;
        }
        if other.preferred == Some(env.target) {
            gain -= gain / 16;
        }
        if prefers_source(current) {
            gain += gain / 8;
        }
        if may_move && move_gain > gain && move_gain > env.best_gain {
            return self.assign_and_stop(env, None, move_gain, may_move);
        }
        let is_preferred =
            prefers_source(current) && env.best_task.is_some_and(|best| !prefers_source(best));
        if !is_preferred {
            if gain < SMALLIMP || gain <= env.best_gain + SMALLIMP / 2 {
                return false;
            }
            let load = self.tasks[env.p].load - other.load;
            if load != 0 && is_too_imbalanced(env, load) {
                return false;
            }
        }
        self.assign_and_stop(env, Some(current), gain, may_move)
    }

    /// Models the end of `task_numa_compare()`.
    fn assign_and_stop(
        &self,
        env: &mut Env,
        current: Option<usize>,
        gain: i64,
        may_move: bool,
    ) -> bool {
        if current.is_none() {
            let mut cpu = env.target_stats.idle.unwrap_or(env.target_cpu);
            if let Some(best) = env.best_cpu {
                if !self.is_idle(cpu) && self.is_idle(best) {
                    cpu = best;
                }
            }
            env.target_cpu = cpu;
        }
        self.assign(env, current, gain);
        let found_idle = env.best_cpu.is_some_and(|cpu| self.is_idle(cpu));
        let best_comes_home = env
            .best_task
            .is_some_and(|task| self.tasks[task].preferred == Some(env.source));
        (may_move && current.is_none() && found_idle) || (!may_move && best_comes_home)
    }

    /// Models `task_numa_assign()`.
    fn assign(&self, env: &mut Env, task: Option<usize>, gain: i64) {
        let cpu = env.target_cpu;
        if env.best_cpu != Some(cpu) && env.reserved[cpu] {
            let cpus = &self.nodes.cpus[env.target];
            let start = cpus.iter().position(|&other| other > cpu).unwrap_or(0);
            let found = (0..cpus.len())
                .map(|turn| cpus[(start + turn) % cpus.len()])
                .find(|&other| {
                    env.best_cpu != Some(other)
                        && self.is_idle(other)
                        && self.tasks[env.p].may_run(other)
                        && !env.reserved[other]
                });
            match found {
                Some(other) => env.target_cpu = other,
                None => return,
            }
        }
        if let Some(best) = env.best_cpu {
            env.reserved[best] = false;
        }
        env.reserved[env.target_cpu] = true;
        env.best_task = task;
        env.best_gain = gain;
        env.best_cpu = Some(env.target_cpu);
    }
}

/// Models `load_too_imbalanced()` for moving `load` from the source to the target.
fn is_too_imbalanced(env: &Env, load: i64) -> bool {
    let (source, target) = (&env.source_stats, &env.target_stats);
    let imbalance = |source_load: i64, target_load: i64| {
        (target_load * source.capacity - source_load * target.capacity).abs()
    };
    imbalance(source.load - load, target.load + load) > imbalance(source.load, target.load)
}
