// SPDX-License-Identifier: GPL-2.0

//! Represents test results, and formats and sums them.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// The maximum length of the list of the slowest tests.
const SLOWEST: usize = 10;

/// Tests that take less time are not in the list of the slowest tests.
const SLOW: Duration = Duration::from_secs(1);

/// Why a test failed, as far as the runner knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The test itself reported the failure.
    Reported,
    /// The kernel crashed while it ran.
    Crash,
    /// The kernel log showed a warning, a stall or a leak while it ran.
    Warning,
    /// There was no output for too long.
    Hang,
    /// The boot took too long as a whole.
    Limit,
    /// The test was planned and did not run.
    NotRun,
    /// The guest ended in an unexpected way.
    Ended,
    /// The output of the guest was not valid KTAP.
    Protocol,
}

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The test passed.
    Passed,
    /// Not run, for this reason.
    Skipped(String),
    /// The test failed.
    Failed(Failure),
}

/// What is known about a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The cause of the failure.
    pub cause: Cause,
    /// The reason in one line.
    pub reason: String,
    /// Lines of output or of the kernel log.
    pub details: Vec<String>,
}

impl Failure {
    /// Returns a failure without details.
    pub fn new(cause: Cause, reason: impl Into<String>) -> Self {
        Self {
            cause,
            reason: reason.into(),
            details: Vec::new(),
        }
    }

    /// Adds details.
    pub fn with(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }
}

/// One test's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestResult {
    /// The suite it belongs to.
    pub suite: String,
    /// Its name in the suite.
    pub name: String,
    /// The kernel that it ran on, or `host`.
    pub place: String,
    /// How it ended.
    pub verdict: Verdict,
    /// How long it took by the host's clock, where that is known.
    pub time: Option<Duration>,
    /// Figures for the reader, a line each.
    pub figures: Vec<String>,
}

impl TestResult {
    /// Returns the lines that are shown when the result comes in.
    pub fn render(&self) -> String {
        let name = format!("{}/{}", self.suite, self.name);
        let place = match self.time {
            Some(time) => format!("({}, {:.1} s)", self.place, time.as_secs_f64()),
            None => format!("({})", self.place),
        };
        let mut text = match &self.verdict {
            Verdict::Passed => format!("ok   {name} {place}"),
            Verdict::Skipped(reason) if reason.is_empty() => format!("skip {name} {place}"),
            Verdict::Skipped(reason) => format!("skip {name} {place}: {reason}"),
            Verdict::Failed(failure) => format!("FAIL {name} {place}\n     {}", failure.reason),
        };
        for line in &self.figures {
            let _ = write!(text, "\n     {line}");
        }
        if let Verdict::Failed(failure) = &self.verdict {
            for line in &failure.details {
                let _ = write!(text, "\n     | {line}");
            }
        }
        text
    }
}

/// The number of tests by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Passed.
    pub passed: usize,
    /// Failed.
    pub failed: usize,
    /// Skipped.
    pub skipped: usize,
}

impl Counts {
    fn add(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Failed(_) => self.failed += 1,
            Verdict::Skipped(_) => self.skipped += 1,
        }
    }
}

/// All results of a run.
#[derive(Debug, Default)]
pub struct Summary {
    results: Vec<TestResult>,
    /// How long each suite took at each place.
    times: BTreeMap<(String, String), Duration>,
}

impl Summary {
    /// No results yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a result.
    pub fn add(&mut self, result: TestResult) {
        self.results.push(result);
    }

    /// Adds to the time that a suite took at a place.
    pub fn took(&mut self, suite: &str, place: &str, time: Duration) {
        *self.times.entry((suite.into(), place.into())).or_default() += time;
    }

