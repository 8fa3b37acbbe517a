// SPDX-License-Identifier: GPL-2.0

//! Implements the suite `rig`, which tests the runner itself. Guests fail on purpose in several
//! ways, and the runner must report each failure with the right cause.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::boot::Booter;
use crate::kernel::Kernel;
use crate::report::{Cause, Failure, TestResult, Verdict};
use crate::session::Session;
use crate::suite::Guest;

/// The limit of silence for the test that hangs, which prints nothing.
const HANG: Duration = Duration::from_secs(20);

/// A suite of the guest that must fail, and how.
#[derive(Clone, Copy, Debug)]
pub struct Trap {
    /// The guest's suite. It needs the kernel option that detects the failure.
    pub suite: Guest,
    /// The cause with which its test must be reported.
    pub cause: Cause,
    /// Texts that must all be in the reason or in the details.
    pub text: &'static [&'static str],
}

/// All suites that must fail.
pub const TRAPS: &[Trap] = &[
    Trap {
        suite: Guest::new("fail-expectation"),
        cause: Cause::Reported,
        text: &["expected no processor"],
    },
    Trap {
        suite: Guest::new("fail-bug"),
        cause: Cause::Crash,
        text: &["NULL pointer dereference", "rig_oops"],
    },
    Trap {
        suite: Guest::new("fail-hang"),
        cause: Cause::Hang,
        text: &["hang: no output for"],
    },
    Trap {
        suite: Guest::new("fail-warn"),
        cause: Cause::Warning,
        text: &["WARNING: ", "rig_bug: a warning on purpose"],
    },
    Trap {
        suite: Guest::new("fail-leak").needing("CONFIG_DEBUG_KMEMLEAK"),
        cause: Cause::Warning,
        text: &[
            "new suspected memory leaks",
            "unreferenced object",
            "rig_leak+",
        ],
    },
    Trap {
        suite: Guest::new("fail-use-after-free").needing("CONFIG_KASAN"),
        cause: Cause::Warning,
        text: &["KASAN: slab-use-after-free in rig_use_after_free+"],
    },
    Trap {
        suite: Guest::new("fail-inversion").needing("CONFIG_PROVE_LOCKING"),
        cause: Cause::Warning,
        text: &["possible circular locking dependency", "rig_inversion+"],
    },
    // The kernel must survive these two failures. The test continues, and reports this at its end.
    Trap {
        suite: Guest::new("fail-hook-oops"),
        cause: Cause::Crash,
        text: &["a panic on purpose", "hooks go on after an oops"],
    },
    Trap {
        suite: Guest::new("fail-ftrace-dies"),
        cause: Cause::Warning,
        text: &["WARNING: ", "ftrace_bug", "hooks are gone without ftrace"],
    },
];

impl Trap {
    /// Returns the verdict for the results of the suite. One test must have failed with the right
    /// cause. All other failures must be tests that could not run any more.
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
        let report: Vec<&str> = std::iter::once(&failure.reason)
            .chain(&failure.details)
            .map(String::as_str)
            .collect();
        let report = report.join("\n");
        let lacking = |text: &&&str| !report.contains(**text);
        if let Some(text) = self.text.iter().find(lacking) {
            return wrong(format!("the report lacks {text:?}"));
        }
        Verdict::Passed
    }

    /// Returns the kernel for this trap: the first one with the options that the suite needs.
    ///
    /// # Errors
    /// The errors are those of [`Kernel::has`].
    pub fn place<'a>(&self, kernels: &'a [Kernel]) -> Result<Option<&'a Kernel>> {
        for kernel in kernels {
            if self.suite.lacks(kernel)?.is_none() {
                return Ok(Some(kernel));
            }
        }
        Ok(None)
    }

    fn result(&self, place: &Kernel, verdict: Verdict, time: Option<Duration>) -> TestResult {
        TestResult {
            suite: "rig".to_owned(),
            name: self.suite.name.to_owned(),
            place: place.name.clone(),
            verdict,
            time,
            figures: Vec::new(),
        }
    }
}

fn lines_of(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// Runs the trap on the first of `kernels` with the options that its suite needs. `booter` returns
/// the booter of a kernel. There must be at least one kernel.
///
/// # Errors
/// The errors are those of [`Booter::suite`], [`Kernel::has`] and `booter`.
pub fn spring<'s>(
    session: &'s Session,
    booter: &dyn Fn(&Kernel) -> Result<Booter<'s>>,
    kernels: &[Kernel],
    trap: &Trap,
    tell: &mut dyn FnMut(&TestResult),
) -> Result<()> {
    let Some(kernel) = trap.place(kernels)? else {
        let reason = match (trap.suite.lacks(&kernels[0])?, kernels) {
            (Some(reason), [_]) => reason,
            _ => format!("no kernel has {}", trap.suite.needs.unwrap_or_default()),
        };
        tell(&trap.result(&kernels[0], Verdict::Skipped(reason), None));
        return Ok(());
    };
    let mut booter = booter(kernel)?;
    if trap.cause == Cause::Hang {
        let silence = &mut booter.limits.silence_in_test;
        *silence = HANG.min(*silence);
    }
    let name = trap.suite.name;
    session.ui.step(&format!(
        "rig: {name} ({}, {})",
        kernel.name,
        booter.accel.name()
    ));
    let start = Instant::now();
    let dir = session.dir.subdir(format!("{}/rig/{name}", kernel.name))?;
    let seen = booter.suite(kernel, trap.suite, &dir, &mut |_| {})?;
    let mut result = trap.result(kernel, trap.judge(&seen), Some(start.elapsed()));
    result.figures = seen.into_iter().flat_map(|seen| seen.figures).collect();
    tell(&result);
    Ok(())
}
