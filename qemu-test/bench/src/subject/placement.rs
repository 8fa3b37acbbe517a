// SPDX-License-Identifier: GPL-2.0

//! Defines the suite of NUMA placement. A case consists of a number of nodes and a workload.

use super::{Means, Suite};

/// The cases of machines. Each machine has a number of nodes for the case's name, and a
/// description.
macro_rules! cases {
    ($($nodes:literal, $machine:literal: [$($workload:literal, $what:literal);+ $(;)?]);+ $(;)?) => {
        &[$($(
            (
                concat!($nodes, "n-", $workload),
                concat!($machine, ": ", $what),
            )
        ),+),+]
    };
}

/// The suite.
pub const SUITE: Suite = Suite {
    name: "numa-placement",
    means: Means::Placement,
    title: "NUMA placement: who gets tasks and their memory together",
    axis: "median of the rounds",
    metrics: &[
        (
            "local_share",
            ": local share at the end, in %; more is better",
        ),
        (
            "mean_share",
            ": local share of the whole run, in %; more is better",
        ),
        (
            "seconds_to_90",
            ": seconds to 90 % of the local share at the end",
        ),
        ("pages_moved", ": pages moved"),
        (
            "accesses",
            ": accesses of the run, in millions; more is better",
        ),
        ("task_moves", ": moves of tasks to another CPU"),
    ],
    text: "A plug-in of QEMU counts the loads and stores of workloads by the node of the CPU and \
           that of the page. Each run starts with tasks and memory in the wrong places, but for \
           the policy pinned, where a person has placed both. Two nodes have two CPUs each, four \
           nodes with a backplane too, eight nodes one each.",
    with_percent: false,
    by_name_only: true,
    cases: cases! {
        "2", "Two nodes": [
            "misplaced", "one process whose memory is on the other node";
            "crossed", "a process for each CPU, its memory on the other node";
            "groups", "two groups of threads that share memory, each of a node's size";
            "large", "one group of the size of two nodes";
            "crowded", "two processes for each CPU, their memory on the other node";
            "phases", "private memory that is far and near by turns, each for 0.8 s";
            "pinned-tasks", "tasks bound to a node, their memory on the other one";
            "short", "tasks that live for 100 ms, their memory on the other node";
            "bound", "memory bound to the other node, the task is free";
            "hugetlb", "huge pages of hugetlbfs on the other node, the task is free";
        ];
        "4", "Four nodes with a backplane": [
            "misplaced", "one process whose memory is on a far node";
            "crossed", "a process for each CPU, its memory on a far node";
            "groups", "four groups of threads that share memory, each of a node's size";
            "large", "one group of the size of two nodes";
            "crowded", "two processes for each CPU, their memory on a far node";
            "phases", "private memory that is far and near by turns, each for 0.8 s";
            "pinned-tasks", "tasks bound to a node, their memory on a far one";
            "short", "tasks that live for 100 ms, their memory on a far node";
            "bound", "memory bound to a far node, the task is free";
            "hugetlb", "huge pages of hugetlbfs on a far node, the task is free";
        ];
        "8", "Eight nodes with a backplane": [
            "misplaced", "one process whose memory is on a far node";
            "bound", "memory bound to a far node, the task is free";
        ];
    },
};
