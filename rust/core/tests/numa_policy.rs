// SPDX-License-Identifier: GPL-2.0

//! Tests the rules of the NUMA balancing policy by example.

mod numa_machine;

use numa_machine::{Machine, MESH, TWO_PAIRS};
use tackle_core::numa::policy::{Action, Faults, NodeSet, Reason, LOAD_ONE};

/// Four CPUs for each of two nodes.
fn two_nodes() -> Machine {
    Machine::full(2, 4)
}

#[test]
fn a_task_follows_its_memory() {
    let mut machine = two_nodes();
    let task = machine.task(0, &[(0, 17), (1, 83)]);
    let decisions = machine.decide();
    assert_eq!(decisions[0].task, task);
    assert_eq!(decisions[0].action, Action::Move(1));
    let words = decisions[0].reason.to_string();
    assert_eq!(
        words,
        "follows its memory: 83 % of its faults are on node 1"
    );
}

#[test]
fn a_task_at_its_memory_prefers_it_and_stays() {
    let mut machine = two_nodes();
    let task = machine.task(1, &[(0, 20), (1, 80)]);
    assert_eq!(machine.decide()[0].action, Action::Prefer(1));
    machine.tasks[task].preferred = Some(1);
    let decision = machine.decide()[0];
    let reason = Reason::Local { percent: 80 };
    assert_eq!((decision.action, decision.reason), (Action::Stay, reason));
}

#[test]
fn a_window_keeps_the_plan_unless_the_memory_speaks_against_it() {
    let mut machine = two_nodes();
    machine.task(0, &[(0, 60), (1, 40)]);
    let choose = |machine: &Machine, planned| {
        let chosen = machine.window(planned).expect("it has faults");
        (chosen.node, chosen.reason)
    };
    // By itself it is not worth a move.
    assert_eq!(choose(&machine, Some(1)), (1, None));
    let local = Reason::Local { percent: 60 };
    assert_eq!(choose(&machine, None), (0, Some(local)));
    let mut machine = two_nodes();
    machine.task(0, &[(0, 10), (1, 90)]);
    let follows = Reason::FollowsMemory {
        node: 1,
        percent: 90,
    };
    assert_eq!(choose(&machine, Some(0)), (1, Some(follows)));
    // Without faults the plan holds.
    let mut machine = two_nodes();
    machine.task(0, &[]);
    assert_eq!(choose(&machine, Some(1)), (1, None));
    assert_eq!(machine.window(None), None);
}

#[test]
fn a_window_leaves_a_task_at_its_unmovable_memory() {
    let mut machine = two_nodes();
    let task = machine.task(1, &[(0, 100)]);
    machine.resident[task][1] = 512;
    let chosen = machine.window(None).expect("it has accesses");
    assert_eq!(chosen.node, 1);
    // A plan that has weighed it against the task's group is kept: else plan and window would
    // contradict each other for ever, as this memory does not follow.
    let mut machine = two_nodes();
    let task = machine.task(0, &[(0, 1000)]);
    machine.share(task);
    machine.resident[task][1] = 1000;
    let kept = machine.window(Some(0)).expect("it has accesses");
    assert_eq!((kept.node, kept.reason), (0, None));
    // A task without faults goes there.
    let mut machine = two_nodes();
    let task = machine.task(0, &[]);
    machine.resident[task][1] = 512;
    let decision = machine.decide()[task];
    let follows = Reason::FollowsUnmovable {
        node: 1,
        percent: 100,
    };
    assert_eq!(
        (decision.action, decision.reason),
        (Action::Move(1), follows)
    );
}

#[test]
fn crossed_tasks_are_exchanged() {
    let mut machine = Machine::full(2, 1);
    machine.task(0, &[(1, 100)]);
    machine.task(1, &[(0, 100)]);
    let decisions = machine.decide();
    assert_eq!(decisions.len(), 1, "{decisions:?}");
    assert_eq!(decisions[0].action, Action::Swap(1));
}

#[test]
fn the_task_that_loses_least_makes_room() {
    let mut machine = Machine::full(2, 2);
    machine.task(0, &[(1, 100)]);
    machine.task(0, &[(0, 100)]);
    machine.task(1, &[(1, 100)]);
    let indifferent = machine.task(1, &[(0, 50), (1, 50)]);
    assert_eq!(machine.decide()[0].action, Action::Swap(indifferent));
}

#[test]
fn no_move_creates_an_imbalance() {
    let mut machine = two_nodes();
    for node in [0, 0, 1, 1] {
        machine.task(node, &[(1, 100)]);
    }
    for decision in &machine.decide()[..2] {
        assert_eq!(decision.action, Action::Prefer(1));
        assert_eq!(decision.reason, Reason::NoRoom { node: 1 });
    }
}

#[test]
fn load_of_others_counts() {
    let mut machine = two_nodes();
    machine.task(0, &[(1, 100)]);
    machine.others[1] = 4 * LOAD_ONE;
    assert_eq!(machine.decide()[0].action, Action::Prefer(1));
}

