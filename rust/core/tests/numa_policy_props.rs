// SPDX-License-Identifier: GPL-2.0

//! Tests that hold for the NUMA balancing policy on every machine: masks, balance, no oscillation,
//! and the distance to the best placement of small machines.

mod numa_machine;

use numa_machine::{Machine, MESH, TWO_PAIRS};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tackle_core::numa::policy::{Action, Faults, NodeSet, Topology, LOAD_ONE};

fn machine() -> impl Strategy<Value = Machine> {
    let shape = prop_oneof![
        (2..6usize, 1..9u32).prop_map(|(nodes, cpus)| Machine::full(nodes, cpus)),
        (1..9u32).prop_map(|cpus| Machine::new(&MESH, 4, cpus)),
        (1..9u32).prop_map(|cpus| Machine::new(&TWO_PAIRS, 4, cpus)),
    ];
    (shape, any::<bool>()).prop_map(|(mut machine, has_memory_node)| {
        if has_memory_node && machine.nodes.len() > 2 {
            machine.nodes[2].cpus = 0;
        }
        machine
    })
}

/// A task: where it runs, its mask, its group, its load, its faults, unmovable pages, and whether
/// its faults are shared.
type Spec = (usize, u8, u32, u32, Vec<u32>, Vec<u32>, bool);

fn task() -> impl Strategy<Value = Spec> {
    (
        0..8usize,
        prop_oneof![4 => Just(0xff), 1 => any::<u8>()],
        0..4u32,
        prop_oneof![3 => Just(LOAD_ONE), 1 => 0..2 * LOAD_ONE],
        vec(prop_oneof![1 => Just(0), 2 => 0..1000u32], 8),
        vec(prop_oneof![4 => Just(0), 1 => 0..1000u32], 8),
        any::<bool>(),
    )
}

fn add(machine: &mut Machine, spec: &Spec) {
    let (node, mask, group, load, faults, resident, is_shared) = spec;
    let count = machine.nodes.len();
    let node = (0..count)
        .cycle()
        .skip(node % count)
        .find(|&node| machine.nodes[node].cpus > 0)
        .expect("a node has CPUs");
    let faults: Vec<_> = (0..count).map(|node| (node, faults[node])).collect();
    let index = machine.task(node, &faults);
    let task = &mut machine.tasks[index];
    task.group = *group;
    task.load = *load;
    task.allowed = (0..count).filter(|node| (mask >> node) & 1 == 1).collect();
    task.allowed.insert(node);
    machine.resident[index] = resident[..count].to_vec();
    if *is_shared {
        machine.share(index);
    }
}

fn busy_machine() -> impl Strategy<Value = Machine> {
    (machine(), vec(task(), 1..40)).prop_map(|(mut machine, specs)| {
        specs.iter().for_each(|spec| add(&mut machine, spec));
        machine
    })
}

/// The utilisation up to which a node may be filled: what the most loaded one had, the share of the
/// machine's load rounded up to a task, or an eighth of the CPUs.
fn bound(machine: &Machine, node: usize, loads: &[u32]) -> f64 {
    let cpus = |node: usize| f64::from(machine.nodes[node].cpus);
    let all: f64 = (0..loads.len()).map(cpus).sum();
    let load: f64 = loads.iter().map(|&load| f64::from(load)).sum();
    let one = f64::from(LOAD_ONE);
    let share = (load * cpus(node) / all / one).ceil() * one;
    let light = (cpus(node) / 8.0).floor().max(1.0) * one;
    let used = |node: usize| f64::from(loads[node]) / cpus(node);
    let most = (0..loads.len())
        .filter(|&node| cpus(node) > 0.0)
        .map(used)
        .fold(0.0, f64::max);
    share.max(light).max(most * cpus(node)) + 0.5
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn masks_and_balance_are_kept(machine in busy_machine()) {
        let mut state = machine.clone();
        let start = state.loads();
        for decision in machine.decide() {
            state.carry_out(&decision);
            let loads = state.loads();
            for (node, &load) in loads.iter().enumerate() {
                let limit = bound(&machine, node, &start);
                prop_assert!(f64::from(load) <= limit, "{node}: {load} > {limit}, {decision:?}");
            }
        }
        for task in &state.tasks {
            prop_assert!(task.allowed.contains(task.node));
            let preferred = task.preferred.unwrap_or(task.node);
            prop_assert!(task.allowed.contains(preferred));
            prop_assert!(state.nodes[preferred].cpus > 0);
        }
    }

    #[test]
    fn each_task_is_decided_about(machine in busy_machine()) {
        let mut seen = vec![(0, 0); machine.tasks.len()];
        for decision in machine.decide() {
            if let Action::Swap(other) = decision.action {
                seen[decision.task].1 += 1;
                seen[other].1 += 1;
            } else {
                seen[decision.task].0 += 1;
            }
        }
        let is_right = |times: &(i32, i32)| matches!(times, (1, 0) | (0, 1 | 2));
        prop_assert!(seen.iter().all(is_right), "{seen:?}");
    }

    #[test]
    fn constant_input_comes_to_rest(machine in busy_machine()) {
        let mut machine = machine;
        // Each round raises the score of the machine; a task can be in the way of another for a few.
        let rounds = machine.settle(40);
        prop_assert!(rounds <= 40);
        for decision in machine.decide() {
            let is_rest = matches!(decision.action, Action::Stay | Action::Spread(_));
            prop_assert!(is_rest, "{decision:?}");
        }
    }

    #[test]
    fn a_node_set_is_a_set(nodes in vec(0..1024usize, 0..40)) {
        let set: NodeSet = nodes.iter().copied().collect();
        let mut sorted = nodes.clone();
        sorted.sort_unstable();
        sorted.dedup();
        prop_assert_eq!(set.iter().collect::<Vec<_>>(), sorted);
    }
}