    /// Returns the sums over all results.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.results
            .iter()
            .for_each(|result| counts.add(&result.verdict));
        counts
    }

    /// Returns whether the whole run is a success: at least one test passed and none failed.
    pub fn is_success(&self) -> bool {
        let counts = self.counts();
        counts.failed == 0 && counts.passed > 0
    }

    /// Returns the table of suites by kernel (passed/failed/skipped, and the time), the slowest
    /// tests, and the reasons for the skips; without the last line.
    pub fn table(&self) -> String {
        let mut suites: Vec<&str> = Vec::new();
        let mut places: Vec<&str> = Vec::new();
        let mut cells: BTreeMap<(&str, &str), Counts> = BTreeMap::new();
        for result in &self.results {
            if !suites.contains(&result.suite.as_str()) {
                suites.push(&result.suite);
            }
            if !places.contains(&result.place.as_str()) {
                places.push(&result.place);
            }
            cells
                .entry((&result.suite, &result.place))
                .or_default()
                .add(&result.verdict);
        }
        let mut rows = vec![vec!["passed/failed/skipped".to_owned()]];
        rows[0].extend(places.iter().map(|place| (*place).to_owned()));
        for suite in &suites {
            let mut row = vec![(*suite).to_owned()];
            row.extend(
                places
                    .iter()
                    .map(|place| match cells.get(&(*suite, *place)) {
                        Some(c) => self.cell(c, suite, place),
                        None => "-".to_owned(),
                    }),
            );
            rows.push(row);
        }
        let mut text = align(&rows);
        text += &self.slowest();
        for result in &self.results {
            if let Verdict::Skipped(reason) = &result.verdict {
                let reason = if reason.is_empty() {
                    "no reason given"
                } else {
                    reason
                };
                let TestResult {
                    suite, name, place, ..
                } = result;
                let _ = writeln!(text, "skipped {suite}/{name} ({place}): {reason}");
            }
        }
        text
    }

    fn cell(&self, counts: &Counts, suite: &str, place: &str) -> String {
        let Counts {
            passed,
            failed,
            skipped,
        } = counts;
        let time = self.times.get(&(suite.to_owned(), place.to_owned()));
        let time = time.map(|time| format!(" in {} s", time.as_secs()));
        format!("{passed}/{failed}/{skipped}{}", time.unwrap_or_default())
    }

    /// Returns the list of the slowest tests. It is empty if no test took a second or more.
    fn slowest(&self) -> String {
        let timed = self.results.iter().filter_map(|result| {
            let time = result.time.filter(|time| *time >= SLOW)?;
            Some((time, result))
        });
        let mut timed: Vec<_> = timed.collect();
        timed.sort_by_key(|(time, _)| Reverse(*time));
        let rows = timed.iter().take(SLOWEST).map(|(time, result)| {
            let TestResult {
                suite, name, place, ..
            } = result;
            let seconds = time.as_secs_f64();
            vec![
                format!("{suite}/{name} ({place})"),
                format!("{seconds:.1} s"),
            ]
        });
        let rows: Vec<_> = rows.collect();
        if rows.is_empty() {
            return String::new();
        }
        format!("\nthe slowest tests\n{}", align(&rows))
    }

    /// Returns the last line of a run.
    pub fn last_line(&self) -> String {
        let counts = self.counts();
        let mut text = format!("{} passed, {} failed", counts.passed, counts.failed);
        if counts.skipped > 0 {
            let _ = write!(text, ", {} skipped", counts.skipped);
        }
        text
    }
}

fn align(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|c: &String| c.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(suite: &str, name: &str, place: &str, verdict: Verdict) -> TestResult {
        let (suite, name, place) = (suite.into(), name.into(), place.into());
        TestResult {
            suite,
            name,
            place,
            verdict,
            time: Some(Duration::from_millis(1249)),
            figures: Vec::new(),
        }
    }

    #[test]
    fn lines() {
        let passed = result("hooks", "counts_calls", "stock", Verdict::Passed);
        assert_eq!(passed.render(), "ok   hooks/counts_calls (stock, 1.2 s)");
        let failure = Failure::new(Cause::Hang, "hang: no output for 5 s").with(vec!["a".into()]);
        let mut failed = result("hooks", "x", "stock", Verdict::Failed(failure));
        failed.figures.push("hooks: 3".into());
        assert_eq!(
            failed.render(),
            "FAIL hooks/x (stock, 1.2 s)\n     hang: no output for 5 s\n     hooks: 3\n     | a"
        );
        let mut skipped = result("numa", "y", "stock", Verdict::Skipped("one node".into()));
        skipped.time = None;
        assert_eq!(skipped.render(), "skip numa/y (stock): one node");
    }

    #[test]
    fn the_sum() {
        let mut summary = Summary::new();
        assert!(!summary.is_success(), "nothing ran");
        summary.add(result("hooks", "a", "stock", Verdict::Passed));
        assert_eq!(summary.last_line(), "1 passed, 0 failed");
        assert!(summary.is_success());
        summary.add(result("numa", "b", "debug", Verdict::Skipped("why".into())));
        assert_eq!(summary.last_line(), "1 passed, 0 failed, 1 skipped");
        assert!(summary.is_success());
        summary.add(result(
            "hooks",
            "c",
            "stock",
            Verdict::Failed(Failure::new(Cause::Crash, "")),
        ));
        assert_eq!(summary.last_line(), "1 passed, 1 failed, 1 skipped");
        assert!(!summary.is_success());
        summary.took("hooks", "stock", Duration::from_millis(1500));
        summary.took("hooks", "stock", Duration::from_millis(1500));
        assert_eq!(
            summary.table(),
            "passed/failed/skipped  stock         debug\n\
             hooks                  1/1/0 in 3 s  -\n\
             numa                   -             0/0/1\n\
             \n\
             the slowest tests\n\
             hooks/a (stock)  1.2 s\n\
             numa/b (debug)   1.2 s\n\
             hooks/c (stock)  1.2 s\n\
             skipped numa/b (debug): why\n"
        );
    }

    #[test]
    fn only_skips_are_no_success() {
        let mut summary = Summary::new();
        summary.add(result("a", "b", "c", Verdict::Skipped(String::new())));
        assert!(!summary.is_success());
        assert_eq!(summary.last_line(), "0 passed, 0 failed, 1 skipped");
    }
}
