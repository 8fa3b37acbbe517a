// SPDX-License-Identifier: GPL-2.0

//! Implements a fake machine with NUMA nodes and the modules `numa_stat` and `numa_control`. All
//! their files are in a folder.

#![allow(dead_code)] // Each test is a crate; not all of them need all of it.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use tackle_cli::numa::NumaCommand;

use crate::fake::{get, put, Fake};

/// Rows of tasks. One has a key that the command does not know.
pub const TASKS: &str = "\
pid=7 tgid=7 comm=a\\040b faults=10 pages=12 local=3 shared=4 migrated=6 stall_ns=1500 group=5 \
cgroup=1 preferred=1 mem=0:3,1:9 cpu=1:12 news=3 moved=1>0:6
pid=9 tgid=8 comm=dd faults=2 pages=2 local=2 preferred=0 mem=0:2 cpu=0:2
pid=others tgid=0 comm=- faults=1 pages=1
";

/// Returns the words of each line.
pub fn words(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines().map(|line| line.split_whitespace().collect());
    lines.collect()
}

/// The command line of `tackle numa`.
#[derive(Debug, Parser)]
struct Words {
    #[command(subcommand)]
    command: NumaCommand,
}

/// Parses a command line of `tackle numa`.
pub fn command(words: &str) -> NumaCommand {
    let words = std::iter::once("numa").chain(words.split_whitespace());
    Words::try_parse_from(words).unwrap().command
}

/// Returns whether a command line of `tackle numa` is valid.
pub fn is_command(words: &str) -> bool {
    let words = std::iter::once("numa").chain(words.split_whitespace());
    Words::try_parse_from(words).is_ok()
}

/// A machine with four CPUs on each node.
pub struct Machine {
    pub fake: Fake,
}

impl Machine {
    /// Creates a machine without modules. The distance between two nodes is 20.
    pub fn new(nodes: u32) -> Self {
        let fake = Fake::new();
        let machine = Self { fake };
        let last = nodes - 1;
        put(
            machine.sys("devices/system/node/online"),
            &format!("0-{last}\n"),
        );
        for node in 0..nodes {
            let distance = |to| if to == node { "10" } else { "20" };
            let distances: Vec<_> = (0..nodes).map(distance).collect();
            let folder = machine.sys(&format!("devices/system/node/node{node}"));
            put(
                folder.join("distance"),
                &format!("{}\n", distances.join(" ")),
            );
            put(
                folder.join("cpulist"),
                &format!("{}-{}\n", 4 * node, 4 * node + 3),
            );
            let meminfo =
                format!("Node {node} MemTotal:  2048 kB\nNode {node} MemFree:  1024 kB\n");
            put(folder.join("meminfo"), &meminfo);
        }
        put(machine.proc("sys/kernel/numa_balancing"), "1\n");
        machine
    }

    /// Creates a machine with both modules. `rows` is the text of the file `tasks`.
    pub fn with_modules(nodes: u32, rows: &str) -> Self {
        let machine = Self::new(nodes);
        for file in ["processes", "groups", "cgroups", "nodes"] {
            put(machine.stat(file), "");
        }
        put(machine.stat("tasks"), rows);
        put(
            machine.stat("total"),
            "numa_hint_faults 12\nevicted 0\nmissed 0\n",
        );
        for file in ["switch", "prefer", "error"] {
            put(machine.control(file), "");
        }
        machine
    }

    pub fn sys(&self, path: &str) -> PathBuf {
        self.fake.roots.sys.join(path)
    }

    pub fn proc(&self, path: &str) -> PathBuf {
        self.fake.roots.proc.join(path)
    }

    pub fn stat(&self, file: &str) -> PathBuf {
        self.sys("kernel/debug/tackle/numa_stat").join(file)
    }

    pub fn control(&self, file: &str) -> PathBuf {
        self.sys("kernel/debug/tackle/numa_control").join(file)
    }

    /// Adds a task of the process `tgid` that may run on `cpus`.
    pub fn task(&self, pid: u32, tgid: u32, cpus: &str) {
        let status = format!(
            "Name:\tcat\nTgid:\t{tgid}\nThreads:\t1\nCpus_allowed_list:\t{cpus}\n\
             Mems_allowed_list:\t0-1\n"
        );
        put(self.proc(&format!("{pid}/status")), &status);
    }

    pub fn run(&self, words: &str) -> Result<()> {
        command(words).run(&self.fake.roots)
    }

    /// Returns the text that was written to the files `switch` and `prefer` of `numa_control`.
    pub fn written(&self) -> [String; 2] {
        ["switch", "prefer"].map(|file| get(self.control(file)))
    }
}
