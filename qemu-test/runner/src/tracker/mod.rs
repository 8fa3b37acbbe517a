// SPDX-License-Identifier: GPL-2.0

//! Tracks one suite in one guest. The tracker combines the results that the guest reports with the
//! kernel log, and gives a verdict to every planned test.

mod ending;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::console::{is_panic, remember, sign, Kind, Report};
use crate::follow::{Listener, Mood};
use crate::ktap::{Event, Node, Parser, Status};
use crate::report::{Cause, Failure, TestResult, Verdict};
use crate::tail::Lines;

/// The maximum number of warnings that are kept for one test. A warning in a loop adds no
/// information.
const MAX_REPORTS: usize = 3;

/// The depth of the suites in the guest's KTAP, and that of their tests.
const SUITES: usize = 0;
const TESTS: usize = 1;

/// Tracks one suite.
pub struct Tracker<'a> {
    suite: String,
    place: String,
    tell: &'a mut dyn FnMut(&TestResult),
    parser: Parser,
    console_lines: Lines,
    ktap_lines: Lines,
    recent: VecDeque<String>,
    current: Option<Current>,
    /// Reports that came while no test was in progress, and a description of when the first one
    /// came.
    stray: Vec<Report>,
    stray_when: String,
    last_test: Option<String>,
    last_event: Instant,
    panicked: bool,
    suite_result: Option<Status>,
    /// Figures for the next result.
    figures: Vec<String>,
    results: Vec<TestResult>,
}

struct Current {
    name: String,
    reports: Vec<Report>,
}

impl<'a> Tracker<'a> {
    /// Returns a tracker of `suite` on the kernel `place`. `tell` is called with each result as
    /// soon as it is known.
    pub fn new(suite: &str, place: &str, tell: &'a mut dyn FnMut(&TestResult)) -> Self {
        Self {
            suite: suite.to_owned(),
            place: place.to_owned(),
            tell,
            parser: Parser::new(),
            console_lines: Lines::new(),
            ktap_lines: Lines::new(),
            recent: VecDeque::new(),
            current: None,
            stray: Vec::new(),
            stray_when: String::new(),
            last_test: None,
            last_event: Instant::now(),
            panicked: false,
            suite_result: None,
            figures: Vec::new(),
            results: Vec::new(),
        }
    }

    /// Adds a line below the next result.
    pub fn figure(&mut self, text: &str) {
        self.figures.push(format!("{}: {text}", self.suite));
    }

    /// Returns the last line of the kernel log, if the guest has not begun the suite and its kernel
    /// has reported nothing. The guest has ended, so an incomplete line counts.
    pub fn before_the_suite(&mut self) -> Option<String> {
        self.flush();
        let calm = self.stray.is_empty() && !self.panicked;
        let calm = calm && self.parser.progress(SUITES).is_none();
        calm.then(|| self.recent.back().cloned().unwrap_or_default())
    }

    /// Parses incomplete lines, since no more output will come.
    fn flush(&mut self) {
        if let Some(line) = self.console_lines.finish() {
            self.console_line(&line);
        }
        if let Some(line) = self.ktap_lines.finish() {
            self.ktap_line(&line);
        }
    }

    fn console_line(&mut self, line: &str) {
        self.panicked |= is_panic(line);
        self.report_line(line);
        remember(&mut self.recent, line.to_owned());
    }

    fn report_line(&mut self, line: &str) {
        let reports = match &mut self.current {
            Some(current) => &mut current.reports,
            None => &mut self.stray,
        };
        if reports.last_mut().is_some_and(|report| report.add(line)) {
            return;
        }
        let Some((kind, title)) = sign(line) else {
            return;
        };
        if reports.len() < MAX_REPORTS || kind == Kind::Crash {
            reports.push(Report::begin(kind, title, line, &self.recent));
        }
        if self.current.is_none() && self.stray_when.is_empty() {
            self.stray_when = match &self.last_test {
                Some(name) => format!("after {name}"),
                None => "before the first test".to_owned(),
            };
        }
    }

    fn ktap_line(&mut self, line: &str) {
        match self.parser.feed(line) {
            None => {}
            Some(Event::Begin(name)) => self.begin(&name),
            Some(Event::Finished(SUITES, node)) => self.suite_finished(node),
            Some(Event::Finished(_, node)) => self.test_finished(node),
        }
    }

    fn begin(&mut self, name: &str) {
        if let Some(report) = self.stray.last_mut() {
            report.close();
        }
        let name = self.short(name);
        // A test without a result is detected later by its number. Keep its reports.
        if let Some(lost) = self.current.replace(Current {
            name,
            reports: Vec::new(),
        }) {
            if self.stray_when.is_empty() {
                self.stray_when = format!("during {}", lost.name);
            }
            self.stray.extend(lost.reports);
        }
        self.last_event = Instant::now();
    }

