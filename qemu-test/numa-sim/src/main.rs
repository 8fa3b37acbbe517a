// SPDX-License-Identifier: GPL-2.0

//! Prints the results of each scenario, or of the named scenarios, with each balancer.

use tackle_numa_sim::balancer::Balancer;
use tackle_numa_sim::run::run;
use tackle_numa_sim::scenario::ALL;

fn main() {
    let names: Vec<String> = std::env::args().skip(1).collect();
    for (name, _) in ALL
        .iter()
        .filter(|(name, _)| names.is_empty() || names.iter().any(|n| n == name))
    {
        for who in Balancer::ALL {
            let outcome = run(name, who, 1);
            if std::env::var_os("CURVE").is_some() {
                println!(
                    "{:?}",
                    outcome.local.iter().map(|l| *l as i64).collect::<Vec<_>>()
                );
            }
            println!(
                "{name:18} {:7} end {:5.1} % mean {:5.1} % distance {:5.1} moves {:6} pages {:6.2}",
                who.name(),
                outcome.final_local(),
                outcome.mean_local(),
                outcome.mean_distance(),
                outcome.moves,
                outcome.pages_moved as f64 / outcome.pages as f64,
            );
        }
    }
}
