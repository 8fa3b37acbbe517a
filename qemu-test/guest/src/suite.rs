// SPDX-License-Identifier: GPL-2.0

//! Implements suites of tests. After every test, the kernel log is checked for warnings, and the
//! list of modules for modules that remain loaded. The last test of a suite checks the kernel for
//! taint flags and leaks.

use std::fmt::{self, Display};
use std::panic::{catch_unwind, AssertUnwindSafe};

use anyhow::{bail, Result};

use crate::clean::{self, CLEAN};
use crate::ktap::{channel, Ktap, Outcome};
use crate::suites;
use crate::sys::{kmsg, module};

/// One test. It fails if it returns an error, which states what was expected and what was seen, or
/// if it panics.
pub struct Test {
    /// The name in the report.
    pub name: &'static str,
    /// The test itself.
    pub run: fn(&mut Context<'_>) -> Result<()>,
}

/// A table of tests that are run one after the other.
pub struct Suite {
    /// The name in the report and on the command line.
    pub name: &'static str,
    /// Whether the suite runs only if it is named: it is meant to fail, or takes long.
    pub by_name_only: bool,
    /// The tests, in the order of running.
    pub tests: &'static [Test],
}

impl Suite {
    /// Returns whether the suite fails on purpose, to test that failures are detected.
    fn fails_on_purpose(&self) -> bool {
        self.name.starts_with("fail-")
    }

    /// Returns the suite's own tests, and [`CLEAN`] unless the suite fails on purpose.
    fn all_tests(&self) -> Vec<&'static Test> {
        let last = (!self.fails_on_purpose()).then_some(&CLEAN);
        self.tests.iter().chain(last).collect()
    }
}

/// Makes the table of tests from the names of functions.
macro_rules! list {
    ($($test:ident),+ $(,)?) => {
        &[$($crate::suite::Test { name: stringify!($test), run: $test }),+]
    };
}
pub(crate) use list;

/// The interface of a running test to the report.
pub struct Context<'a> {
    ktap: &'a mut Ktap,
    log: kmsg::Cursor,
    trouble: Vec<String>,
    may_stay: &'static [&'static str],
}

impl Context<'_> {
    /// Allows modules to remain loaded when the test ends, because tasks of the system use them.
    /// Later tests of the suite cannot load these modules.
    pub fn may_stay(&mut self, modules: &'static [&'static str]) {
        self.may_stay = modules;
    }

    /// Writes figures or progress into the report as a diagnostic line. This also reads the kernel
    /// log. A long test has to call this from time to time, before the kernel log overwrites
    /// messages.
    ///
    /// # Errors
    ///
    /// The report cannot be written or the kernel log cannot be read.
    pub fn note(&mut self, text: impl Display) -> Result<()> {
        self.watch()?;
        self.ktap.note(text)
    }

    /// Writes the results of the test's parts. If a part failed, the test has to fail, too.
    ///
    /// # Errors
    ///
    /// The report cannot be written.
    pub fn parts(&mut self, parts: &[(String, Outcome)]) -> Result<()> {
        self.ktap.indent();
        self.ktap.plan(parts.len())?;
        for (index, (name, outcome)) in parts.iter().enumerate() {
            self.ktap.result(index + 1, name, outcome)?;
        }
        self.ktap.outdent();
        Ok(())
    }

    /// Checks the new messages of the kernel log for crashes, warnings, stalls and leaks.
    fn watch(&mut self) -> Result<()> {
        let records = self.log.read()?;
        let trouble = records.iter().filter(|record| record.is_trouble());
        self.trouble
            .extend(trouble.map(|record| format!("kernel log: {}", record.text)));
        Ok(())
    }
}

/// The error of a test that cannot run here.
#[derive(Debug)]
struct Skip(String);

impl Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

/// Ends a test as skipped.
///
/// # Errors
///
/// Always fails. The error has the reason for the report.
pub fn skip<T>(reason: impl Into<String>) -> Result<T> {
    Err(Skip(reason.into()).into())
}

/// Returns the suites that run if no suite is named.
pub fn ordinary() -> impl Iterator<Item = &'static Suite> {
    suites::ALL
        .iter()
        .copied()
        .filter(|suite| !suite.by_name_only)
}

/// Runs the suites with these names, or the ordinary suites. Returns whether all passed.
///
/// # Errors
///
/// A name is not known, or the report or the kernel log cannot be used.
pub fn run(names: &[String]) -> Result<bool> {
    let suites = select(names)?;
    let mut ktap = Ktap::new(channel()?);
    ktap.plan(suites.len())?;
    let mut all = true;
    for (index, suite) in suites.iter().enumerate() {
        let outcome = run_suite(&mut ktap, suite)?;
        all &= !matches!(outcome, Outcome::Failed(_));
        ktap.result(index + 1, suite.name, &outcome)?;
    }
    Ok(all)
}

