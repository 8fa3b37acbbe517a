// SPDX-License-Identifier: GPL-2.0

//! Parses the results of KUnit in the kernel log after a module with suites was loaded.
//!
//! The results are KTAP with four blanks for each level; see `Documentation/dev-tools/ktap.rst` and
//! `lib/kunit/test.c` in the kernel source. They are read from the log, because the files in
//! debugfs need `CONFIG_KUNIT_DEBUGFS`.

use std::sync::LazyLock;

use regex::Regex;

use crate::ktap::Outcome;

/// One suite that has begun.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Its name.
    pub name: String,
    /// The cases that ended, and how.
    pub cases: Vec<(String, Outcome)>,
    /// The number of planned cases.
    planned: Option<usize>,
    /// The lines since the last case ended.
    notes: Vec<String>,
    /// The suite's own result: whether it passed.
    passed: Option<bool>,
}

impl Run {
    /// Returns why the suite has not passed, or `None` if it has.
    pub fn complaint(&self) -> Option<String> {
        let count = self.cases.len();
        let failed = |(_, outcome): &&(String, Outcome)| matches!(outcome, Outcome::Failed(_));
        let failed = self.cases.iter().filter(failed).count();
        if failed > 0 {
            Some(format!("{failed} of {count} cases failed"))
        } else if self.planned != Some(count) || count == 0 {
            let planned = self.planned.unwrap_or_default();
            Some(format!("{count} of {planned} cases have a result"))
        } else {
            match self.passed {
                Some(true) => None,
                Some(false) => Some("the suite failed, but no case of it".into()),
                None => Some("the suite has no result".into()),
            }
        }
    }

    fn case(&mut self, name: &str, passed: bool, skipped: Option<&str>) {
        let notes = std::mem::take(&mut self.notes);
        let outcome = match (skipped, passed) {
            (Some(reason), _) => Outcome::Skipped(reason.into()),
            (None, true) => Outcome::Passed,
            (None, false) => Outcome::Failed(notes),
        };
        self.cases.push((name.into(), outcome));
    }
}

/// Returns the suites whose results are in these lines of the log, in their order.
pub fn runs<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<Run> {
    static RESULT: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^( {4})?(not )?ok \d+ (\S+)(?: # SKIP ?(.*))?").expect("a fixed pattern")
    });
    let mut runs: Vec<Run> = Vec::new();
    for line in lines {
        if let Some(name) = line.strip_prefix("    # Subtest: ") {
            runs.push(Run {
                name: name.into(),
                ..Run::default()
            });
            continue;
        }
        let Some(run) = runs.last_mut().filter(|run| run.passed.is_none()) else {
            continue;
        };
        if let Some(found) = RESULT.captures(line) {
            let (passed, name) = (found.get(2).is_none(), &found[3]);
            if found.get(1).is_some() {
                run.case(name, passed, found.get(4).map(|reason| reason.as_str()));
            } else {
                run.passed = Some(passed);
            }
        } else if let Some(count) = line.strip_prefix("    1..") {
            run.planned = count.parse().ok();
            // These lines are the suite's attributes.
            run.notes.clear();
        } else if !line.ends_with(".speed: normal") {
            // `/dev/kmsg` writes a line end within a message like this.
            run.notes
                .extend(line.split("\\x0a").map(|note| note.trim().into()));
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &[&str] = &[
        "KTAP version 1",
        "1..2",
        "    KTAP version 1",
        "    # Subtest: one",
        "    # module: m",
        "    1..3",
        "m: file.rs:7: x is 1, expected 2",
        r"    # b: ASSERTION FAILED at file.rs:5\x0a    Expected y",
        "    # b.speed: normal",
        "    not ok 1 b",
        "    ok 2 a",
        "    ok 3 c # SKIP no nodes",
        "# one: pass:1 fail:1 skip:1 total:3",
        "not ok 1 one",
        "something else",
        "    KTAP version 1",
        "    # Subtest: two",
        "    1..1",
        "    ok 1 d",
        "ok 2 two",
    ];

    #[test]
    fn suites_have_their_cases_and_what_failed_has_its_words() {
        let runs = runs(LOG.iter().copied());
        assert_eq!(runs.len(), 2);
        let words = [
            "m: file.rs:7: x is 1, expected 2",
            "# b: ASSERTION FAILED at file.rs:5",
            "Expected y",
        ];
        assert_eq!(
            runs[0].cases,
            [
                ("b".into(), Outcome::Failed(words.map(String::from).into())),
                ("a".into(), Outcome::Passed),
                ("c".into(), Outcome::Skipped("no nodes".into())),
            ]
        );
        assert_eq!(
            runs[0].complaint().unwrap(),
            "1 of 3 cases failed".to_string()
        );
        assert_eq!(runs[1].name, "two");
        assert_eq!(runs[1].complaint(), None);
    }

    #[test]
    fn what_is_missing_is_complained_of() {
        let complaint = |lines: &[&'static str]| {
            let mut text = vec!["    # Subtest: s"];
            text.extend(lines);
            runs(text)[0].complaint().unwrap()
        };
        assert_eq!(
            complaint(&["    1..0", "ok 1 s"]),
            "0 of 0 cases have a result"
        );
        assert_eq!(
            complaint(&["    1..2", "    ok 1 a", "ok 1 s"]),
            "1 of 2 cases have a result"
        );
        assert_eq!(
            complaint(&["    1..1", "    ok 1 a"]),
            "the suite has no result"
        );
        assert_eq!(
            complaint(&["    1..1", "    ok 1 a", "not ok 1 s"]),
            "the suite failed, but no case of it"
        );
        assert_eq!(runs(["kunit: disabled"]), []);
    }
}
