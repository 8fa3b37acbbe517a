// SPDX-License-Identifier: GPL-2.0

//! Simulates a scenario, second by second.

use crate::balancer::{Balancer, Work};
use crate::machine::Machine;
use crate::scenario::scenario;

/// The time of a step, in milliseconds.
const STEP: u64 = 200;

/// The seconds at the end over which results are averaged.
const END: usize = 10;

/// The result of a simulation.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The percentage of local accesses in each second.
    pub local: Vec<f64>,
    /// The mean distance of accesses in each second.
    pub distance: Vec<f64>,
    /// The number of moves of tasks to another node.
    pub moves: u64,
    /// The number of pages that moved to another node.
    pub pages_moved: i64,
    /// The number of pages of all tasks.
    pub pages: i64,
}

impl Outcome {
    /// Returns the percentage of local accesses at the end.
    pub fn final_local(&self) -> f64 {
        mean(&self.local[self.local.len().saturating_sub(END)..])
    }

    /// Returns the percentage of local accesses over the whole time.
    pub fn mean_local(&self) -> f64 {
        mean(&self.local)
    }

    /// Returns the mean distance of accesses over the whole time.
    pub fn mean_distance(&self) -> f64 {
        mean(&self.distance)
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Simulates the scenario with this name.
pub fn run(name: &str, who: Balancer, seed: u64) -> Outcome {
    let mut machine = Machine::new(scenario(name, seed), seed);
    let mut work = Work::new(who);
    let pages = machine.regions.iter().map(|region| region.size()).sum();
    let (mut local, mut distance) = (Vec::new(), Vec::new());
    for _ in 0..machine.scenario.seconds {
        let mut sums = [0.0; 3];
        for _ in 0..1000 / STEP {
            machine.come_and_go(STEP);
            machine.balance();
            for task in machine.alive() {
                let share = machine.share(task);
                machine.lives[task].runtime += STEP as f64 * share;
                let (near, far) = machine.locality(task);
                sums = [
                    sums[0] + share * near,
                    sums[1] + share * far,
                    sums[2] + share,
                ];
            }
            work.step(&mut machine, STEP);
            machine.now += STEP;
        }
        let all = if sums[2] > 0.0 { sums[2] } else { 1.0 };
        local.push(100.0 * sums[0] / all);
        distance.push(sums[1] / all);
    }
    Outcome {
        local,
        distance,
        moves: machine.moves,
        pages_moved: machine.pages_moved,
        pages,
    }
}
