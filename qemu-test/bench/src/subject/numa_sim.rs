// SPDX-License-Identifier: GPL-2.0

//! Defines the suite of simulated machines with many NUMA nodes.

use tackle_numa_sim::scenario::ALL;

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

/// The case that is not a scenario: the time for a plan.
const PLAN: (&str, &str) = (
    "plan",
    "The time of a plan for the whole machine, by the number of tasks",
);

/// The cases that are shown: the scenarios, then [`PLAN`].
const CASES: &[(&str, &str)] = &{
    let mut cases = [PLAN; ALL.len() + 1];
    let mut index = 0;
    while index < ALL.len() {
        cases[index] = ALL[index];
        index += 1;
    }
    cases
};
