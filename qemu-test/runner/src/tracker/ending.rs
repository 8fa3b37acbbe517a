// SPDX-License-Identifier: GPL-2.0

//! Handles the end of a boot: tests without a verdict get one.

use crate::follow::End;
use crate::ktap::Status;
use crate::report::{Cause, Failure, TestResult, Verdict};

use super::{crash_failure, Current, Tracker, SUITES, TESTS};

impl Tracker<'_> {
    /// Ends the boot. Tests without a verdict get one. `stderr` is the text that QEMU wrote to
    /// stderr.
    pub fn finish(mut self, end: End, stderr: &str) -> Vec<TestResult> {
        self.flush();
        let fault = self.fault(end, stderr);
        let interrupted_test = self.current.take();
        let extra = u32::from(interrupted_test.is_some());
        if let Some(test) = interrupted_test {
            let failure = self.unfinished(&test, fault);
            self.result(test.name, Verdict::Failed(failure), true);
        } else if let Some(fault) = fault {
            // After a panic, QEMU ends in any case. The panic in the log explains this.
            if !self.panicked {
                self.result("(guest)".into(), Verdict::Failed(fault), false);
            }
        }
        if let Some(failure) = crash_failure(&self.stray) {
            let reason = format!("{}: {}", self.stray_when, failure.reason);
            let verdict = Verdict::Failed(Failure { reason, ..failure });
            self.result("(kernel log)".into(), verdict, false);
        }
        self.missing(extra);
        self.results
    }

    /// Returns why a test that was in progress at the end has failed. A crash in the log is the
    /// reason for the end. A warning alone is not.
    fn unfinished(&mut self, test: &Current, fault: Option<Failure>) -> Failure {
        let mut details = self.parser.take_notes();
        let fault = match (crash_failure(&test.reports), fault) {
            (Some(report), _) if report.cause == Cause::Crash => report,
            (Some(report), Some(fault)) => {
                details.extend(report.details);
                Failure {
                    reason: format!("{}; {}", fault.reason, report.reason),
                    ..fault
                }
            }
            (Some(report), None) => report,
            (None, Some(fault)) => fault,
            (None, None) => Failure::new(Cause::Ended, "the guest ended during the test"),
        };
        details.extend(fault.details);
        Failure { details, ..fault }
    }

    /// Returns a failure if the guest ended in an unexpected way.
    fn fault(&self, end: End, stderr: &str) -> Option<Failure> {
        let reason = end.fault()?;
        let recent = self.recent.iter().cloned().collect();
        let (cause, reason, details) = match end {
            End::Exited(_) => {
                let lines = stderr.lines().map(str::to_owned).collect();
                (Cause::Ended, format!("qemu {reason}"), lines)
            }
            End::Silent(_) => (Cause::Hang, reason, recent),
            End::TimedOut(_) => (Cause::Limit, reason, recent),
            End::Stuck | End::Over => (Cause::Crash, format!("the guest {reason}"), recent),
        };
        Some(Failure::new(cause, reason).with(details))
    }

    /// Reports planned tests without a result as failed. `extra` is 1 if the test that was in
    /// progress has been reported already.
    fn missing(&mut self, extra: u32) {
        let tests = self.parser.progress(TESTS).unwrap_or_default();
        if let Some(planned) = tests.planned {
            for number in (tests.seen + extra).saturating_add(1)..=planned {
                let name = format!("test {number} of {planned}");
                let failure = Failure::new(Cause::NotRun, "not run");
                self.result(name, Verdict::Failed(failure), false);
            }
        }
        let problems = self.parser.problems().to_vec();
        if !problems.is_empty() {
            let reason = "the results do not keep to KTAP";
            let failure = Failure::new(Cause::Protocol, reason).with(problems);
            self.result("(ktap)".into(), Verdict::Failed(failure), false);
        }
        if !self.any_failed() {
            if let Some(failure) = self.incomplete() {
                self.result("(suite)".into(), Verdict::Failed(failure), false);
            }
        }
    }

    /// Returns a failure of the suite as a whole, if it did not end well although none of its tests
    /// failed.
    fn incomplete(&self) -> Option<Failure> {
        let recent = self.recent.iter().cloned().collect();
        match (self.parser.progress(SUITES), self.suite_result) {
            (None, _) => {
                let reason = "the guest ended without any results";
                Some(Failure::new(Cause::NotRun, reason).with(recent))
            }
            (Some(_), None) => {
                let reason = "the guest ended before the suite did";
                Some(Failure::new(Cause::NotRun, reason).with(recent))
            }
            (Some(_), Some(Status::Failed)) => {
                let reason = "the suite failed and none of its tests did";
                Some(Failure::new(Cause::Reported, reason))
            }
            (Some(progress), _) if !progress.complete() => {
                let reason = "the plan of suites is missing or was not kept";
                Some(Failure::new(Cause::Protocol, reason))
            }
            _ => None,
        }
    }

    fn any_failed(&self) -> bool {
        self.results
            .iter()
            .any(|result| matches!(result.verdict, Verdict::Failed(_)))
    }
}