/// How near a task's accesses are to a node, from 0 to 1.
fn locality(machine: &Machine, task: usize, from: usize) -> f64 {
    let topology = Topology::new(machine.nodes.len(), &machine.distances, |_| true);
    let (mut near, mut all) = (0.0, 0.0);
    for (node, faults) in machine.faults[task].iter().enumerate() {
        let pages = faults.sum() as f64;
        all += pages;
        near += pages * topology.nearness(from, node) as f64 / 1000.0;
    }
    near / all
}

fn score(machine: &Machine, places: &[usize]) -> f64 {
    let scores = places.iter().enumerate();
    scores
        .map(|(task, &node)| locality(machine, task, node))
        .sum()
}

/// The best score of all placements in which no node has more tasks than `most`.
fn optimum(machine: &Machine, most: usize) -> f64 {
    let (tasks, nodes) = (machine.tasks.len(), machine.nodes.len());
    let mut places = vec![0; tasks];
    let mut best: f64 = 0.0;
    for number in 0..nodes.pow(tasks as u32) {
        let mut rest = number;
        let mut counts = vec![0; nodes];
        for place in &mut places {
            *place = rest % nodes;
            counts[*place] += 1;
            rest /= nodes;
        }
        if counts.iter().all(|&count| count <= most) {
            best = best.max(score(machine, &places));
        }
    }
    best
}

/// Small machines in balance: tasks without groups, and CPUs for all.
fn small_machine() -> impl Strategy<Value = Machine> {
    let shape = prop_oneof![
        Just(Machine::full(2, 4)),
        Just(Machine::full(3, 3)),
        Just(Machine::new(&MESH, 4, 2)),
        Just(Machine::new(&TWO_PAIRS, 4, 2)),
    ];
    let row = vec(prop_oneof![1 => Just(0), 2 => 0..1000u32], 4);
    (shape, vec(row, 3..7)).prop_map(|(mut machine, rows)| {
        let count = machine.nodes.len();
        for (index, row) in rows.iter().enumerate() {
            let mut faults: Vec<_> = (0..count).map(|node| (node, row[node])).collect();
            faults[0].1 += 1;
            machine.task(index % count, &faults);
        }
        machine
    })
}

#[test]
fn near_the_optimum_of_small_machines() {
    let rng = TestRng::from_seed(RngAlgorithm::XorShift, &[0x37; 16]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut ratios = Vec::new();
    for _ in 0..400 {
        let tree = small_machine().new_tree(&mut runner);
        let mut machine = tree.expect("the strategy rejects nothing").current();
        let (tasks, nodes) = (machine.tasks.len(), machine.nodes.len());
        let best = optimum(&machine, tasks.div_ceil(nodes));
        machine.settle(20);
        let places: Vec<_> = machine.tasks.iter().map(|task| task.node).collect();
        ratios.push(score(&machine, &places) / best);
    }
    ratios.sort_unstable_by(f64::total_cmp);
    let (least, median) = (ratios[0], ratios[ratios.len() / 2]);
    println!("of the optimum: least {least:.3}, median {median:.3}");
    assert!(median >= 0.95, "median {median}");
    assert!(least >= 0.80, "least {least}");
}

#[test]
fn zero_faults_are_no_evidence() {
    let mut machine = Machine::full(2, 2);
    let task = machine.task(0, &[]);
    machine.faults[task] = vec![Faults::default(); 2];
    assert!(machine.decide().iter().all(|d| d.action == Action::Stay));
}
