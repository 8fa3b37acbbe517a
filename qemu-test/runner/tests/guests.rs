// SPDX-License-Identifier: GPL-2.0

//! Tests how guests are booted and followed. A shell script replaces QEMU and writes the output of
//! a guest.

mod fake;

use std::time::{Duration, Instant};

use fake::Fake;
use tackle_qemu::interrupt::Interrupted;
use tackle_qemu::report::{Cause, Failure, TestResult, Verdict};

/// The lines of a suite of three tests, up to the first test.
const HEAD: &str = r"say 'KTAP version 1'; say '1..1'; say '  KTAP version 1'; say '  1..3'";

/// The limit of silence for a guest that hangs.
const HANG: Duration = Duration::from_secs(3);

fn failure<'a>(results: &'a [TestResult], name: &str) -> &'a Failure {
    let found = results.iter().find(|result| result.name == name);
    match found.map(|result| &result.verdict) {
        Some(Verdict::Failed(failure)) => failure,
        _ => panic!("{name} did not fail: {results:#?}"),
    }
}

fn names(results: &[TestResult]) -> Vec<&str> {
    results.iter().map(|result| result.name.as_str()).collect()
}

#[test]
fn a_good_guest() {
    let results = Fake::new(&format!(
        r"log 'Linux version'; {HEAD}
        say '  # begin one'; say '  ok 1 one'
        say '  # begin hooks::two'; say '  ok 2 hooks::two # SKIP one node only'
        say '  # begin three'; say '  # a note: 3'; say '  # hooks: 3 rounds'; say '  ok 3 three'
        say 'ok 1 hooks'"
    ))
    .suite();
    assert_eq!(names(&results), ["one", "two", "three"]);
    assert_eq!(results[0].verdict, Verdict::Passed);
    assert_eq!(
        results[1].verdict,
        Verdict::Skipped("one node only".to_owned())
    );
    assert_eq!(results[2].verdict, Verdict::Passed);
    assert_eq!(results[2].figures, ["hooks: 3 rounds"]);
    assert!(results[2].render().ends_with("s)\n     hooks: 3 rounds"));
    assert_eq!(
        (results[0].suite.as_str(), results[0].place.as_str()),
        ("hooks", "fake")
    );
}

#[test]
fn a_test_that_fails_says_why() {
    let results = Fake::new(&format!(
        r"{HEAD}
        say '  # begin one'; say '  # expected 3 calls, saw 2'; say '  not ok 1 one'
        say '  # begin two'; say '  ok 2 two'; say '  # begin three'; say '  ok 3 three'
        say 'not ok 1 hooks'"
    ))
    .suite();
    assert_eq!(names(&results), ["one", "two", "three"]);
    let failure = failure(&results, "one");
    assert_eq!(
        (failure.cause, failure.reason.as_str()),
        (Cause::Reported, "expected 3 calls, saw 2")
    );
}

#[test]
fn a_crash_fails_the_test_that_ran_and_those_that_did_not() {
    let results = Fake::new(&format!(
        r"{HEAD}; say '  # begin one'; say '  ok 1 one'; say '  # begin two'; sleep 1
        log 'BUG: kernel NULL pointer dereference, address: 0000000000000000'
        log 'Oops: Oops: 0000 [#1] SMP'; log 'Call Trace:'; log ' bad_function+0x1/0x2'
        log 'Kernel panic - not syncing: Fatal exception'"
    ))
    .suite();
    assert_eq!(names(&results), ["one", "two", "test 3 of 3"]);
    assert_eq!(results[0].verdict, Verdict::Passed);
    let crash = failure(&results, "two");
    assert_eq!(crash.cause, Cause::Crash);
    assert!(
        crash.reason.starts_with("kernel crash: BUG: kernel NULL"),
        "{}",
        crash.reason
    );
    assert!(crash
        .details
        .iter()
        .any(|line| line.contains("bad_function")));
    assert!(crash
        .details
        .iter()
        .any(|line| line.contains("Kernel panic")));
    assert_eq!(failure(&results, "test 3 of 3").cause, Cause::NotRun);
}

