// SPDX-License-Identifier: GPL-2.0

//! The suite `rig`: the rig tests itself. Real guests fail in the four ways in
//! which guests fail, and each must be seen, for the right reason.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::boot::Booter;
use crate::kernel::Kernel;
use crate::report::{Cause, Failure, TestResult, Verdict};
use crate::session::Session;

/// How long the hanging test may hang; it never says anything.
const HANG: Duration = Duration::from_secs(20);

/// A suite of the guest that must fail.
#[derive(Clone, Copy, Debug)]
pub struct Trap {
    /// The guest's name for the suite.
    pub suite: &'static str,
    /// How its test must be reported.
    pub cause: Cause,
    /// What the reason or a detail must contain, one of these.
    pub text: &'static [&'static str],
}

/// All of them.
pub const TRAPS: &[Trap] = &[
    Trap {
        suite: "fail-expectation",
        cause: Cause::Reported,
        text: &["expect"],
    },
    Trap {
        suite: "fail-bug",
        cause: Cause::Crash,
        text: &["Kernel panic", "BUG", "Oops"],
    },
    Trap {
        suite: "fail-hang",
        cause: Cause::Hang,
        text: &["hang: no output for"],
    },
    Trap {
        suite: "fail-warn",
        cause: Cause::Warning,
        text: &["WARNING: ", "BUG: "],
    },
];

impl Trap {
    /// The verdict on the rig, given what it made of the trap: one test failed
    /// for the right reason, and nothing else was wrong but tests that could
    /// not run any more.
    pub fn judge(&self, results: &[TestResult]) -> Verdict {
        let told = || {
            results
                .iter()
                .flat_map(|result| lines_of(&result.render()))
                .collect()
        };
        let wrong =
            |reason: String| Verdict::Failed(Failure::new(Cause::Reported, reason).with(told()));
        let failed = results.iter().filter_map(|result| match &result.verdict {
            Verdict::Failed(failure) if failure.cause != Cause::NotRun => Some((result, failure)),
            _ => None,
        });
        let failed: Vec<_> = failed.collect();
        let [(result, failure)] = failed[..] else {
            return wrong(format!("{} tests were failed instead of one", failed.len()));
        };
        if failure.cause != self.cause {
            return wrong(format!(
                "the cause is {:?} instead of {:?}",
                failure.cause, self.cause
            ));
        }
        if result.name.starts_with('(') {
            return wrong("the failure was not charged to the test that ran".to_owned());
        }
        let report = std::iter::once(&failure.reason).chain(&failure.details);
        let report = report
            .map(|line| line.to_lowercase())
            .collect::<Vec<_>>()
            .join("\n");
        if !self
            .text
            .iter()
            .any(|text| report.contains(&text.to_lowercase()))
        {
            return wrong(format!("the report has none of {}", self.text.join(", ")));
        }
        Verdict::Passed
    }
}

fn lines_of(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// Springs all traps on `kernel`.
///
/// # Errors
/// As [`Booter::suite`].
pub fn run(
    session: &Session,
    booter: &Booter<'_>,
    kernel: &Kernel,
    tell: &mut dyn FnMut(&TestResult),
) -> Result<Vec<TestResult>> {
    let mut limits = booter.limits;
    limits.silence_in_test = limits.silence_in_test.min(HANG);
    let booter = Booter {
        qemu: booter.qemu.clone(),
        limits,
        ..*booter
    };
    let mut results = Vec::new();
    for trap in TRAPS {
        session.ui.step(&format!(
            "rig: {} ({}, {})",
            trap.suite,
            kernel.name,
            booter.accel.name()
        ));
        let start = Instant::now();
        let dir = session
            .dir
            .subdir(format!("{}/rig/{}", kernel.name, trap.suite))?;
        let seen = booter.suite(kernel, trap.suite, &dir, &mut |_| {})?;
        let result = TestResult {
            suite: "rig".to_owned(),
            name: trap.suite.to_owned(),
            place: kernel.name.clone(),
            verdict: trap.judge(&seen),
            time: Some(start.elapsed()),
        };
        tell(&result);
        results.push(result);
    }
    Ok(results)
}
