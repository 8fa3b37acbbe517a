// SPDX-License-Identifier: GPL-2.0

//! Implements the suite `host`: runs `cargo test` and reports each of its tests.

use std::collections::VecDeque;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::Result;
use regex::Regex;

use crate::follow::{run_logged, Limits, Listener};
use crate::process::command;
use crate::report::{Cause, Failure, TestResult, Verdict};
use crate::session::Session;
use crate::tail::Lines;

/// The name of the host in lists of results.
pub const PLACE: &str = "host";

/// The limits of `cargo test`. Building the tests and running a property test can each take minutes
/// without output.
pub const LIMITS: Limits = Limits {
    silence: Duration::from_secs(900),
    silence_in_test: Duration::from_secs(900),
    total: Duration::from_secs(3600),
};

/// The number of lines of cargo's output that are shown when cargo itself fails.
const TAIL: usize = 60;

/// Runs `cargo test --workspace` in the current directory.
///
/// # Errors
/// Fails when cargo cannot be started, a file cannot be written, or the user interrupts.
pub fn run(session: &Session, tell: &mut dyn FnMut(&TestResult)) -> Result<Vec<TestResult>> {
    let log = session.dir.subdir("host")?.join("cargo-test.log");
    let mut cargo = command("cargo");
    cargo
        .args(["test", "--workspace", "--no-fail-fast"])
        .env("CARGO_TERM_COLOR", "never");
    let mut output = CargoOutput::new(tell);
    let end = run_logged(cargo, &log, &LIMITS, &session.interrupt, &mut output)?;
    Ok(output.finish(end.fault()))
}

static TEST: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^test (.+) \.\.\. (ok|FAILED|ignored)(?:, (.*))?$"));
static RUNNING: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\s*Running .*\((?:.*/)?([^/]+?)(?:-[0-9a-f]{16})?\)$"));
static DOC: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*Doc-tests (\S+)$"));
static SUM: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^test result: .*?(\d+) passed; (\d+) failed; (\d+) ignored"));
static PROGRESS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^ *(Adding|Blocking|Checking|Compiling|Download(ed|ing)|Locking|Updating) ")
});
static OUTPUT_OF: LazyLock<Regex> = LazyLock::new(|| pattern(r"^---- (.+?)(?: stdout)? ----$"));

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a valid pattern")
}

/// Returns whether a line of cargo only shows progress, which is of no use in a report.
pub fn is_progress(line: &str) -> bool {
    PROGRESS.is_match(line)
}

/// Parses the output of cargo and the test programs.
pub struct CargoOutput<'a> {
    tell: &'a mut dyn FnMut(&TestResult),
    lines: Lines,
    results: Vec<TestResult>,
    /// The program whose tests are running.
    program: String,
    /// The number of tests of this program that have ended.
    seen: usize,
    /// The failed tests of this program. Their output comes after all tests have run.
    failed: Vec<(String, Vec<String>)>,
    /// The failed test whose output is being read.
    section: Option<usize>,
    recent: VecDeque<String>,
}

impl<'a> CargoOutput<'a> {
    /// Returns a parser that calls `tell` with each result as soon as it is known.
    pub fn new(tell: &'a mut dyn FnMut(&TestResult)) -> Self {
        Self {
            tell,
            lines: Lines::new(),
            results: Vec::new(),
            program: "cargo".to_owned(),
            seen: 0,
            failed: Vec::new(),
            section: None,
            recent: VecDeque::new(),
        }
    }

    /// Ends the run. `fault` describes a bad end of cargo.
    pub fn finish(mut self, fault: Option<String>) -> Vec<TestResult> {
        if let Some(line) = self.lines.finish() {
            self.line(&line);
        }
        let unfinished = self.seen > 0;
        self.flush();
        let failed = self
            .results
            .iter()
            .any(|result| matches!(result.verdict, Verdict::Failed(_)));
        // A failed test explains why cargo failed, unless the test program ended early.
        if let Some(fault) = fault.filter(|_| !failed || unfinished) {
            let recent = self.recent.iter().cloned().collect();
            let failure = Failure::new(Cause::Ended, format!("cargo test {fault}")).with(recent);
            self.result("(cargo)", Verdict::Failed(failure));
        }
        self.results
    }

    fn line(&mut self, line: &str) {
        if self.recent.len() == TAIL {
            self.recent.pop_front();
        }
        if !is_progress(line) {
            self.recent.push_back(line.to_owned());
        }
        if let Some(found) = RUNNING.captures(line).or_else(|| DOC.captures(line)) {
            self.flush();
            self.program = found[1].to_owned();
        } else if let Some(found) = SUM.captures(line) {
            let sum: usize = (1..=3)
                .filter_map(|group| found[group].parse::<usize>().ok())
                .sum();
            let seen = self.seen;
            self.flush();
            if sum != seen {
                let reason = format!("{sum} tests ran, but the results of {seen} could be read");
                let verdict = Verdict::Failed(Failure::new(Cause::Protocol, reason));
                self.result(&format!("{}::(sum)", self.program), verdict);
            }
        } else if let Some(found) = OUTPUT_OF.captures(line) {
            self.section = self.failed.iter().position(|(name, _)| *name == found[1]);
        } else if line == "failures:" {
            self.section = None;
        } else if let Some(section) = self.section {
            self.failed[section].1.push(line.to_owned());
        } else if let Some(found) = TEST.captures(line) {
            self.seen += 1;
            let reason = found.get(3).map_or("ignored", |text| text.as_str());
            let name = format!("{}::{}", self.program, &found[1]);
            match &found[2] {
                "ok" => self.result(&name, Verdict::Passed),
                "ignored" => self.result(&name, Verdict::Skipped(reason.to_owned())),
                _ => self.failed.push((found[1].to_owned(), Vec::new())),
            }
        }
    }

