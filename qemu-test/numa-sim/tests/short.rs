// SPDX-License-Identifier: GPL-2.0

//! Tests our policy on the small scenarios with one seed: it must not be worse than the kernel's
//! rules, and must be better where these are weak.

use tackle_numa_sim::balancer::Balancer;
use tackle_numa_sim::run::{run, Outcome};

/// Returns the results of a scenario with the kernel's rules and with our policy.
fn both(name: &str) -> [Outcome; 2] {
    [Balancer::Kernel, Balancer::Ours].map(|who| run(name, who, 1))
}

#[test]
fn not_worse_than_the_kernel() {
    for name in ["crossed", "groups", "wide", "overcommitted"] {
        let [kernel, ours] = both(name);
        let (old, new) = (kernel.final_local(), ours.final_local());
        assert!(new >= old - 0.5, "{name}: {new} % of {old} %");
        assert!(
            ours.moves <= kernel.moves,
            "{name}: {} of {}",
            ours.moves,
            kernel.moves
        );
    }
}

#[test]
fn unmovable_memory_attracts_tasks() {
    for name in ["unmovable", "asymmetric"] {
        let [kernel, ours] = both(name);
        let (old, new) = (kernel.final_local(), ours.final_local());
        assert!(new >= old + 30.0, "{name}: {new} % of {old} %");
    }
    let [kernel, ours] = both("memory-nodes");
    assert!(ours.mean_distance() <= kernel.mean_distance() - 2.0);
}

#[test]
fn memory_follows_in_a_new_phase() {
    let [kernel, ours] = both("phases");
    let (old, new) = (kernel.mean_local(), ours.mean_local());
    assert!(new >= old + 20.0, "{new} % of {old} %");
}

#[test]
fn a_simulation_can_be_repeated() {
    let local = |seed| run("groups", Balancer::Ours, seed).local;
    assert_eq!(local(3), local(3));
    assert_ne!(local(3), local(4));
}
