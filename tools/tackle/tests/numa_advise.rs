// SPDX-License-Identifier: GPL-2.0

//! Tests `tackle numa advise` on a fake machine, whose files are in a folder.

mod fake;
mod machine;

use fake::{error, put};
use machine::{command, words, Machine};
use tackle_cli::numa::advise::{text, Advice};
use tackle_cli::numa::NumaCommand;

const PLAN: &str = "\
ms=9 pid=7 tgid=7 comm=a\\040\\033b node=0 action=move target=1 \
reason=follows_memory why=follows its memory: 83 % of its faults are on node 1
ms=9 pid=8 tgid=8 comm=b node=1 preferred=1 action=swap target=0 with=9 news=3 reason=swap why=x
ms=9 pid=9 tgid=8 comm=c node=1 preferred=1 action=prefer target=1 reason=follows_memory why=y
ms=9 pid=10 tgid=10 comm=d node=0 action=stay reason=pinned why=is allowed to run on one node only
";

fn machine(plan: &str) -> Machine {
    let machine = Machine::new(2);
    put(machine.sys("kernel/debug/tackle/numa_balance/plan"), plan);
    machine
}

fn advice(machine: &Machine, words: &str) -> anyhow::Result<Vec<Advice>> {
    let NumaCommand::Advise(request) = command(words) else {
        panic!("{words} is not advise");
    };
    request.advice(&machine.fake.roots)
}

#[test]
fn tasks_that_move_have_a_row() {
    let machine = machine(PLAN);
    let all = advice(&machine, "advise").unwrap();
    assert_eq!(all.iter().map(|one| one.pid).collect::<Vec<_>>(), [7, 8]);
    assert_eq!(
        all[0].why,
        "follows its memory: 83 % of its faults are on node 1"
    );
    let text = text(&all);
    let lines = words(&text);
    assert_eq!(
        lines[0],
        ["PID", "COMMAND", "NODE", "PREFERRED", "ACTION", "WHY"]
    );
    // A task can give itself a name that would change the terminal.
    assert_eq!(all[0].comm, "a ?b");
    let line = ["7", "a", "?b", "0", "-", "move", "1", "follows"];
    assert_eq!(lines[1][..8], line);
    assert_eq!(
        lines[2],
        ["8", "b", "1", "1", "swap", "0,", "with", "9", "x"]
    );
    machine.run("advise").unwrap();
    machine.run("advise --json").unwrap();
}

#[test]
fn with_all_the_others_are_there_too() {
    let machine = machine(PLAN);
    let all = advice(&machine, "advise --all").unwrap();
    assert_eq!(all.len(), 4);
    assert_eq!((all[3].action.as_str(), all[3].target), ("stay", None));
}

#[test]
fn lines_that_cannot_be_read_are_errors() {
    for (plan, part) in [
        ("pid=7 node=0\n", "without a reason"),
        ("pid=x why=y\n", "no number: pid=x"),
        ("pid why=y\n", "not KEY=VALUE"),
    ] {
        let text = error(advice(&machine(plan), "advise"));
        assert!(text.contains(part), "{plan}: {text}");
    }
    assert!(advice(&machine(""), "advise").unwrap().is_empty());
    machine("").run("advise").unwrap();
}