#[test]
fn a_group_gets_one_home() {
    let mut machine = two_nodes();
    for node in [0, 0, 1, 1] {
        let task = machine.task(node, &[(0, 30), (1, 30)]);
        machine.tasks[task].group = 7;
        machine.share(task);
    }
    // Another group has the same memory. Its tasks are not on one node, either.
    for node in [0, 0, 1, 1] {
        let task = machine.task(node, &[(0, 30), (1, 30)]);
        machine.tasks[task].group = 8;
        machine.share(task);
    }
    machine.settle(10);
    let nodes: Vec<_> = machine.tasks.iter().map(|task| task.node).collect();
    assert!(nodes[..4].iter().all(|&node| node == nodes[0]), "{nodes:?}");
    assert!(nodes[4..].iter().all(|&node| node == nodes[4]), "{nodes:?}");
    assert_ne!(nodes[0], nodes[4]);
}

#[test]
fn private_memory_does_not_follow_the_group() {
    let mut machine = two_nodes();
    for node in [0, 0, 1, 1] {
        let task = machine.task(node, &[(node, 100)]);
        machine.tasks[task].group = 7;
        machine.faults[task][node].shared = 3;
    }
    assert!(machine
        .decide()
        .iter()
        .all(|decision| matches!(decision.action, Action::Prefer(_) | Action::Stay)));
}

#[test]
fn a_group_larger_than_a_node_is_spread() {
    let mut machine = Machine::new(&TWO_PAIRS, 4, 2);
    for _ in 0..2 {
        for node in [0, 2] {
            let task = machine.task(node, &[(0, 40), (2, 30)]);
            machine.tasks[task].group = 7;
            machine.share(task);
        }
    }
    // Else each node would get a task, for balance.
    machine.others = vec![0, 0, 2 * LOAD_ONE, 2 * LOAD_ONE];
    machine.settle(10);
    let nodes: NodeSet = machine.tasks.iter().map(|task| task.node).collect();
    let expected: NodeSet = [0, 1].into_iter().collect();
    assert_eq!(nodes, expected, "the nodes of one side");
    let decision = machine.decide()[0];
    assert_eq!(decision.action, Action::Spread(expected));
    assert_eq!(
        decision.reason.to_string(),
        "its group 7 is larger than a node: it is active on 2 nodes"
    );
}

#[test]
fn a_mesh_is_scored_by_distance() {
    let mut machine = Machine::new(&MESH, 4, 4);
    // Between 0 and 2 are 1 and 3; the task runs at the far end of its memory.
    machine.task(2, &[(0, 40), (1, 30), (3, 30)]);
    assert_eq!(machine.decide()[0].action, Action::Move(0));
}

#[test]
fn a_backplane_is_scored_by_distance() {
    let mut machine = Machine::new(&TWO_PAIRS, 4, 4);
    // Most of its memory is on one side, most of a single node on the other.
    machine.task(3, &[(0, 30), (1, 29), (2, 41)]);
    assert_eq!(machine.decide()[0].action, Action::Move(0));
}

#[test]
fn unmovable_memory_attracts_its_task() {
    let mut machine = two_nodes();
    let task = machine.task(0, &[(0, 100)]);
    machine.resident[task][1] = 400;
    let decision = machine.decide()[0];
    assert_eq!(decision.action, Action::Move(1));
    assert_eq!(
        decision.reason.to_string(),
        "follows memory that cannot move: 94 % of its accesses are on node 1"
    );
}

#[test]
fn a_task_that_was_moved_settles() {
    let mut machine = two_nodes();
    let task = machine.task(0, &[(0, 45), (1, 55)]);
    machine.tasks[task].moved_ms_ago = 10;
    let reason = Reason::Settles { moved_ms_ago: 10 };
    assert_eq!(machine.decide()[0].reason, reason);
    machine.tasks[task].moved_ms_ago = 60_000;
    assert_eq!(machine.decide()[0].action, Action::Move(1));
    // All its memory is elsewhere: that is no noise.
    machine.tasks[task].moved_ms_ago = 10;
    machine.faults[task] = vec![Faults::default(); 2];
    machine.faults[task][1].private = 100;
    assert_eq!(machine.decide()[0].action, Action::Move(1));
}

#[test]
fn young_and_pinned_tasks_stay() {
    let mut machine = two_nodes();
    let young = machine.task(0, &[(1, 100)]);
    machine.tasks[young].runtime_ms = 10;
    let pinned = machine.task(0, &[(1, 100)]);
    machine.tasks[pinned].allowed = NodeSet::one(0);
    let idle = machine.task(0, &[]);
    let reasons: Vec<_> = machine.decide().iter().map(|d| d.reason).collect();
    let young = Reason::Young { runtime_ms: 10 };
    assert_eq!(reasons, [young, Reason::Pinned, Reason::NoFaults]);
    assert_eq!(machine.tasks[idle].node, 0);
}

#[test]
fn a_node_without_cpus_is_no_target() {
    let mut machine = Machine::full(3, 4);
    machine.nodes[2].cpus = 0;
    let distances = [10, 20, 28, 20, 10, 17, 28, 17, 10];
    machine.distances = distances.to_vec();
    machine.task(0, &[(2, 100)]);
    assert_eq!(machine.decide()[0].action, Action::Move(1));
}

#[test]
fn reasons_have_names() {
    let mut names = Reason::NAMES.to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Reason::COUNT);
    assert_eq!(Reason::NAMES[Reason::NoFaults.index()], "no_faults");
    assert_eq!(Reason::NAMES[Reason::Pinned.index()], "pinned");
}

#[test]
fn short_scratch_is_refused() {
    let mut machine = two_nodes();
    machine.task(0, &[(1, 1)]);
    assert!(machine.decide_in(0).is_none());
}