#[test]
fn a_panic_that_does_not_end_qemu_is_not_waited_for() {
    let fake = Fake::new(&format!(
        r"{HEAD}; say '  # begin one'; sleep 1; log 'Kernel panic - not syncing: stuck'; sleep 600"
    ));
    let start = Instant::now();
    let results = fake.silence(Duration::from_secs(300)).suite();
    assert!(start.elapsed() < Duration::from_secs(60));
    assert_eq!(failure(&results, "one").cause, Cause::Crash);
}

#[test]
fn a_warning_fails_a_test_that_says_it_passed() {
    let results = Fake::new(&format!(
        r"{HEAD}; say '  # begin one'; say '  ok 1 one'
        say '  # begin two'; sleep 1
        log '------------[ cut here ]------------'
        log 'WARNING: CPU: 0 PID: 77 at kernel/x.c:1 f+0x1/0x2'; log 'Call Trace:'
        log '---[ end trace 0000000000000000 ]---'; log 'unrelated'
        say '  ok 2 two'; say '  # begin three'; say '  ok 3 three'; say 'ok 1 hooks'"
    ))
    .suite();
    assert_eq!(names(&results), ["one", "two", "three"]);
    let warning = failure(&results, "two");
    assert_eq!(warning.cause, Cause::Warning);
    assert_eq!(warning.details.len(), 4, "{:?}", warning.details);
    assert_eq!(results[2].verdict, Verdict::Passed);
}

#[test]
fn a_warning_between_the_tests_is_not_lost() {
    let results = Fake::new(
        r"say 'KTAP version 1'; say '1..1'; say '  KTAP version 1'; say '  1..1'
        say '  # begin one'; say '  ok 1 one'; say 'ok 1 hooks'; sleep 1
        log 'WARNING: possible circular locking dependency detected'",
    )
    .suite();
    assert_eq!(names(&results), ["one", "(kernel log)"]);
    let warning = failure(&results, "(kernel log)");
    assert!(
        warning.reason.starts_with("after one: kernel warning: "),
        "{}",
        warning.reason
    );
}

#[test]
fn a_warning_before_the_tests_is_not_lost() {
    let results = Fake::new(
        r"log 'WARNING: arch/x86/x.c:1 at f+0x1/0x2'; sleep 1
        say 'KTAP version 1'; say '1..1'; say '  KTAP version 1'; say '  1..1'
        say '  # begin one'; say '  ok 1 one'; say 'ok 1 hooks'",
    )
    .suite();
    assert_eq!(names(&results), ["one", "(kernel log)"]);
    let reason = &failure(&results, "(kernel log)").reason;
    assert!(
        reason.starts_with("before the first test: kernel warning: "),
        "{reason}"
    );
}

#[test]
fn programs_may_talk_of_warnings() {
    let results = Fake::new(
        r"print 'WARNING: said tc'; say 'KTAP version 1'; say '1..1'; say '  KTAP version 1'
        say '  1..1'; say '  # begin one'; say '  ok 1 one'; say 'ok 1 hooks'",
    )
    .suite();
    assert_eq!(names(&results), ["one"]);
    assert_eq!(results[0].verdict, Verdict::Passed);
}

#[test]
fn a_hang_is_ended() {
    let start = Instant::now();
    let results = Fake::new(&format!(
        r"{HEAD}; say '  # begin one'; say '  # about to sleep'; log 'last words'; sleep 600"
    ))
    .silence(HANG)
    .suite();
    assert!(start.elapsed() < Duration::from_secs(60));
    assert_eq!(names(&results), ["one", "test 2 of 3", "test 3 of 3"]);
    let hang = failure(&results, "one");
    assert_eq!(hang.cause, Cause::Hang);
    assert!(
        hang.reason.starts_with("hang: no output for 3 s"),
        "{}",
        hang.reason
    );
    assert!(hang.details.iter().any(|line| line.contains("last words")));
    assert!(hang
        .details
        .iter()
        .any(|line| line.contains("about to sleep")));
}

