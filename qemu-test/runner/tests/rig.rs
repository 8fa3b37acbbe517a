// SPDX-License-Identifier: GPL-2.0

//! The traps of the rig: each is satisfied by the failure it stands for and by no other.

mod fake;

use std::time::Duration;

use fake::Fake;
use tackle_qemu::report::{TestResult, Verdict};
use tackle_qemu::rig::TRAPS;

const HEAD: &str = r"say 'KTAP version 1'; say '1..1'; say '  KTAP version 1'; say '  1..1'
    say '  # begin trap'; sleep 1";

fn guests() -> Vec<(&'static str, Vec<TestResult>)> {
    let bodies = [
        (
            "fail-expectation",
            "say '  # expected 2, got 1'; say '  not ok 1 trap'; say 'not ok 1 s'",
        ),
        (
            "fail-bug",
            "log 'sysrq: Trigger a crash'; log 'Kernel panic - not syncing: sysrq'",
        ),
        ("fail-hang", "sleep 600"),
        (
            "fail-warn",
            "log 'WARNING: CPU: 0 PID: 1 at x'; say '  ok 1 trap'; say 'ok 1 s'",
        ),
    ];
    let run = |(name, body)| {
        let limit = if name == "fail-hang" { 3 } else { 60 };
        let fake = Fake::new(&format!("{HEAD}; {body}")).silence(Duration::from_secs(limit));
        (name, fake.suite())
    };
    bodies.into_iter().map(run).collect()
}

#[test]
fn each_trap_takes_its_own_failure_only() {
    let guests = guests();
    for trap in TRAPS {
        for (name, results) in &guests {
            let verdict = trap.judge(results);
            assert_eq!(
                verdict == Verdict::Passed,
                *name == trap.suite,
                "{} {name}: {verdict:?}",
                trap.suite
            );
        }
    }
}

#[test]
fn a_second_failure_is_not_overlooked() {
    let body = "say '  # expected 2, got 1'; say '  not ok 1 trap'; say 'not ok 1 s'; sleep 1";
    let crash = "log 'Kernel panic - not syncing: Attempted to kill init!'";
    let results = Fake::new(&format!("{HEAD}; {body}; {crash}")).suite();
    for trap in TRAPS {
        assert!(
            matches!(trap.judge(&results), Verdict::Failed(_)),
            "{}",
            trap.suite
        );
    }
}

#[test]
fn a_guest_that_passes_is_no_failure() {
    let good = Fake::new(&format!("{HEAD}; say '  ok 1 trap'; say 'ok 1 s'")).suite();
    for trap in TRAPS {
        assert!(
            matches!(trap.judge(&good), Verdict::Failed(_)),
            "{}",
            trap.suite
        );
        assert!(
            matches!(trap.judge(&[]), Verdict::Failed(_)),
            "{}",
            trap.suite
        );
    }
}
