// SPDX-License-Identifier: GPL-2.0

//! Tests the traps of the suite `rig`: each accepts the failure that it is made for and no other
//! failure.

mod fake;

use std::time::Duration;

use fake::Fake;
use tackle_qemu::report::{TestResult, Verdict};
use tackle_qemu::rig::TRAPS;

const HEAD: &str = r"say 'KTAP version 1'; say '1..1'; say '  KTAP version 1'; say '  1..1'
    say '  # begin trap'; sleep 1";

fn guests() -> Vec<(&'static str, Vec<TestResult>)> {
    let leaks = "say '  # unreferenced object 0xffff888003d3c000 (size 1000):'
        say '  #     rig_leak+0x5c/0x70 [rig_bug]'
        log 'kmemleak: 16 new suspected memory leaks (see /sys/kernel/debug/kmemleak)'";
    let kasan = "log 'BUG: KASAN: slab-use-after-free in rig_use_after_free+0x1/0x2 [rig_bug]'";
    let lockdep = "log 'WARNING: possible circular locking dependency detected'
        log ' rig_inversion+0x5c/0x70 [rig_bug]'";
    let passes = "say '  ok 1 trap'; say 'ok 1 s'";
    let fails = "say '  not ok 1 trap'; say 'not ok 1 s'";
    let bodies = [
        (
            "fail-expectation",
            format!("say '  # expected no processor, got 0-1'; {fails}"),
        ),
        (
            "fail-bug",
            "log 'BUG: kernel NULL pointer dereference, address: 0'
             log 'RIP: 0010:rig_oops+0x1/0x2 [rig_bug]'; log 'Kernel panic - not syncing'"
                .to_owned(),
        ),
        ("fail-hang", "sleep 600".to_owned()),
        (
            "fail-warn",
            format!("log '[ cut here ]'; log 'rig_bug: a warning on purpose'; log 'WARNING: x.c:1 at x'; {passes}"),
        ),
        ("fail-leak", format!("{leaks}; {fails}")),
        ("fail-use-after-free", format!("{kasan}; {fails}")),
        ("fail-inversion", format!("{lockdep}; {passes}")),
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
                *name == trap.suite.name,
                "{} {name}: {verdict:?}",
                trap.suite.name
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
            trap.suite.name
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
            trap.suite.name
        );
        assert!(
            matches!(trap.judge(&[]), Verdict::Failed(_)),
            "{}",
            trap.suite.name
        );
    }
}

#[test]
fn a_trap_is_sprung_where_it_can_be() {
    let (plain, kasan) = (Fake::new(""), Fake::new("").config("CONFIG_KASAN=y\n"));
    let kernels = [plain.kernel(), kasan.kernel()];
    let place = |suite: &str, kernels| {
        let trap = TRAPS.iter().find(|trap| trap.suite.name == suite).unwrap();
        trap.place(kernels).unwrap().cloned()
    };
    assert_eq!(place("fail-bug", &kernels[..]), Some(kernels[0].clone()));
    assert_eq!(
        place("fail-use-after-free", &kernels[..]),
        Some(kernels[1].clone())
    );
    assert_eq!(place("fail-use-after-free", &kernels[..1]), None);
    assert_eq!(place("fail-leak", &kernels[..]), None);
}