#[test]
fn a_boot_that_hangs_is_begun_again_once() {
    let good = r"say 'KTAP version 1'; say '1..1'; say '  KTAP version 1'; say '  1..1'
        say '  # begin one'; say '  # hooks: 3 rounds'; say '  ok 1 one'; say 'ok 1 hooks'";
    let fake = Fake::new(&format!(
        r#"log 'Linux version'
        [ -f "$dir/booted" ] || {{ : >"$dir/booted"; sleep 600; }}
        {good}"#
    ))
    .silence(HANG);
    let results = fake.suite();
    assert_eq!(names(&results), ["one"]);
    assert_eq!(
        results[0].figures,
        [
            "hooks: booted twice, as the first boot was a hang: no output for 3 s after \
             \"[   12.345678] Linux version\"",
            "hooks: 3 rounds"
        ]
    );
    let logs = fake.dir().join("logs");
    assert!(logs.join("console.log").exists() && logs.join("again/console.log").exists());
}

#[test]
fn a_boot_that_hangs_twice_or_with_a_report_is_a_failure() {
    let counted = r#"echo >>"$dir/boots"; log 'Linux version'"#;
    let boots = |fake: &Fake| {
        let boots = std::fs::read_to_string(fake.dir().join("boots")).unwrap();
        boots.lines().count()
    };
    let fake = Fake::new(&format!("{counted}; sleep 600")).silence(HANG);
    let results = fake.suite();
    assert_eq!(failure(&results, "(guest)").cause, Cause::Hang);
    assert!(results[0].figures[0].contains("booted twice"));
    assert_eq!(boots(&fake), 2);

    let fake = Fake::new(&format!(
        "{counted}; log 'WARNING: arch/x86/x.c:1 at f+0x1/0x2'; sleep 600"
    ))
    .silence(HANG);
    let results = fake.suite();
    assert_eq!(failure(&results, "(guest)").cause, Cause::Hang);
    assert_eq!(boots(&fake), 1);
}

#[test]
fn a_hang_after_the_last_test_is_a_failure_too() {
    let results = Fake::new(
        r"say 'KTAP version 1'; say '1..1'; say '  KTAP version 1'; say '  1..1'
        say '  # begin one'; say '  ok 1 one'; say 'ok 1 hooks'; sleep 600",
    )
    .silence(HANG)
    .suite();
    assert_eq!(names(&results), ["one", "(guest)"]);
    assert_eq!(failure(&results, "(guest)").cause, Cause::Hang);
}

#[test]
fn a_guest_that_talks_for_ever_is_ended() {
    let start = Instant::now();
    let fake = Fake::new(&format!(
        r"{HEAD}; say '  # begin one'; while :; do log 'again'; sleep 0.1; done"
    ));
    let results = fake.total(HANG).suite();
    assert!(start.elapsed() < Duration::from_secs(60));
    assert_eq!(failure(&results, "one").cause, Cause::Limit);
}

#[test]
fn a_guest_that_ends_early() {
    let results = Fake::new(&format!(r"{HEAD}; say '  # begin one'; say '  ok 1 one'")).suite();
    assert_eq!(names(&results), ["one", "test 2 of 3", "test 3 of 3"]);
    assert_eq!(failure(&results, "test 2 of 3").reason, "not run");

    let results = Fake::new("log 'Linux version'").suite();
    assert_eq!(names(&results), ["(suite)"]);
    assert_eq!(
        failure(&results, "(suite)").reason,
        "the guest ended without any results"
    );
}

#[test]
fn qemu_itself_fails() {
    let results = Fake::new("echo 'qemu: no such device' >&2; exit 1").suite();
    assert_eq!(names(&results), ["(guest)"]);
    let failure = failure(&results, "(guest)");
    assert_eq!(failure.cause, Cause::Ended);
    assert_eq!(failure.details, ["qemu: no such device"]);
}

#[test]
fn a_suite_must_have_tests() {
    let results = Fake::new(r"say 'KTAP version 1'; say '1..1'; say 'ok 1 hooks'").suite();
    assert_eq!(
        failure(&results, "(suite)").reason,
        "the suite has no tests"
    );
    let results =
        Fake::new(r"say 'KTAP version 1'; say '1..1'; say 'ok 1 hooks # SKIP no NUMA'").suite();
    assert_eq!(results[0].verdict, Verdict::Skipped("no NUMA".to_owned()));
}

