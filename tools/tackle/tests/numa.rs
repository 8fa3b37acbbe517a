// SPDX-License-Identifier: GPL-2.0

//! Tests `tackle numa` on a fake machine, whose files are in a folder.

mod fake;
mod machine;

use std::fs;
use std::os::unix::fs::MetadataExt;

use fake::{error, get, put};
use machine::{command, is_command, words, Machine, TASKS};
use tackle_cli::numa::kernel::Kernel;
use tackle_cli::numa::nodes::nodes;
use tackle_cli::numa::row::Row;
use tackle_cli::numa::source::{Level, Statistics};
use tackle_cli::numa::topology::{kind, Kind};
use tackle_cli::numa::{stat, NumaCommand};

fn rows(machine: &Machine, words: &str) -> anyhow::Result<(Level, Vec<Row>)> {
    let NumaCommand::Stat(request) = command(words) else {
        panic!("{words} is not stat");
    };
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
    // The total of a maximum is the maximum, and no sum.
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
    // This cgroup was removed, so it has no path.
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
fn sixty_four_nodes_have_room() {
    let machine = Machine::with_modules(64, "");
    let mem: Vec<_> = (0..64).map(|node| format!("{node}:{}", node + 1)).collect();
    put(
        machine.stat("tasks"),
        &format!("pid=1 tgid=1 comm=x mem={}\n", mem.join(",")),
    );
    let text = table(&machine, "stat --task");
    assert!(text.contains("NODE 63"), "{text}");
    assert!(text.ends_with("64"), "{text}");
    let nodes = nodes(&machine.fake.roots).unwrap();
    assert_eq!((nodes.len(), nodes[63].distances[&0]), (64, 20));
    assert_eq!(kind(&nodes), Kind::Direct);
}

#[test]
fn a_module_that_is_not_loaded_is_named() {
    let machine = Machine::new(2);
    machine.task(7, 7, "0-7");
    fs::create_dir(machine.sys("kernel/debug/tracing")).unwrap();
    for (words, module) in [
        ("stat", "modprobe numa_stat"),
        ("top", "modprobe numa_stat"),
        ("off --pid 7", "modprobe numa_control"),
        ("prefer 7 1", "modprobe numa_control"),
        ("advise", "modprobe numa_balance advise=1"),
    ] {
        let text = error(machine.run(words));
        assert!(text.ends_with(module), "{words}: {text}");
    }
    machine.run("status").unwrap();
}

#[test]
fn switches_are_one_line() {
    let machine = Machine::with_modules(2, "");
    machine.task(7, 7, "0-7");
    machine.task(9, 7, "0-7");
    fs::create_dir_all(machine.sys("fs/cgroup/a/b")).unwrap();
    for (words, line) in [
        ("off --pid 9", "off pid=9"),
        ("on --tgid 7", "on tgid=7"),
        ("off --cgroup a/b", "off cgroup=/a/b"),
        ("on --all", "on all"),
    ] {
        fs::write(machine.control("switch"), "").unwrap();
        machine.run(words).unwrap();
        assert_eq!(machine.written(), [line, ""]);
    }
    for wrong in [
        "off",
        "off --pid 1 --tgid 1",
        "on --all --cgroup /a",
        "off --pid -1",
    ] {
        assert!(!is_command(wrong), "{wrong}");
    }
}

#[test]
fn a_node_is_preferred_or_not() {
    let machine = Machine::with_modules(2, "");
    machine.task(7, 7, "0-7");
    machine.run("prefer 7 1").unwrap();
    assert_eq!(machine.written(), ["", "7 1"]);
    fs::write(machine.control("prefer"), "").unwrap();
    machine.run("prefer 7 none").unwrap();
    assert_eq!(machine.written(), ["", "7 none"]);
    assert!(!is_command("prefer 7 nowhere"));
}

#[test]
fn what_is_wrong_changes_nothing() {
    let machine = Machine::with_modules(3, "");
    machine.task(7, 7, "0-3");
    machine.task(9, 7, "0-7");
    put(machine.sys("devices/system/node/node2/cpulist"), "\n");
    fs::create_dir_all(machine.sys("fs/cgroup")).unwrap();
    for (words, text) in [
        ("off --pid 99", "no task 99"),
        ("off --tgid 99", "no task 99"),
        ("off --tgid 9", "9 is no process"),
        ("off --cgroup /nowhere", "no cgroup \"/nowhere\""),
        ("off --cgroup ../..", "no cgroup \"../..\""),
        ("prefer 99 1", "no task 99"),
        ("prefer 99 none", "no task 99"),
        ("prefer 7 3", "no node 3; there are: 0, 1, 2"),
        ("prefer 7 2", "node 2 has no CPU"),
        ("prefer 7 1", "cat (7) may not run on node 1"),
    ] {
        let error = error(machine.run(words));
        assert!(error.starts_with(text), "{words}: {error}");
        assert_eq!(machine.written(), ["", ""], "{words}");
    }
}

#[test]
fn the_modules_own_refusal_is_printed() {
    let machine = Machine::with_modules(2, "");
    machine.task(7, 7, "0-7");
    fs::remove_file(machine.control("switch")).unwrap();
    let text = error(machine.run("off --pid 7"));
    assert!(text.starts_with("numa_control/switch refuses it"), "{text}");
    put(machine.control("error"), "too many rules\n");
    assert_eq!(error(machine.run("off --pid 7")), "too many rules");
}

#[test]
fn without_numa_nothing_is_changed() {
    let one = Machine::with_modules(1, "");
    let off = Machine::with_modules(2, "");
    fs::remove_file(off.proc("sys/kernel/numa_balancing")).unwrap();
    let none = Machine::with_modules(2, "");
    fs::remove_dir_all(none.sys("devices/system/node")).unwrap();
    for (machine, part) in [
        (&one, "one NUMA node"),
        (&off, "CONFIG_NUMA_BALANCING"),
        (&none, "no NUMA (CONFIG_NUMA)"),
    ] {
        machine.task(7, 7, "0-3");
        for words in ["off --pid 7", "on --all", "prefer 7 0"] {
            let text = error(machine.run(words));
            assert!(text.contains(part), "{words}: {text}");
        }
        assert_eq!(machine.written(), ["", ""]);
        let kernel = Kernel::read(&machine.fake.roots).unwrap();
        assert!(kernel.warnings()[0].contains(part), "{kernel:?}");
        machine.run("status").unwrap();
        machine.run("stat").unwrap();
    }
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

#[test]
fn a_topology_is_printed_and_drawn() {
    let machine = Machine::new(4);
    for (node, distances) in ["10 20 30 20", "20 10 20 30", "30 20 10 20", "20 30 20 10"]
        .iter()
        .enumerate()
    {
        put(
            machine.sys(&format!("devices/system/node/node{node}/distance")),
            distances,
        );
    }
    assert_eq!(
        kind(&nodes(&machine.fake.roots).unwrap()),
        Kind::GluelessMesh
    );
    let (svg, png) = (machine.sys("a"), machine.sys("b"));
    let words = format!(
        "topology --json --svg {} --png {}",
        svg.display(),
        png.display()
    );
    machine.run(&words).unwrap();
    let text = get(&svg);
    assert!(
        text.contains("GLUELESS_MESH") && text.contains("\n30\n"),
        "{text}"
    );
    assert!(fs::read(&png).unwrap().starts_with(b"\x89PNG"));
    let text = error(machine.run("topology --svg /nowhere/at/all.svg"));
    assert!(text.starts_with("cannot write"), "{text}");
}
