// SPDX-License-Identifier: GPL-2.0

//! Defines the workloads: their processes, the initial places of tasks and memory, and the best
//! places.

use anyhow::{ensure, Context as _, Result};

use crate::sys::debugfs::Settings;
use crate::sys::numa;

/// The machine that a workload is made for.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// The number of NUMA nodes. Each has CPUs.
    pub nodes: usize,
    /// The number of CPUs of each node.
    pub cpus: usize,
}

impl Machine {
    /// Returns the machine of the guest.
    ///
    /// # Errors
    ///
    /// Not all nodes have the same number of CPUs.
    pub fn here() -> Result<Self> {
        let (nodes, cpus) = (numa::nodes()?, numa::online_cpus()?);
        ensure!(
            nodes > 1 && cpus.len() % nodes == 0,
            "expected the same CPUs on each of several nodes, got {} on {nodes}",
            cpus.len()
        );
        Ok(Self {
            nodes,
            cpus: cpus.len() / nodes,
        })
    }

    /// Returns a node far from this one: the other one of two nodes, or a node of the other half.
    fn far(self, node: usize) -> usize {
        (node + self.nodes / 2) % self.nodes
    }

    /// Returns all nodes.
    fn all(self) -> Vec<usize> {
        (0..self.nodes).collect()
    }
}

/// A workload.
pub struct Case {
    /// The name, which is a part of the name of a benchmark's case.
    pub name: &'static str,
    /// Returns the processes with their initial places, and their best places.
    processes: fn(Machine) -> Vec<(Process, Place)>,
}

/// The places of a process and its memory.
#[derive(Clone, Debug, Default)]
struct Place {
    /// The nodes of the memory's parts, in turn.
    memory: Vec<usize>,
    /// The nodes of the threads, in turn.
    run: Vec<usize>,
}

/// A process of a workload; see [`Args`](super::worker::Args).
#[derive(Clone, Debug)]
struct Process {
    mib: usize,
    parts: usize,
    threads: usize,
    place: Place,
    /// Other options.
    options: &'static str,
}

impl Process {
    /// Returns a process with one thread on the node `run`, and 8 MiB of memory in one part on the
    /// node `memory`.
    fn new(memory: usize, run: usize) -> Self {
        Self {
            mib: 8,
            parts: 1,
            threads: 1,
            place: at(memory, run),
            options: "",
        }
    }

    /// Returns the command line of the process.
    fn args(&self, arena: usize, place: &Place, pinned: bool) -> String {
        let list = |nodes: &[usize]| {
            let words: Vec<_> = nodes.iter().map(ToString::to_string).collect();
            words.join(",")
        };
        let pin = if pinned && !self.options.contains("--pin") {
            "--pin"
        } else {
            ""
        };
        format!(
            "--arena {arena} --mib {} --parts {} --threads {} --memory {} --run {} {} {pin}",
            self.mib,
            self.parts,
            self.threads,
            list(&place.memory),
            list(&place.run),
            self.options
        )
    }
}

fn at(memory: usize, run: usize) -> Place {
    Place {
        memory: vec![memory],
        run: vec![run],
    }
}

impl Case {
    /// Returns the command lines of the processes: with their initial places, or with their best
    /// places, where they are pinned.
    pub fn command_lines(&self, machine: Machine, best: bool) -> Vec<String> {
        let processes = (self.processes)(machine);
        let numbered = processes.iter().enumerate();
        let line = |(arena, (process, place)): (usize, &(Process, Place))| match best {
            false => process.args(arena, &process.place, false),
            true => process.args(arena, place, true),
        };
        numbered.map(line).collect()
    }

    /// Reserves the huge pages that the workload needs, until the value is dropped.
    ///
    /// # Errors
    ///
    /// The kernel has no huge pages of this size.
    pub fn reserve(&self) -> Result<Option<Settings>> {
        if self.name != HUGE {
            return Ok(None);
        }
        let reserved = numa::reserve_huge_pages(4)?;
        reserved.context("the kernel has no hugetlbfs").map(Some)
    }
}

/// The case that needs huge pages.
const HUGE: &str = "hugetlb";

