// SPDX-License-Identifier: GPL-2.0

//! Tests the program `tackle-qemu` as a process, with a fake QEMU first in PATH.

mod fake;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use fake::Fake;
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;

/// The first line of each fake guest: the probe fails, because the host may have a real `/dev/kvm`.
const PROBE: &str = "[ \"$words\" != probe ] || exit 1\n";

const GOOD: &str = r"say 'KTAP version 1'; say '1..1'; say '  KTAP version 1'; say '  1..1'
    say '  # begin one'; say '  ok 1 one'; say 'ok 1 hooks'";

fn command(fake: &Fake, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tackle-qemu"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::iter::once(fake.dir().to_owned()).chain(std::env::split_paths(&path));
    command.env("PATH", std::env::join_paths(dirs).unwrap());
    command
        .env("TACKLE_SILENCE", "60")
        .env_remove("TACKLE_LIMIT")
        .env_remove("TACKLE_CACHE");
    command
        .args(args)
        .arg("--build")
        .arg(fake.dir().join("build"));
    command
        .arg("--kernel")
        .arg(format!("fake={}", fake.dir().join("kernel").display()));
    command.stdin(Stdio::null());
    command
}

fn run(fake: &Fake, args: &[&str]) -> Output {
    command(fake, args).output().unwrap()
}

fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes)
        .lines()
        .map(str::to_owned)
        .collect()
}

fn run_dirs(fake: &Fake) -> Vec<PathBuf> {
    let entries = fs::read_dir(fake.dir().join("build/qemu")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_dir()).collect()
}

fn console_in(dir: &Path) -> bool {
    dir.join("fake/hooks/console.log").exists() || dir.join("fake/hooks/ktap.log").exists()
}

