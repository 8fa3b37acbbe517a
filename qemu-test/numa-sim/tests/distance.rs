// SPDX-License-Identifier: GPL-2.0

//! Tests a case in which Linux 7.3 sends a task to a worse node of a backplane machine, because
//! `task_numa_migrate()` weighs a candidate by the distance of the previous candidate.
//!
//! `kernel_diff.rs` shows that the decisions of the model are those of the C code.

use tackle_numa_sim::kernel::{Cpu, Group, Kernel, Nodes, Task};

/// Two boxes of two nodes.
const DISTANCES: [u8; 16] = [
    10, 20, 40, 40, //
    20, 10, 40, 40, //
    40, 40, 10, 20, //
    40, 40, 20, 10,
];

/// Returns a machine with a task that runs on node 0 and prefers the node `preferred`, which is
/// full of tasks that belong there. `faults` are the percentages of the task's faults on each node.
/// All other nodes are idle.
fn machine(faults: [i64; 4], preferred: usize, distance_of_previous: bool) -> Kernel {
    let of_node = (0..4).map(|node| vec![2 * node, 2 * node + 1]).collect();
    let cpus = (0..8).map(|cpu| Cpu {
        node: cpu / 2,
        ..Cpu::default()
    });
    let mut kernel = Kernel {
        nodes: Nodes::new(DISTANCES.to_vec(), of_node, vec![true; 4]),
        cpus: cpus.collect(),
        tasks: Vec::new(),
        groups: vec![Group::new(4)],
        imbalance_pct: 117,
        imb_numa_nr: 1,
        distance_of_previous,
    };
    let mut add = |cpu: usize, faults: [i64; 4], preferred: usize, group: Option<usize>| {
        let mut task = Task::new(4, cpu);
        task.total = faults.iter().sum();
        task.memory = faults.iter().map(|&faults| [faults, 0]).collect();
        task.preferred = Some(preferred);
        task.group = group;
        let rq = &mut kernel.cpus[cpu];
        *rq = Cpu {
            node: rq.node,
            current: Some(kernel.tasks.len()),
            running: 1,
            load: 1024,
            runnable: 1024,
            util: 1024,
        };
        kernel.tasks.push(task);
    };
    add(0, faults, preferred, Some(0));
    let mut local = [0; 4];
    local[preferred] = 100;
    add(2 * preferred, local, preferred, None);
    add(2 * preferred + 1, local, preferred, None);
    let task = &kernel.tasks[0];
    kernel.groups[0] = Group {
        tasks: 1,
        total: task.total,
        memory: task.memory.clone(),
        ..Group::new(4)
    };
    kernel
}

/// Returns the mean distance of the accesses from a node, times 100.
fn distance(faults: [i64; 4], node: usize) -> i64 {
    (0..4)
        .map(|to| faults[to] * i64::from(DISTANCES[4 * node + to]))
        .sum()
}

/// Returns the node to which `task_numa_migrate()` moves the task.
fn goes_to(faults: [i64; 4], preferred: usize, distance_of_previous: bool) -> Option<usize> {
    let mut kernel = machine(faults, preferred, distance_of_previous);
    kernel.migrate(0).map(|migration| migration.cpu / 2)
}

#[test]
fn a_task_goes_to_the_wrong_side() {
    // 65 % of the task's accesses are to the other box.
    let faults = [30, 5, 40, 25];
    assert_eq!(goes_to(faults, 2, false), Some(3));
    assert_eq!(goes_to(faults, 2, true), Some(1));
    let distances = [0, 3, 1].map(|node| distance(faults, node));
    assert_eq!(distances, [3000, 2450, 3250]);
}

#[test]
fn a_task_leaves_the_right_side() {
    // 70 % of the task's accesses are to its own box.
    let faults = [10, 60, 20, 10];
    assert_eq!(goes_to(faults, 1, false), None);
    assert_eq!(goes_to(faults, 1, true), Some(2));
    let distances = [0, 2].map(|node| distance(faults, node));
    assert_eq!(distances, [2500, 3200]);
}
