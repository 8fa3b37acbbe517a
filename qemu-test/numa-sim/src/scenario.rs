// SPDX-License-Identifier: GPL-2.0

//! Defines the simulated machines and workloads, by name.

use fastrand::Rng;

use crate::distances::{boxes, full, memory_nodes, ring};
use crate::workload::{Job, Region, Scenario, MB};

/// The scenarios, each with a description.
pub const ALL: &[(&str, &str)] = &[
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
        "4 nodes with asymmetric links: 20 tasks, memory on 2 nodes each that cannot move",
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
];

/// Returns the scenario with this name. Its random places depend on `seed`.
///
/// # Panics
///
/// There is no scenario with this name.
pub fn scenario(name: &str, seed: u64) -> Scenario {
    let mut rng = Rng::with_seed(seed);
    let rng = &mut rng;
    match name {
        "crossed" => crossed(),
        "unmovable" => unmovable(),
        "phases" => phases(),
        "groups" => groups(rng),
        "wide" => wide(rng),
        "backplane" => scattered(Scenario::new(boxes(8, 4, 2), vec![8; 8]), 40, 3, rng),
        "mesh" => scattered(Scenario::new(ring(8), vec![8; 8]), 40, 3, rng),
        "asymmetric" => {
            // These distances were measured for AsymSched. Links have different widths, so the
            // distances differ between the directions.
            let distances = [
                10, 16, 16, 22, //
                16, 10, 28, 16, //
                22, 16, 10, 16, //
                16, 22, 16, 10,
            ];
            scattered(Scenario::new(distances.to_vec(), vec![8; 4]), 20, 2, rng)
        }
        "memory-nodes" => {
            let mut scenario = Scenario::new(memory_nodes(), vec![8, 8, 0, 0]);
            for index in 0..12 {
                let region = Region::on(2 + index % 2, 4, 200 * MB).unmovable();
                let region = scenario.region(region);
                scenario.jobs.push(Job::new(rng.usize(..2), region));
            }
            scenario
        }
        "overcommitted" => private(Scenario::new(full(4), vec![4; 4]), 40, rng),
        "coming-and-going" => {
            let mut scenario = private(Scenario::new(boxes(16, 4, 2), vec![8; 16]), 200, rng);
            for job in &mut scenario.jobs {
                job.starts = rng.u64(..50_000);
                job.exits = job.starts + rng.u64(1_000..40_000);
            }
            scenario
        }
        "many" => many(1_000, 64, rng),
        _ => panic!("no scenario {name}"),
    }
}

/// Returns tasks that fill both nodes. The memory of each task is on the other node.
fn crossed() -> Scenario {
    let mut scenario = Scenario::new(full(2), vec![8; 2]);
    for index in 0..16 {
        let region = scenario.region(Region::on(1 - index % 2, 2, 200 * MB));
        scenario.jobs.push(Job::new(index % 2, region));
    }
    scenario
}

/// Returns tasks with 70 % of the accesses to memory that cannot move. The other accesses are to
/// private memory on the node where the task started.
fn unmovable() -> Scenario {
    let mut scenario = Scenario::new(full(2), vec![4; 2]);
    for index in 0..6 {
        let (start, home) = (1 - index % 2, index % 2);
        let fixed = scenario.region(Region::on(home, 2, 300 * MB).unmovable());
        let own = scenario.region(Region::on(start, 2, 100 * MB));
        let mut job = Job::new(start, fixed);
        job.accesses = vec![(fixed, 0.7), (own, 0.3)];
        scenario.jobs.push(job);
    }
    scenario
}

fn phases() -> Scenario {
    let mut scenario = Scenario::new(full(2), vec![4; 2]);
    scenario.seconds = 120;
    for index in 0..6 {
        let region = scenario.region(Region::on(index % 2, 2, 200 * MB));
        let mut job = Job::new(index % 2, region);
        job.phase = 20_000;
        scenario.jobs.push(job);
    }
    scenario
}

/// Returns processes whose threads share memory that is spread over all nodes.
fn groups(rng: &mut Rng) -> Scenario {
    let mut scenario = Scenario::new(full(4), vec![4; 4]);
    let mut places: Vec<_> = (0..16).map(|index| index % 4).collect();
    rng.shuffle(&mut places);
    for process in 0..4 {
        process_of(
            &mut scenario,
            &places[4 * process..4 * process + 4],
            400 * MB,
        );
    }
    scenario
}

/// Adds a process with a thread on each node of `places`. Half of the threads' accesses are to
/// shared memory.
fn process_of(scenario: &mut Scenario, places: &[usize], pages: i64) {
    let nodes = scenario.nodes();
    let mut on: Vec<_> = places.to_vec();
    on.sort_unstable();
    on.dedup();
    let shared = scenario.region(Region::over(&on, nodes, pages));
    for &node in places {
        let own = scenario.region(Region::on(node, nodes, 50 * MB));
        let mut job = Job::new(node, shared);
        job.accesses = vec![(shared, 0.6), (own, 0.4)];
        scenario.jobs.push(job);
    }
}

fn wide(rng: &mut Rng) -> Scenario {
    let mut scenario = Scenario::new(boxes(4, 2, 2), vec![8; 4]);
    let mut places: Vec<_> = (0..28).map(|index| index % 4).collect();
    rng.shuffle(&mut places);
    process_of(&mut scenario, &places[..12], 1000 * MB);
    for process in 0..4 {
        process_of(
            &mut scenario,
            &places[12 + 4 * process..16 + 4 * process],
            300 * MB,
        );
    }
    scenario
}

/// Adds tasks with memory on `spots` random nodes that cannot move.
fn scattered(mut scenario: Scenario, tasks: usize, spots: usize, rng: &mut Rng) -> Scenario {
    let nodes = scenario.nodes();
    for index in 0..tasks {
        let mut weights: Vec<f64> = (0..spots).map(|_| 0.2 + rng.f64()).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        let accesses = weights.into_iter().map(|weight| {
            let pages = (weight * 300.0) as i64 * MB;
            let region = Region::on(rng.usize(..nodes), nodes, pages).unmovable();
            (scenario.region(region), weight)
        });
        let accesses = accesses.collect();
        let mut job = Job::new(index % nodes, 0);
        job.accesses = accesses;
        scenario.jobs.push(job);
    }
    scenario
}

/// Adds tasks with private memory on a random node.
fn private(mut scenario: Scenario, tasks: usize, rng: &mut Rng) -> Scenario {
    let nodes = scenario.nodes();
    for index in 0..tasks {
        let region = scenario.region(Region::on(rng.usize(..nodes), nodes, 150 * MB));
        scenario.jobs.push(Job::new(index % nodes, region));
    }
    scenario
}

/// Returns a large machine. A third of the tasks are in processes of 8 threads.
pub fn many(tasks: usize, nodes: usize, rng: &mut Rng) -> Scenario {
    let cpus = tasks.div_ceil(nodes) + 4;
    let mut scenario = Scenario::new(boxes(nodes, 4, 2), vec![cpus; nodes]);
    let single = tasks - tasks / 3;
    scenario = private(scenario, single, rng);
    while scenario.jobs.len() < tasks {
        let threads = 8.min(tasks - scenario.jobs.len());
        let first = rng.usize(..nodes);
        let places: Vec<_> = (0..threads)
            .map(|thread| (first + thread % 4) % nodes)
            .collect();
        process_of(&mut scenario, &places, 300 * MB);
    }
    scenario
}