    /// Returns the name of a test without the suite's name, which some guests put before it.
    fn short(&self, name: &str) -> String {
        let rest = name.strip_prefix(&self.suite);
        let rest = rest.and_then(|rest| rest.strip_prefix("::").or(rest.strip_prefix('/')));
        rest.filter(|rest| !rest.is_empty())
            .unwrap_or(name)
            .to_owned()
    }

    fn test_finished(&mut self, node: Node) {
        let name = self.short(&node.name);
        let reports = self
            .current
            .take()
            .map(|current| current.reports)
            .unwrap_or_default();
        self.last_test = Some(name.clone());
        if let Some(mut failure) = crash_failure(&reports) {
            failure.details.splice(0..0, node.notes);
            self.result(name, Verdict::Failed(failure), true);
        } else {
            self.leaves(name, node);
        }
        self.last_event = Instant::now();
    }

    fn leaves(&mut self, name: String, node: Node) {
        let failed = node.status == Status::Failed;
        let before = self.results.len();
        for child in node.children {
            let name = format!("{name}/{}", child.name);
            self.leaves(name, Node { ..child });
        }
        let told = &self.results[before..];
        let explained = told
            .iter()
            .any(|result| matches!(result.verdict, Verdict::Failed(_)));
        if !told.is_empty() && (!failed || explained) {
            return;
        }
        if !failed {
            self.figures.extend(figures(&self.suite, &node.notes));
        }
        let verdict = verdict(node.status, node.reason, node.notes);
        self.result(name, verdict, true);
    }

    fn suite_finished(&mut self, node: Node) {
        self.suite_result = Some(node.status);
        if node.subtests > 0 {
            return;
        }
        let verdict = match node.status {
            Status::Passed => Verdict::Failed(
                Failure::new(Cause::NotRun, "the suite has no tests").with(node.notes),
            ),
            status => verdict(status, node.reason, node.notes),
        };
        self.result("(suite)".into(), verdict, true);
    }

    fn result(&mut self, name: String, verdict: Verdict, timed: bool) {
        let time: Option<Duration> = timed.then(|| self.last_event.elapsed());
        let (suite, place) = (self.suite.clone(), self.place.clone());
        let result = TestResult {
            suite,
            name,
            place,
            verdict,
            time,
            figures: std::mem::take(&mut self.figures),
        };
        (self.tell)(&result);
        self.results.push(result);
    }
}

impl Listener for Tracker<'_> {
    fn heard(&mut self, console: &[u8], second: &[u8]) -> Result<()> {
        // A report belongs to the test in progress. If both streams have new output, this is the
        // test that was in progress before. If there was none, it is the first test that has begun
        // since.
        let mut ktap: VecDeque<String> = self.ktap_lines.push(second).into();
        let console = self.console_lines.push(console);
        while self.current.is_none() && !console.is_empty() {
            match ktap.pop_front() {
                Some(line) => self.ktap_line(&line),
                None => break,
            }
        }
        console.iter().for_each(|line| self.console_line(line));
        ktap.iter().for_each(|line| self.ktap_line(line));
        Ok(())
    }

    fn mood(&self) -> Mood {
        Mood::of(self.panicked, self.current.is_some())
    }
}

/// Returns the notes that are shown even if the test passed. They begin with the suite's name and a
/// colon.
fn figures(suite: &str, notes: &[String]) -> Vec<String> {
    let is_figure = |note: &&String| {
        note.strip_prefix(suite)
            .is_some_and(|rest| rest.starts_with(": "))
    };
    notes.iter().filter(is_figure).cloned().collect()
}

fn verdict(status: Status, reason: String, notes: Vec<String>) -> Verdict {
    match status {
        Status::Passed => Verdict::Passed,
        Status::Skipped => Verdict::Skipped(reason),
        Status::Failed => {
            let mut notes = notes;
            let reason = match (reason.is_empty(), notes.len()) {
                (false, _) => reason,
                (true, 0) => "failed without a reason".to_owned(),
                (true, 1) => notes.remove(0),
                (true, _) => "failed; the test's own words:".to_owned(),
            };
            Verdict::Failed(Failure::new(Cause::Reported, reason).with(notes))
        }
    }
}

/// Returns a failure with the reports, if there are any.
fn crash_failure(reports: &[Report]) -> Option<Failure> {
    let worst = reports
        .iter()
        .find(|report| report.kind == Kind::Crash)
        .or(reports.first())?;
    let cause = if worst.kind == Kind::Crash {
        Cause::Crash
    } else {
        Cause::Warning
    };
    let reason = format!("{}: {}", worst.kind.word(), worst.title);
    let details = reports
        .iter()
        .flat_map(|report| report.lines.iter().cloned())
        .collect();
    Some(Failure::new(cause, reason).with(details))
}
