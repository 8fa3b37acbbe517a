// SPDX-License-Identifier: GPL-2.0

//! The suite of simulated machines with many NUMA nodes.

use super::{Means, Suite};

/// The suite. Its cases are the scenarios of `qemu-test/numa-sim`, and `plan`.
pub const SUITE: Suite = Suite {
    name: "numa-sim",
    means: Means::Simulation,
    title: "NUMA balancing of simulated machines",
    axis: "mean distance of accesses (10 is local)",
    metrics: &[("distance", ": mean distance over all the time")],
    text:
        "The same workload with no balancing, with the rules of Linux 7.3 (a model that the tests \
           compare with the C code), and with our policy. The bound is what the best placement \
           could reach if each node had room for all. Nothing here says how fast a machine would \
           be: there are no caches, and bandwidth does not run out. Moves of tasks and of pages \
           are in the table.",
    with_percent: false,
    by_name_only: false,
    cases: CASES,
};

/// The cases that are shown.
const CASES: &[(&str, &str)] = &[
    (
        "crossed",
        "2 nodes: 16 tasks, each with its memory on the other node",
    ),
    (
        "unmovable",
        "2 nodes: 6 tasks, most of their memory on the other node cannot move",
    ),
    (
        "phases",
        "2 nodes: 6 tasks, new private memory from the other node each 20 s",
    ),
    (
        "groups",
        "4 nodes: 4 processes of 4 threads, memory spread over all nodes",
    ),
    (
        "wide",
        "Backplane of 4 nodes: a process larger than a node, and 4 small ones",
    ),
    (
        "backplane",
        "Backplane of 8 nodes: 40 tasks, memory that cannot move on 3 nodes each",
    ),
    (
        "mesh",
        "Ring of 8 nodes: 40 tasks, memory that cannot move on 3 nodes each",
    ),
    (
        "asymmetric",
        "4 nodes with asymmetric links: 20 tasks, memory that cannot move on 2 nodes each",
    ),
    (
        "memory-nodes",
        "4 nodes, 2 of them without CPUs: 12 tasks with memory on these that cannot move",
    ),
    (
        "overcommitted",
        "4 nodes, 16 CPUs: 40 tasks with private memory, anywhere",
    ),
    (
        "coming-and-going",
        "16 nodes: 200 tasks that arrive and exit",
    ),
    (
        "many",
        "64 nodes in boxes of 4: 1,000 tasks, a third of them in groups",
    ),
    (
        "plan",
        "The time of a plan for the whole machine, by the number of tasks",
    ),
];
