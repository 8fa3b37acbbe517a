// SPDX-License-Identifier: GPL-2.0

//! Models the end of a scan window: `task_numa_placement()` and `update_task_scan_period()`.

use super::state::Kernel;

/// The pages of a scan step. `sysctl_numa_balancing_scan_size` is 256 MB.
const SCAN_PAGES: i64 = 256 << 8;
/// `sysctl_numa_balancing_scan_period_min`, in milliseconds.
const PERIOD_MIN: i64 = 1000;
/// `sysctl_numa_balancing_scan_period_max`, in milliseconds.
const PERIOD_MAX: i64 = 60_000;
/// 1000 / (`MAX_SCAN_WINDOW` / size of a step), in milliseconds.
const FLOOR: i64 = 100;
/// `ACTIVE_NODE_FRACTION`.
const ACTIVE_NODE_FRACTION: i64 = 3;
/// `NUMA_PERIOD_SLOTS`.
const SLOTS: i64 = 10;
/// `NUMA_PERIOD_THRESHOLD`.
const THRESHOLD: i64 = 7;

impl Kernel {
    /// Models `task_scan_min()`.
    pub fn scan_min(&self, task: usize) -> i64 {
        FLOOR.max(PERIOD_MIN / self.scan_windows(task))
    }

    /// Models `task_nr_scan_windows()`.
    pub fn scan_windows(&self, task: usize) -> i64 {
        let rss = self.tasks[task].rss.max(0);
        (rss + SCAN_PAGES - 1).max(SCAN_PAGES) / SCAN_PAGES
    }

    /// Models `task_scan_max()`.
    pub fn scan_max(&self, task: usize) -> i64 {
        let mut longest = PERIOD_MAX / self.scan_windows(task);
        if let Some(group) = self.group_of(task) {
            let (shared, private) = (group.of_type(0), group.of_type(1));
            let period = longest * group.tasks * (shared + 1) / (private + shared + 1);
            longest = longest.max(period);
        }
        longest.max(self.scan_min(task))
    }

    /// Models `task_numa_placement()`. Averages the faults of the window that ends, and sets the
    /// preferred node. The task has run for `runtime` of the `elapsed` nanoseconds since the end of
    /// the previous window.
    pub fn placement(&mut self, task: usize, runtime: i64, elapsed: i64) {
        let longest = self.scan_max(task);
        let p = &mut self.tasks[task];
        p.scans += 1;
        p.period_max = longest;
        let total = p.locality[0] + p.locality[1];
        let (mut most, mut best) = (0, None);
        let mut types = [0; 2];
        let mut group = p.group.map(|group| &mut self.groups[group]);
        for node in 0..self.nodes.count {
            let (mut faults, mut group_faults) = (0, 0);
            for (private, counted) in types.iter_mut().enumerate() {
                let diff = p.memory_now[node][private] - p.memory[node][private] / 2;
                *counted += p.memory_now[node][private];
                p.memory_now[node][private] = 0;
                let weight = (runtime << 16) / (elapsed + 1);
                let weight = weight * p.by_cpu_now[node][private] / (total + 1);
                let diff_cpu = weight - p.by_cpu[node][private] / 2;
                p.by_cpu_now[node][private] = 0;
                p.memory[node][private] += diff;
                p.by_cpu[node][private] += diff_cpu;
                faults += p.memory[node][private];
                p.total += diff;
                if let Some(group) = &mut group {
                    group.memory[node][private] += diff;
                    group.by_cpu[node][private] += diff_cpu;
                    group.total += diff;
                    group_faults += group.memory[node][private];
                }
            }
            let counted = if group.is_some() {
                group_faults
            } else {
                faults
            };
            if counted > most {
                most = counted;
                best = Some(node);
            }
        }
        let mut best = best.map(|node| self.nodes.nearest_with_cpus(node));
        if let Some(group) = p.group {
            self.count_active_nodes(group);
            best = self.preferred_group_nid(task, best);
        }
        if most > 0 {
            self.tasks[task].preferred = best;
        }
        self.update_scan_period(task, types[0], types[1]);
    }

    /// Models `numa_group_count_active_nodes()`.
    fn count_active_nodes(&mut self, group: usize) {
        let group = &mut self.groups[group];
        let faults: Vec<_> = self
            .nodes
            .with_cpus()
            .map(|node| group.faults_cpu(node))
            .collect();
        let most = faults.iter().copied().max().unwrap_or(0).max(0);
        let is_active = |faults: &&i64| **faults * ACTIVE_NODE_FRACTION > most;
        let active = faults.iter().filter(is_active).count();
        group.max_faults_cpu = most;
        group.active_nodes = active as i64;
    }

    /// Models `numa_is_active_node()`.
    pub fn is_active_node(&self, node: usize, group: usize) -> bool {
        let group = &self.groups[group];
        group.faults_cpu(node) * ACTIVE_NODE_FRACTION > group.max_faults_cpu
    }

    /// Models `update_task_scan_period()`.
    fn update_scan_period(&mut self, task: usize, shared: i64, private: i64) {
        let (least, most) = (self.scan_min(task), self.scan_max(task));
        let p = &mut self.tasks[task];
        let [remote, local, failed] = p.locality;
        p.locality = [0; 3];
        if local + shared == 0 || failed > 0 {
            p.period = p.period_max.min(p.period << 1);
            return;
        }
        let slot = (p.period + SLOTS - 1) / SLOTS;
        let local_ratio = local * SLOTS / (local + remote);
        let private_ratio = private * SLOTS / (private + shared);
        let diff = if private_ratio >= THRESHOLD {
            (private_ratio - THRESHOLD).max(1) * slot
        } else if local_ratio >= THRESHOLD {
            (local_ratio - THRESHOLD).max(1) * slot
        } else {
            -(THRESHOLD - local_ratio.max(private_ratio)) * slot
        };
        p.period = (p.period + diff).max(least).min(most);
    }

    /// Models `should_numa_migrate_memory()`. Returns whether a page moves from `source` to the
    /// node of `cpu` when the task has a fault on it. `last` is the task of the last fault and its
    /// CPU.
    pub fn should_migrate(
        &self,
        task: usize,
        source: usize,
        cpu: usize,
        last: Option<(usize, usize)>,
    ) -> bool {
        let target = self.cpus[cpu].node;
        let p = &self.tasks[task];
        if !self.nodes.has_memory[target] {
            return false;
        }
        let is_private = last.is_some_and(|(other, _)| other == task);
        if (p.preferred.is_none() || p.scans <= 4) && (last.is_none() || is_private) {
            return true;
        }
        if last.is_some_and(|(_, cpu)| self.cpus[cpu].node != target) {
            return false;
        }
        let Some(group) = self.group_of(task).filter(|_| !is_private) else {
            return true;
        };
        let (by_cpu_target, by_cpu_source) = (group.faults_cpu(target), group.faults_cpu(source));
        if by_cpu_target > by_cpu_source * ACTIVE_NODE_FRACTION {
            return true;
        }
        by_cpu_target * group.faults(source) * 3 > by_cpu_source * group.faults(target) * 4
    }
}