#[test]
fn success() {
    let fake = Fake::new(&format!("{PROBE}{GOOD}"));
    let output = run(&fake, &["test", "--suite", "hooks"]);
    let lines = lines(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(lines[0].starts_with("ok   hooks/one (fake, "), "{lines:?}");
    assert_eq!(lines.last().map(String::as_str), Some("1 passed, 0 failed"));
    assert!(run_dirs(&fake).is_empty(), "logs were left");
}

#[test]
fn success_with_logs_kept() {
    let fake = Fake::new(&format!("{PROBE}{GOOD}"));
    let output = run(&fake, &["test", "--suite", "hooks", "--keep"]);
    let dirs = run_dirs(&fake);
    assert!(dirs.len() == 1 && console_in(&dirs[0]), "{dirs:?}");
    let said = format!("logs: {}", dirs[0].canonicalize().unwrap().display());
    assert!(lines(&output.stdout).contains(&said), "{output:?}");
}

#[test]
fn failure() {
    let fake = Fake::new(&format!("{PROBE}{}", GOOD.replace("ok 1", "not ok 1")));
    let output = run(&fake, &["test", "--suite", "hooks"]);
    assert_eq!(output.status.code(), Some(1));
    let lines = lines(&output.stdout);
    assert!(
        lines.iter().any(|line| line.starts_with("FAIL hooks/one")),
        "{lines:?}"
    );
    assert!(
        lines.iter().any(|line| line.starts_with("logs: ")),
        "{lines:?}"
    );
    assert_eq!(lines.last().map(String::as_str), Some("0 passed, 1 failed"));
    assert_eq!(run_dirs(&fake).len(), 1);
}

#[test]
fn a_suite_that_a_kernel_cannot_run_is_skipped() {
    let fake = Fake::new(&format!("{PROBE}{GOOD}")).config("# CONFIG_KUNIT is not set\n");
    let output = run(&fake, &["test", "--suite", "kunit", "--suite", "hooks"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines = lines(&output.stdout);
    let skip = "skip kunit/(suite) (fake): the kernel has no CONFIG_KUNIT";
    assert!(lines.iter().any(|line| line == skip), "{lines:?}");
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("kunit ") && line.contains(" 0/0/1 in ")),
        "{lines:?}"
    );
    assert_eq!(lines.last().unwrap(), "1 passed, 0 failed, 1 skipped");
}

#[test]
fn suites_have_their_cpus_and_rounds() {
    let config = "CONFIG_KASAN=y\n";
    let body = "for arg; do echo \"$arg\"; done >>\"$dir/args\"";
    let fake = Fake::new(&format!("{PROBE}{body}; {GOOD}")).config(config);
    let output = run(&fake, &["test", "--suite", "stress", "--rounds", "12"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let args = fs::read_to_string(fake.dir().join("args")).unwrap();
    assert!(args.lines().any(|arg| arg == "4,sockets=2"), "{args}");
    assert!(
        args.contains("tackle.run=run,stress tackle.rounds=12 "),
        "{args}"
    );

    let output = run(&fake, &["test", "--suite", "stress", "--rounds", "0"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_wrong_suite_is_one_line_and_exit_2() {
    let fake = Fake::new("exit 1");
    let output = run(&fake, &["test", "--suite", "hook"]);
    assert_eq!(output.status.code(), Some(2));
    let lines = lines(&output.stderr);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].contains("\"hook\"") && lines[0].contains("there are checks, host, "),
        "{lines:?}"
    );
}

#[test]
fn a_missing_file_is_one_line() {
    let fake = Fake::new("exit 1");
    fs::remove_file(fake.dir().join("kernel/root.img")).unwrap();
    for args in [&["test", "--suite", "hooks"][..], &["demo"], &["shell"]] {
        let output = run(&fake, args);
        assert_eq!(output.status.code(), Some(2));
        let lines = lines(&output.stderr);
        assert!(
            lines.len() == 1 && lines[0].contains("root.img is missing"),
            "{lines:?}"
        );
    }
}

#[test]
fn a_demo() {
    let shown = "say 'hooks: 3 calls'; say 'demo: 5 of 5 shown'";
    let fake = Fake::new(&format!("{PROBE}log 'Linux version'; {shown}"));
    let output = run(&fake, &["demo"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(
        lines(&output.stdout),
        ["hooks: 3 calls", "demo: 5 of 5 shown"]
    );

    for (body, word) in [
        ("say 'demo: 4 of 5 shown'", "before all was shown"),
        ("sleep 600", "no output"),
        ("echo 'no memory' >&2; exit 1", "no memory"),
        (
            &format!("log 'WARNING: CPU: 0 PID: 1 at x'; {shown}"),
            "kernel warning",
        ),
    ] {
        let fake = Fake::new(&format!("{PROBE}{body}"));
        let limit = if word == "no output" { "3" } else { "60" };
        let output = command(&fake, &["demo"])
            .env("TACKLE_SILENCE", limit)
            .output()
            .unwrap();
        assert_ne!(output.status.code(), Some(0), "{body}");
        assert!(
            lines(&output.stderr).last().unwrap().contains(word),
            "{body}: {output:?}"
        );
    }
}

#[test]
fn a_shell_ends_with_its_guest() {
    let fake = Fake::new(&format!(
        "{PROBE}echo \"$words\"; read line; echo \"got $line\""
    ));
    let mut command = command(&fake, &["shell"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"exit\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(lines(&output.stdout), ["shell", "got exit"]);
}

#[test]
fn a_signal_ends_everything_and_leaves_nothing() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let fake = Fake::new(&format!("{PROBE}echo $$ >\"$dir/pid\"; sleep 600"));
        let mut command = command(&fake, &["test", "--suite", "hooks"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let pid = fake.dir().join("pid");
        let start = Instant::now();
        while !fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n')) {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "the guest was not started"
            );
            sleep(Duration::from_millis(20));
        }
        let runner = Pid::from_raw(child.id().try_into().unwrap());
        kill(runner, signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130));
        let guest = fs::read_to_string(&pid).unwrap();
        assert!(
            !Path::new("/proc").join(guest.trim()).exists(),
            "the guest lives on"
        );
        assert!(run_dirs(&fake).is_empty(), "files were left");
    }
}

#[test]
fn a_killed_runner_takes_the_guest_with_it() {
    let fake = Fake::new(&format!("{PROBE}echo $$ >\"$dir/pid\"; exec sleep 600"));
    let mut command = command(&fake, &["test", "--suite", "hooks"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let pid = fake.dir().join("pid");
    let start = Instant::now();
    while !fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n')) {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "the guest was not started"
        );
        sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let stat = Path::new("/proc")
        .join(fs::read_to_string(&pid).unwrap().trim())
        .join("stat");
    let alive = || fs::read_to_string(&stat).is_ok_and(|text| !text.contains(") Z "));
    let start = Instant::now();
    while alive() {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "the guest lives on"
        );
        sleep(Duration::from_millis(20));
    }
}