fn select(names: &[String]) -> Result<Vec<&'static Suite>> {
    if names.is_empty() {
        return Ok(ordinary().collect());
    }
    let find = |name: &String| match suites::ALL.iter().find(|suite| suite.name == name) {
        Some(suite) => Ok(*suite),
        None => bail!("no suite is called '{name}'; see `tackle-guest list`"),
    };
    names.iter().map(find).collect()
}

fn run_suite(ktap: &mut Ktap, suite: &Suite) -> Result<Outcome> {
    ktap.indent();
    let tests = suite.all_tests();
    ktap.plan(tests.len())?;
    if tests.iter().any(|test| test.name == CLEAN.name) {
        clean::begin()?;
    }
    let mut failed = 0;
    let mut skipped = 0;
    for (index, test) in tests.iter().enumerate() {
        ktap.note(format!("begin {}", test.name))?;
        let outcome = run_test(ktap, test)?;
        match &outcome {
            Outcome::Passed => {}
            Outcome::Skipped(_) => skipped += 1,
            Outcome::Failed(_) => failed += 1,
        }
        ktap.result(index + 1, test.name, &outcome)?;
    }
    ktap.outdent();
    let count = tests.len();
    let own = suite.tests.len();
    Ok(match (failed, skipped) {
        (0, skipped) if skipped == own => Outcome::Skipped("every test was skipped".into()),
        (0, _) => Outcome::Passed,
        _ => Outcome::Failed(vec![format!("{failed} of {count} tests failed")]),
    })
}

fn run_test(ktap: &mut Ktap, test: &Test) -> Result<Outcome> {
    let modules = module::ours()?;
    let mut context = Context {
        ktap,
        log: kmsg::Cursor::now()?,
        trouble: Vec::new(),
        may_stay: &[],
    };
    let outcome = match catch_unwind(AssertUnwindSafe(|| (test.run)(&mut context))) {
        Ok(Ok(())) => Outcome::Passed,
        Ok(Err(error)) => match error.downcast_ref::<Skip>() {
            Some(Skip(reason)) => Outcome::Skipped(reason.clone()),
            None => Outcome::Failed(vec![format!("{error:#}")]),
        },
        Err(panic) => Outcome::Failed(vec![format!("panicked: {}", panic_text(&*panic))]),
    };
    let mut found = Vec::new();
    let mut left = module::ours()?;
    left.retain(|name| !modules.contains(name) && !context.may_stay.contains(&name.as_str()));
    for name in module::users_first(left) {
        found.push(format!("left behind: module {name}"));
        if let Err(errno) = module::rmmod(&name) {
            found.push(format!("and {name} cannot be unloaded: {errno}"));
        }
    }
    if let Err(error) = context.watch() {
        found.push(format!("{error:#}"));
    }
    found.append(&mut context.trouble);
    Ok(with_findings(outcome, found))
}

/// Returns the outcome with the findings from the kernel log added. Any finding makes the test
/// fail.
fn with_findings(outcome: Outcome, found: Vec<String>) -> Outcome {
    match outcome {
        outcome if found.is_empty() => outcome,
        Outcome::Failed(mut reasons) => {
            reasons.extend(found);
            Outcome::Failed(reasons)
        }
        Outcome::Passed | Outcome::Skipped(_) => Outcome::Failed(found),
    }
}

/// Returns the message of a panic.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_select_suites_and_unknown_names_are_refused() {
        let names = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let chosen = select(&names(&["load", "fail-hang"])).unwrap();
        assert_eq!(
            chosen.iter().map(|suite| suite.name).collect::<Vec<_>>(),
            ["load", "fail-hang"]
        );
        let error = select(&names(&["hooks", "nonsense"])).err().unwrap();
        assert!(error.to_string().contains("nonsense"), "{error}");
    }

    #[test]
    fn suites_that_fail_on_purpose_do_not_run_unnamed() {
        let chosen = select(&[]).unwrap();
        assert!(!chosen.is_empty());
        assert!(chosen.iter().all(|suite| !suite.name.starts_with("fail-")));
    }

    #[test]
    fn names_of_tests_are_unique() {
        for suite in suites::ALL {
            let tests = suite.all_tests();
            let mut names: Vec<_> = tests.iter().map(|test| test.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), tests.len(), "in {}", suite.name);
        }
    }

    #[test]
    fn the_last_test_is_a_look_at_the_kernel() {
        for suite in suites::ALL.iter().filter(|suite| !suite.fails_on_purpose()) {
            let last = suite.all_tests().pop().unwrap();
            assert_eq!(last.name, "clean", "in {}", suite.name);
        }
    }

    #[test]
    fn a_warning_fails_a_test_that_passed() {
        let outcome = with_findings(Outcome::Passed, vec!["kernel log: WARNING: x".into()]);
        assert_eq!(
            outcome,
            Outcome::Failed(vec!["kernel log: WARNING: x".into()])
        );
        assert_eq!(with_findings(Outcome::Passed, vec![]), Outcome::Passed);
    }
}