    /// Reports the failed tests of the program that has ended.
    fn flush(&mut self) {
        self.seen = 0;
        self.section = None;
        for (name, mut output) in std::mem::take(&mut self.failed) {
            while output.last().is_some_and(|line| line.trim().is_empty()) {
                output.pop();
            }
            let reason = output.iter().position(|line| line.contains("panicked at"));
            let reason = reason.and_then(|at| output.get(at + 1)).cloned();
            let reason = reason.unwrap_or_else(|| "failed".to_owned());
            let name = format!("{}::{name}", self.program);
            self.result(
                &name,
                Verdict::Failed(Failure::new(Cause::Reported, reason).with(output)),
            );
        }
    }

    fn result(&mut self, name: &str, verdict: Verdict) {
        let (suite, place) = ("host".to_owned(), PLACE.to_owned());
        let result = TestResult {
            suite,
            name: name.to_owned(),
            place,
            verdict,
            time: None,
            figures: Vec::new(),
        };
        (self.tell)(&result);
        self.results.push(result);
    }
}

impl Listener for CargoOutput<'_> {
    fn heard(&mut self, console: &[u8], _second: &[u8]) -> Result<()> {
        for line in self.lines.push(console) {
            self.line(&line);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, fault: Option<&str>) -> Vec<TestResult> {
        let mut tell = |_: &TestResult| {};
        let mut output = CargoOutput::new(&mut tell);
        output.heard(text.as_bytes(), b"").unwrap();
        output.finish(fault.map(str::to_owned))
    }

    fn names(results: &[TestResult]) -> Vec<(&str, &'static str)> {
        let word = |verdict: &Verdict| match verdict {
            Verdict::Passed => "ok",
            Verdict::Skipped(_) => "skip",
            Verdict::Failed(_) => "FAIL",
        };
        results
            .iter()
            .map(|result| (result.name.as_str(), word(&result.verdict)))
            .collect()
    }

    const GOOD: &str = "\
   Compiling tackle_core v0.1.0
     Running unittests src/lib.rs (build/cargo/debug/deps/tackle_core-0123456789abcdef)

running 2 tests
test codel::drops ... ok
test codel::slow ... ignored, takes a minute

test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

   Doc-tests tackle_core

running 1 test
test src/lib.rs - table (line 12) ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    #[test]
    fn a_good_run() {
        let results = read(GOOD, None);
        assert_eq!(
            names(&results),
            [
                ("tackle_core::codel::drops", "ok"),
                ("tackle_core::codel::slow", "skip"),
                ("tackle_core::src/lib.rs - table (line 12)", "ok"),
            ]
        );
        assert_eq!(
            results[1].verdict,
            Verdict::Skipped("takes a minute".to_owned())
        );
    }

    #[test]
    fn a_failure_comes_with_its_output() {
        let text = "     Running tests/follow.rs (t/debug/deps/follow-0123456789abcdef)\n\
            test a ... FAILED\ntest b ... ok\n\nfailures:\n\n---- a stdout ----\n\n\
            thread 'a' panicked at x.rs:1:2:\nleft is not right\nnote: run with\n\n\n\
            failures:\n    a\n\ntest result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured\n";
        let results = read(text, Some("ended with exit status: 101"));
        assert_eq!(
            names(&results),
            [("follow::b", "ok"), ("follow::a", "FAIL")]
        );
        let Verdict::Failed(failure) = &results[1].verdict else {
            unreachable!()
        };
        assert_eq!(failure.reason, "left is not right");
        assert_eq!(
            failure.details.last().map(String::as_str),
            Some("note: run with")
        );
    }

    #[test]
    fn cargo_fails_by_itself() {
        let results = read(
            "   Compiling a v1\nerror[E0308]: mismatched types\n",
            Some("ended with exit status: 101"),
        );
        assert_eq!(names(&results), [("(cargo)", "FAIL")]);
        let Verdict::Failed(failure) = &results[0].verdict else {
            unreachable!()
        };
        assert_eq!(failure.details, ["error[E0308]: mismatched types"]);
    }

    #[test]
    fn a_program_that_dies_half_way() {
        let text = "     Running x (t/x-0123456789abcdef)\ntest a ... FAILED\n";
        let results = read(text, Some("ended with exit status: 101"));
        assert_eq!(names(&results), [("x::a", "FAIL"), ("(cargo)", "FAIL")]);
    }

    #[test]
    fn a_result_that_could_not_be_read_is_missed() {
        let text = "     Running x (t/x-0123456789abcdef)\ntest a ... noiseok\n\
            test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured\n";
        assert_eq!(names(&read(text, None)), [("x::(sum)", "FAIL")]);
    }
}
