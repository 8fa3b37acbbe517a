// SPDX-License-Identifier: GPL-2.0

//! Tests `tackle numa wakeups` on a fake machine, whose files are in a folder.

mod fake;
mod machine;

use fake::{error, put};
use machine::{words, Machine};
use tackle_cli::numa::source::Statistics;
use tackle_cli::numa::wakeups;

const WAKEUPS: &str = "\
waker=7 waker_tgid=7 waker_comm=a\\040b wakee=9 wakee_tgid=8 wakee_comm=12 waker_node=0 \
wakee_node=1 count=3
waker=others count=90
waker=interrupt wakee=9 wakee_tgid=8 wakee_comm=12 waker_node=0 wakee_node=1 count=40
";

fn machine(wakeups: &str, totals: &str) -> Machine {
    let machine = Machine::with_modules(2, "");
    put(machine.stat("wakeups"), wakeups);
    put(machine.stat("total"), totals);
    machine
}

fn table(machine: &Machine) -> String {
    let statistics = Statistics::open(&machine.fake.roots).unwrap();
    let rows = wakeups::read(&statistics).unwrap();
    wakeups::text(&rows, &statistics.totals().unwrap())
}

#[test]
fn the_most_frequent_pair_is_first_and_the_sum_of_others_last() {
    let totals = "wakeups 200\nwakeups_across 133\nwakeup_pairs_evicted 2\n";
    let machine = machine(WAKEUPS, totals);
    let text = table(&machine);
    let lines = words(&text);
    assert_eq!(
        text.lines().next(),
        Some("133 of 200 wake-ups were across nodes")
    );
    assert_eq!(
        lines[1],
        ["COUNT", "WAKER", "COMMAND", "NODE", "WAKES", "COMMAND", "NODE"]
    );
    assert_eq!(lines[2], ["40", "interrupt", "-", "0", "9", "12", "1"]);
    assert_eq!(lines[3], ["3", "7", "a", "b", "0", "9", "12", "1"]);
    assert_eq!(lines[4], ["90", "others", "-", "-", "-", "-", "-"]);
    machine.run("wakeups").unwrap();
    machine.run("wakeups --json").unwrap();
}

#[test]
fn json_has_names_as_text() {
    let machine = machine(WAKEUPS, "wakeups 1\n");
    let statistics = Statistics::open(&machine.fake.roots).unwrap();
    let json = serde_json::to_value(wakeups::read(&statistics).unwrap()).unwrap();
    assert_eq!(json[1]["waker"], 7);
    assert_eq!(json[1]["waker_comm"], "a b");
    assert_eq!(json[1]["wakee_comm"], "12");
    assert_eq!(json[0]["waker"], "interrupt");
}

#[test]
fn no_pair_is_a_line() {
    let machine = machine("", "wakeups 5\nwakeups_across 0\n");
    assert_eq!(table(&machine), "0 of 5 wake-ups were across nodes");
}

#[test]
fn a_module_that_does_not_count_wakeups_is_named() {
    let machine = Machine::with_modules(2, "");
    let text = error(machine.run("wakeups"));
    assert!(text.ends_with("'modprobe numa_stat wakeups=1'"), "{text}");
    let machine = Machine::new(2);
    put(machine.fake.roots.debugfs().join("tracing/README"), "");
    let text = error(machine.run("wakeups"));
    assert!(text.contains("modprobe numa_stat"), "{text}");
}
