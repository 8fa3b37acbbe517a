// SPDX-License-Identifier: GPL-2.0

//! Tests `tackle numa top` on a fake machine, whose files are in a folder.

mod fake;
mod machine;

use std::fs;

use fake::{error, put};
use machine::{command, is_command, words, Machine, TASKS};
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::KeyCode;
use ratatui::Terminal;
use tackle_cli::numa::order::Sort;
use tackle_cli::numa::top::{Request, Top};
use tackle_cli::numa::{screen, NumaCommand};

fn request(words: &str) -> Request {
    let NumaCommand::Top(request) = command(words) else {
        panic!("{words} is not top");
    };
    request
}

#[test]
fn top_shows_what_happened_since() {
    let machine = Machine::with_modules(2, TASKS);
    let request = request("top --sort stall");
    let top = Top::open(&machine.fake.roots, &request).unwrap();
    let first = top.first(&request).unwrap();
    assert_eq!(first.tasks.len(), 3);
    assert!(first.tasks[0].rates.is_none());
    put(
        machine.stat("tasks"),
        "pid=7 tgid=7 comm=ab faults=30 pages=32 local=3 mem=0:3,1:29 \
                                migrated=6 stall_ns=1500\npid=9 tgid=8 comm=dd faults=2 pages=2 \
                                local=2 mem=0:2\n",
    );
    let second = top.next(&first).unwrap();
    // Only the task with new faults is shown.
    assert_eq!(second.tasks.len(), 1);
    let line = &second.tasks[0];
    let seconds = second.sample.since(&first.sample).unwrap().as_secs_f64();
    let faults = line.rates.unwrap().faults * seconds;
    assert!((faults - 20.0).abs() < 0.001, "{faults}");
    assert_eq!(line.local, Some(0.0));
    assert_eq!(
        line.memory.clone().into_iter().collect::<Vec<_>>(),
        [(1, 20)]
    );
}

#[test]
fn top_shows_only_what_was_asked_for() {
    let machine = Machine::with_modules(2, TASKS);
    machine.task(7, 7, "0-7");
    machine.task(8, 8, "0-7");
    machine.task(9, 8, "0-7");
    fs::create_dir_all(machine.sys("fs/cgroup/a")).unwrap();
    let shown = |words: &str| {
        let request = request(words);
        let top = Top::open(&machine.fake.roots, &request)?;
        let view = top.first(&request)?;
        let pids = view.tasks.iter().map(|line| line.row.text("pid").unwrap());
        anyhow::Ok(pids.collect::<Vec<_>>().join(" "))
    };
    assert_eq!(shown("top").unwrap(), "7 9 others");
    assert_eq!(shown("top --reverse").unwrap(), "others 9 7");
    assert_eq!(shown("top --pid 9").unwrap(), "9");
    assert_eq!(shown("top --tgid 8").unwrap(), "9");
    assert_eq!(shown("top --comm a").unwrap(), "7");
    assert_eq!(shown("top --cgroup /a").unwrap(), "");
    assert_eq!(error(shown("top --pid 10")), "no task 10");
    assert_eq!(
        error(shown("top --tgid 9")),
        "9 is no process: it is a thread of process 8"
    );
    assert!(error(shown("top --cgroup /b")).starts_with("no cgroup \"/b\""));
    for wrong in [
        "top --sort colour",
        "top --count 0",
        "top --interval 0",
        "top --pid x",
    ] {
        assert!(!is_command(wrong), "{wrong}");
    }
}

#[test]
fn top_prints_plain_tables() {
    let machine = Machine::with_modules(2, TASKS);
    put(machine.stat("nodes"), "node=0 pages=10 cpu=1:10\nnode=1\n");
    let request = request("top --batch --count 2 --interval 0.1");
    let top = Top::open(&machine.fake.roots, &request).unwrap();
    let mut out = Vec::new();
    request.batch(&top, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.matches("FROM CPUS OF").count(), 2, "{text}");
    // No counter has changed between the readings.
    assert_eq!(text.matches("no task has had").count(), 2, "{text}");
    let first = top.first(&request).unwrap();
    let text = screen::plain(&first.tasks, &first.nodes);
    let lines = words(&text);
    let task = lines
        .iter()
        .find(|line| line[..] != [""; 0] && line[0] == "7")
        .unwrap();
    assert_eq!(task[3..5], ["5", "1"], "{text}");
    assert!(task.contains(&"1:75%"), "{text}");
}

#[test]
fn the_screen_shows_nodes_and_tasks() {
    let machine = Machine::with_modules(2, TASKS);
    put(machine.proc("sys/kernel/numa_balancing"), "0\n");
    put(machine.stat("nodes"), "node=0 pages=10 cpu=1:10\nnode=1\n");
    let request = request("top");
    let top = Top::open(&machine.fake.roots, &request).unwrap();
    let mut view = top.first(&request).unwrap();
    let mut terminal = Terminal::new(TestBackend::new(150, 20)).unwrap();
    terminal.draw(|frame| screen::draw(frame, &view)).unwrap();
    let text = terminal.backend().to_string();
    for part in [
        "kernel.numa_balancing=1",
        "1:100%",
        "a b",
        "MIGRATED/s",
        "sorted by faults",
    ] {
        assert!(text.contains(part), "no {part} in:\n{text}");
    }
    view.key(KeyCode::Char('>'));
    view.key(KeyCode::Right);
    assert_eq!(view.sort, Sort::Local);
    view.key(KeyCode::Char('r'));
    let first = view.tasks[0].row.text("pid");
    assert_eq!(first.as_deref(), Some("9"));
}