#[test]
fn a_suite_that_fails_as_a_whole() {
    let results = Fake::new(
        r"say 'KTAP version 1'; say '1..1'; say '  KTAP version 1'; say '  1..1'
        say '  ok 1 one'; say '# clean-up went wrong'; say 'not ok 1 hooks'",
    )
    .suite();
    assert_eq!(names(&results), ["one", "(suite)"]);
}

#[test]
fn results_out_of_order_are_a_failure() {
    let results = Fake::new(&format!(
        r"{HEAD}; say '  ok 1 one'; say '  ok 3 three'; say 'ok 1 hooks'"
    ))
    .suite();
    assert_eq!(failure(&results, "(ktap)").details.len(), 2);
}

#[test]
fn an_interrupt_ends_qemu() {
    let fake = Fake::new("echo $$ >\"$dir/pid\"; sleep 600");
    fake.interrupt.set();
    let error = fake.run().unwrap_err();
    assert!(error.is::<Interrupted>(), "{error}");
}

#[test]
fn the_children_of_qemu_end_with_it() {
    let fake = Fake::new(r#"sleep 600 & echo $! >"$dir/pid"; log up; sleep 600"#).silence(HANG);
    let pid = fake.dir().join("pid");
    fake.suite();
    let pid = std::fs::read_to_string(pid).unwrap();
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    // The process has been killed. It may not have ended yet, or it may be a zombie that init has
    // not reaped.
    let start = Instant::now();
    while state().is_ok_and(|state| !state.contains(") Z ")) {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "process {pid} is alive"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A suite of one test.
const ONE: &str = r"say 'KTAP version 1'; say '1..1'; say '  KTAP version 1'; say '  1..1'
    say '  # begin one'; say '  ok 1 one'; say 'ok 1 hooks'";

/// Returns a guest that counts its boots in the file `boots`, and runs the script `wait` when it
/// should wait for work.
fn guest_that_waits(wait: &str) -> Fake {
    Fake::new(&format!(
        r#"echo "$words" >>"$dir/boots"
        if [ "$words" = wait ]; then {wait}; exit; fi
        {ONE}"#
    ))
    .config("CONFIG_VMGENID=y\n")
    .templates()
    .silence(HANG)
}

fn boots(fake: &Fake) -> Vec<String> {
    let boots = std::fs::read_to_string(fake.dir().join("boots")).unwrap();
    boots.lines().map(str::to_owned).collect()
}

/// A guest that cannot be saved boots instead. Only the lock file remains of the attempt.
#[test]
fn a_guest_that_cannot_be_saved_boots() {
    for wait in [
        // The guest ends before it waits for work.
        "exit 1",
        "log 'Kernel panic - not syncing: no root'; exit 0",
        // The guest never waits for work.
        "sleep 600",
        // The guest ends while it is saved.
        "say 'tackle: ready'; sleep 0.3; exit 1",
    ] {
        let fake = guest_that_waits(wait);
        let results = fake.suite();
        assert_eq!(names(&results), ["one"], "{wait}");
        assert_eq!(results[0].verdict, Verdict::Passed, "{wait}");
        assert_eq!(boots(&fake), ["wait", "run,hooks"], "{wait}");
        let left = std::fs::read_dir(fake.template_dir()).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert!(
            left.len() == 1 && left[0].to_string_lossy().ends_with(".lock"),
            "{wait}: {left:?}"
        );
        // The same run does not try to make the template again.
        fake.suite();
        assert_eq!(boots(&fake), ["wait", "run,hooks", "run,hooks"], "{wait}");
    }
}

#[test]
fn a_kernel_that_would_share_random_numbers_boots() {
    let fake = guest_that_waits("exit 1").config("");
    let results = fake.suite();
    assert_eq!(results[0].verdict, Verdict::Passed);
    assert_eq!(boots(&fake), ["run,hooks"]);
}
