// SPDX-License-Identifier: GPL-2.0

//! Runs the program `tackle` and tests what does not need a kernel with the modules.

use std::process::{Command, Output};

fn run(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tackle"));
    command.args(words).output().unwrap()
}

#[test]
fn a_wrong_command_line_is_refused() {
    for words in [
        &["patch", "enable"][..],
        &["patch", "enable", "a", "--no-wait", "--signal"],
        &["patch", "disable", "a", "--timeout", "soon"],
        &["hook", "add", "vfs_read", "guess"],
        &["hook", "del"],
        &["qdisc", "watch"],
        &["qdisc", "watch", "lo", "--once", "--json"],
        &["qdisc", "watch", "lo", "--interval", "0"],
        &["qdisc", "probe", "--rate", "10"],
        &["qdisc", "probe", "--flows", "0"],
        &["qdisc", "probe", "--output", "delay.gif"],
        &["numa", "off"],
        &["numa", "off", "--pid", "1", "--all"],
        &["numa", "stat", "--task", "--node"],
        &["numa", "top", "--sort", "colour"],
        &["numa", "prefer", "1", "nowhere"],
        &["numa", "unseen"],
        &["fault", "run"],
        &["fault", "run", "a.toml", "--module", "zram"],
        &["fault", "run", "a.toml", "--resume", "a"],
        &[
            "fault",
            "replay",
            "a.toml",
            "--operation",
            "load",
            "--point",
            "12",
        ],
    ] {
        let output = run(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{words:?}: {output:?}");
    }
}

#[test]
fn completions_are_for_all_commands() {
    let output = run(&["completions", "bash"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for word in [
        "complete -F",
        "enable",
        "watch",
        "--timeout",
        "latency",
        "qdisc",
        "--rtt",
        "topology",
        "--cgroup",
        "--journal",
    ] {
        assert!(text.contains(word), "no {word}");
    }
}

#[test]
fn a_missing_file_is_one_line() {
    let output = run(&["patch", "enable", "./no-such.ko"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.starts_with("tackle: ") && text.lines().count() == 1,
        "{text}"
    );
}

#[test]
fn a_task_that_is_not_there_is_one_line() {
    for words in [
        &["numa", "off", "--pid", "4294967295"][..],
        &["numa", "prefer", "4294967295", "0"],
        &["numa", "unseen", "--pid", "4294967295"],
        &["fault", "run", "./no-such.toml"],
        &["fault", "report", "./no-such"],
    ] {
        let output = run(words);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{words:?}: {text}");
        assert!(
            text.starts_with("tackle: ") && text.lines().count() == 1,
            "{words:?}: {text}"
        );
    }
}