/// All workloads.
pub const ALL: [Case; 10] = [
    Case {
        name: "misplaced",
        processes: |m| vec![(Process::new(m.far(0), 0), at(0, 0))],
    },
    Case {
        name: "crossed",
        processes: |m| {
            every_cpu(m, 1, |node| {
                (Process::new(m.far(node), node), at(node, node))
            })
        },
    },
    Case {
        name: "groups",
        processes: groups,
    },
    Case {
        name: "large",
        processes: large,
    },
    Case {
        name: "crowded",
        processes: |m| {
            every_cpu(m, 2, |node| {
                let process = Process {
                    mib: 4,
                    ..Process::new(m.far(node), node)
                };
                (process, at(node, node))
            })
        },
    },
    Case {
        name: "phases",
        processes: |m| {
            every_node(m, |node| {
                // Each phase has its own memory, which is on the one node and the other in turn.
                let process = Process {
                    mib: 20,
                    parts: 5,
                    place: Place {
                        memory: vec![m.far(node), node],
                        run: vec![node],
                    },
                    options: "--phase-ms 800",
                    ..Process::new(0, 0)
                };
                (process, at(node, node))
            })
        },
    },
    Case {
        name: "pinned-tasks",
        processes: |m| {
            every_node(m, |node| {
                let process = Process {
                    options: "--pin",
                    ..Process::new(m.far(node), node)
                };
                (process, at(node, node))
            })
        },
    },
    Case {
        name: "short",
        processes: |m| {
            every_node(m, |node| {
                let process = Process {
                    options: "--life-ms 100",
                    ..Process::new(m.far(node), node)
                };
                (process, at(node, node))
            })
        },
    },
    Case {
        name: "bound",
        processes: |m| {
            every_node(m, |node| {
                let process = Process {
                    options: "--bind",
                    ..Process::new(m.far(node), node)
                };
                (process, at(m.far(node), m.far(node)))
            })
        },
    },
    Case {
        name: HUGE,
        processes: |m| {
            every_node(m, |node| {
                let process = Process {
                    options: "--huge",
                    ..Process::new(m.far(node), node)
                };
                (process, at(m.far(node), m.far(node)))
            })
        },
    },
];

/// Returns the workload of this name.
pub fn find(name: &str) -> Option<&'static Case> {
    ALL.iter().find(|case| case.name == name)
}

/// Returns a process for each node.
fn every_node(
    machine: Machine,
    process: impl Fn(usize) -> (Process, Place),
) -> Vec<(Process, Place)> {
    machine.all().into_iter().map(process).collect()
}

/// Returns this number of processes for each CPU.
fn every_cpu(
    machine: Machine,
    times: usize,
    process: impl Fn(usize) -> (Process, Place),
) -> Vec<(Process, Place)> {
    let cpus = machine.nodes * machine.cpus * times;
    (0..cpus)
        .map(|number| process(number % machine.nodes))
        .collect()
}

/// Returns a group of threads for each node, of the node's size, that share memory. Threads and
/// memory of each group are spread over all nodes.
fn groups(machine: Machine) -> Vec<(Process, Place)> {
    every_node(machine, |node| {
        let turned = (0..machine.nodes).map(|step| (node + step) % machine.nodes);
        let process = Process {
            parts: machine.nodes,
            threads: machine.cpus,
            place: Place {
                memory: machine.all(),
                run: turned.collect(),
            },
            options: "--shared",
            ..Process::new(0, 0)
        };
        (process, at(node, node))
    })
}

/// Returns one group of threads, of the size of two nodes, that share memory. The threads are on
/// all nodes and the memory is on one. The best places are two neighbouring nodes, where half of
/// the accesses are local.
fn large(machine: Machine) -> Vec<(Process, Place)> {
    let process = Process {
        parts: 4,
        threads: 2 * machine.cpus,
        place: Place {
            memory: vec![0],
            run: machine.all(),
        },
        options: "--shared",
        ..Process::new(0, 0)
    };
    let two = Place {
        memory: vec![0, 1],
        run: vec![0, 1],
    };
    vec![(process, two)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: Machine = Machine { nodes: 2, cpus: 2 };
    const FOUR: Machine = Machine { nodes: 4, cpus: 2 };

    fn lines(name: &str, machine: Machine, best: bool) -> Vec<String> {
        find(name).unwrap().command_lines(machine, best)
    }

    #[test]
    fn memory_is_far_at_first_and_near_at_best() {
        let first = &lines("misplaced", FOUR, false)[0];
        assert!(first.contains("--memory 2 --run 0 "), "{first}");
        let best = &lines("misplaced", FOUR, true)[0];
        assert!(
            best.contains("--memory 0 --run 0 ") && best.ends_with("--pin"),
            "{best}"
        );
    }

    #[test]
    fn crossed_processes_leave_no_cpu_idle() {
        let lines = lines("crossed", TWO, false);
        assert_eq!(lines.len(), 4);
        assert!(lines[1].contains("--arena 1 ") && lines[1].contains("--memory 0 --run 1 "));
        assert!(lines[2].contains("--memory 1 --run 0 "));
    }

    #[test]
    fn bound_memory_stays_and_its_task_is_placed() {
        let [first, best] = [false, true].map(|best| lines("bound", TWO, best)[0].clone());
        assert!(first.contains("--memory 1 --run 0 --bind"), "{first}");
        assert!(best.contains("--memory 1 --run 1 --bind --pin"), "{best}");
    }

    #[test]
    fn every_workload_has_room() {
        for case in &ALL {
            // Only these workloads run on eight nodes.
            let runs_on_eight = ["misplaced", "bound"].contains(&case.name);
            let eight = runs_on_eight.then_some(Machine { nodes: 8, cpus: 1 });
            for machine in [TWO, FOUR].into_iter().chain(eight) {
                let processes = (case.processes)(machine);
                assert!(processes.len() <= tackle_arena::ARENAS, "{}", case.name);
                // The smallest node has 212 MiB (`qemu-test/runner/src/qemu.rs`).
                let mib: usize = processes.iter().map(|(process, _)| process.mib).sum();
                assert!(mib <= 128, "{}: {mib} MiB", case.name);
            }
        }
    }
}
