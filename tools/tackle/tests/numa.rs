// SPDX-License-Identifier: GPL-2.0

//! NUMA balancing of a machine that is a folder.

mod fake;
mod machine;

use std::fs;
use std::os::unix::fs::MetadataExt;

use fake::{error, put};
use machine::{command, Machine};
use tackle_cli::numa::kernel::Kernel;
use tackle_cli::numa::row::Row;
use tackle_cli::numa::source::{Level, Statistics};
use tackle_cli::numa::{stat, NumaCommand};

const TASKS: &str = "\
pid=7 tgid=7 comm=a\\040b faults=10 pages=12 local=3 shared=4 migrated=6 stall_ns=1500 group=5 \
cgroup=1 preferred=1 mem=0:3,1:9 cpu=1:12 news=3 moved=1>0:6
pid=9 tgid=8 comm=dd faults=2 pages=2 local=2 preferred=0 mem=0:2 cpu=0:2
pid=others tgid=0 comm=- faults=1 pages=1
";

fn words(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines().map(|line| line.split_whitespace().collect());
    lines.collect()
}

fn rows(machine: &Machine, words: &str) -> anyhow::Result<(Level, Vec<Row>)> {
    let NumaCommand::Stat(request) = command(words);
    let statistics = Statistics::open(&machine.fake.roots)?;
    Ok((request.level(), request.rows(&statistics)?))
}

fn table(machine: &Machine, words: &str) -> String {
    let (level, rows) = rows(machine, words).unwrap();
    stat::text(level, &rows)
}

#[test]
fn tasks_have_a_row_each() {
    let machine = Machine::with_modules(2, TASKS);
    let text = table(&machine, "stat --task");
    let lines = words(&text);
    assert_eq!(
        lines[0][..5],
        ["PID", "PROCESS", "COMMAND", "GROUP", "PREFERRED"]
    );
    assert_eq!(lines[0][12..], ["NODE", "0", "NODE", "1"]);
    let expected = [
        "7", "7", "a", "b", "5", "1", "12", "25%", "4", "6", "0", "1.50", "us", "0", "ns", "3", "9",
    ];
    assert_eq!(lines[1], expected);
    assert_eq!(lines[3][..5], ["others", "0", "-", "-", "-"]);
    let (_, all) = rows(&machine, "stat --task").unwrap();
    let json = serde_json::to_value(&all).unwrap();
    assert_eq!(json[0]["comm"], "a b");
    assert_eq!(json[0]["mem"]["1"], 9);
    assert_eq!(json[0]["moved"][0]["from"], 1);
    assert_eq!(json[0]["news"], 3);
    machine.run("stat --task --json").unwrap();
}

#[test]
fn rows_are_selected_by_number_or_name() {
    let machine = Machine::with_modules(2, TASKS);
    let count = |words| rows(&machine, words).map(|(_, rows)| rows.len());
    assert_eq!(count("stat --task 9").unwrap(), 1);
    assert_eq!(count("stat --task 9 a").unwrap(), 2);
    let text = error(count("stat --task 8"));
    assert_eq!(text, "no NUMA hinting fault was counted of the task \"8\"");
}

#[test]
fn nodes_have_a_column_each() {
    let machine = Machine::with_modules(2, "");
    put(
        machine.stat("nodes"),
        "node=0 pages=10 stall_max_ns=7\nnode=1 pages=5 stall_max_ns=9 local=1\n",
    );
    let text = table(&machine, "stat");
    let lines = words(&text);
    assert_eq!(lines[0], ["NODE", "0", "NODE", "1", "TOTAL"]);
    assert_eq!(
        lines[1..3],
        [["pages", "10", "5", "15"], ["local", "0", "1", "1"]]
    );
    // The longest time is no sum.
    assert_eq!(lines[3], ["stall_max_ns", "7", "9", "9"]);
    assert_eq!(
        table(&machine, "stat --process"),
        "no NUMA hinting fault was counted"
    );
}

#[test]
fn groups_processes_and_cgroups_have_their_names() {
    let machine = Machine::with_modules(2, "");
    fs::create_dir_all(machine.sys("fs/cgroup/system.slice")).unwrap();
    let id = fs::metadata(machine.sys("fs/cgroup/system.slice"))
        .unwrap()
        .ino();
    put(
        machine.stat("cgroups"),
        &format!("cgroup={id} pages=3\ncgroup=1 pages=4\n"),
    );
    put(machine.stat("groups"), "group=5 pages=3\n");
    put(machine.stat("processes"), "tgid=7 comm=cat pages=3\n");
    let text = table(&machine, "stat --cgroup");
    let lines = words(&text);
    assert_eq!(lines[1][..3], [&id.to_string(), "/system.slice", "3"]);
    // It was removed.
    assert_eq!(lines[2][..3], ["1", "-", "4"]);
    assert_eq!(
        words(&table(&machine, "stat --cgroup system"))[1..].len(),
        1
    );
    assert_eq!(words(&table(&machine, "stat --group"))[1][..2], ["5", "3"]);
    assert_eq!(
        words(&table(&machine, "stat --process"))[1][..3],
        ["7", "cat", "3"]
    );
}

#[test]
fn a_scheduler_that_does_not_scan_is_named() {
    let machine = Machine::with_modules(2, "");
    let warnings = || Kernel::read(&machine.fake.roots).unwrap().warnings();
    put(machine.sys("kernel/sched_ext/state"), "disabled\n");
    assert!(warnings().is_empty());
    put(machine.sys("kernel/sched_ext/state"), "enabled\n");
    put(machine.sys("kernel/sched_ext/root/ops"), "rusty\n");
    put(machine.sys("kernel/sched_ext/switch_all"), "1\n");
    assert_eq!(
        warnings(),
        ["the sched_ext scheduler rusty is enabled: the kernel does not scan tasks for NUMA balancing"]
    );
}
