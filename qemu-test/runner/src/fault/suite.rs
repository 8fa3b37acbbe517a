// SPDX-License-Identifier: GPL-2.0

//! Implements the suites of campaigns whose results are known. `fault_ourselves` must find nothing
//! in our own modules. `fault_campaign` must find each planted defect at its point, and nothing in
//! the repaired twin.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{ensure, Result};

use super::{run, Outcome, Place, Source, Task};
use crate::boot::Booter;
use crate::interrupt::Interrupted;
use crate::kernel::Kernel;
use crate::report::{Cause, Failure, TestResult, Verdict};
use crate::session::Session;

/// A suite of campaigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// Campaigns of this project's modules for hooks, live patches and queueing disciplines.
    Ourselves,
    /// The long campaigns: of a module with planted defects, of the same module without the
    /// defects, and of our modules for NUMA.
    Long,
}

impl Set {
    /// All suites of campaigns.
    pub const ALL: [Self; 2] = [Self::Ourselves, Self::Long];

    /// Returns the suite's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ourselves => "fault_ourselves",
            Self::Long => "fault_campaign",
        }
    }

    /// Returns whether the suite belongs to an ordinary run.
    pub const fn is_ordinary(self) -> bool {
        matches!(self, Self::Ourselves)
    }

    /// Returns the campaigns of the suite.
    pub fn campaigns(self) -> impl Iterator<Item = &'static Campaign> {
        CAMPAIGNS
            .iter()
            .filter(move |campaign| campaign.set == self)
    }
}

/// A campaign whose result is known.
pub struct Campaign {
    /// The suite of the campaign.
    pub set: Set,
    /// The campaign's name.
    pub name: &'static str,
    /// The workload's file in the payload.
    workload: &'static str,
    /// Compares the result with what is known.
    judge: fn(&Outcome) -> Result<()>,
}

const CAMPAIGNS: &[Campaign] = &[
    Campaign {
        set: Set::Ourselves,
        name: "hooks-are-clean",
        workload: "ourselves.toml",
        judge: nothing,
    },
    Campaign {
        set: Set::Ourselves,
        name: "qdiscs-are-clean",
        workload: "ourselves_qdisc.toml",
        judge: nothing,
    },
    Campaign {
        set: Set::Long,
        name: "numa-is-clean",
        workload: "ourselves_numa.toml",
        judge: nothing,
    },
    Campaign {
        set: Set::Long,
        name: "planted-defects-are-found",
        workload: "fault_planted.toml",
        judge: all_planted,
    },
    Campaign {
        set: Set::Long,
        name: "the-repaired-twin-is-clean",
        workload: "fault_repaired.toml",
        judge: nothing,
    },
];

/// The time limit of a campaign, which allows for a slow or busy host.
const LIMIT: Duration = Duration::from_secs(3600);

/// The operations of `qemu-test/rig/fault_planted.h`, and the kinds of findings of which a campaign
/// has to report one. Some kinds depend on the next user of the memory.
const PLANTED: &[(&str, &[&str])] = &[
    ("missing_check", &["crash"]),
    ("leak_slab", &["leak"]),
    ("leak_pages", &["leak"]),
    ("leak_vmalloc", &["leak"]),
    ("leak_percpu", &["leak"]),
    ("double_free", &["report", "crash"]),
    ("use_after_free", &["report", "crash"]),
    ("lock_held", &["fails-afterwards", "hang"]),
    ("rcu_held", &["report", "crash", "hang"]),
    ("module_held", &["cannot-undo"]),
    ("timer_left", &["report", "crash"]),
    ("work_left", &["report", "crash"]),
    ("debugfs_left", &["left-behind"]),
    ("proc_left", &["left-behind", "fails-afterwards"]),
    ("sysfs_left", &["left-behind", "fails-afterwards"]),
    ("major_left", &["left-behind"]),
    ("workqueue_left", &["left-behind", "leak"]),
    ("false_success", &["false-success"]),
    ("wrong_errno", &["wrong-error"]),
    ("wrong_order", &["report", "crash"]),
    ("busy_left", &["fails-afterwards"]),
    ("error_pointer", &["crash"]),
];

/// Checks that each planted defect was found at a call of its function, and nothing else.
fn all_planted(outcome: &Outcome) -> Result<()> {
    let findings: Vec<_> = outcome.report["findings"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    let mut wrong = Vec::new();
    for (name, kinds) in PLANTED {
        let frame = format!("fault_planted:{name}+");
        let is_right = |case: &&&serde_json::Value| {
            let in_stack = case["stack"].as_array().into_iter().flatten();
            let mut in_stack = in_stack.filter_map(|frame| frame.as_str());
            case["operation"] == *name
                && kinds.iter().any(|kind| case["kind"] == *kind)
                && in_stack.any(|found| found.starts_with(&frame))
        };
        if !findings.iter().any(|case| is_right(&case)) {
            let seen: Vec<_> = findings
                .iter()
                .filter(|case| case["operation"] == *name)
                .map(|case| case["kind"].to_string())
                .collect();
            wrong.push(format!(
                "{name}: expected one of {kinds:?}, got [{}]",
                seen.join(", ")
            ));
        }
    }
    for case in &findings {
        if !PLANTED.iter().any(|(name, _)| case["operation"] == *name) {
            wrong.push(format!(
                "{}: {} {}",
                case["operation"], case["kind"], case["text"]
            ));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    Ok(())
}

/// Checks that faults were injected and that nothing was found.
fn nothing(outcome: &Outcome) -> Result<()> {
    ensure!(outcome.injections > 0, "no fault was injected");
    let all = ["findings", "unsteady", "unexplained"].map(|key| &outcome.report[key]);
    let cases = all
        .into_iter()
        .filter_map(|value| value.as_array())
        .flatten();
    let cases: Vec<_> = cases
        .map(|case| {
            format!(
                "{}: {} {} ({}{})",
                case["operation"], case["kind"], case["text"], case["title"], case["faults"]
            )
        })
        .collect();
    ensure!(cases.is_empty(), "{}", cases.join("; "));
    Ok(())
}

impl Campaign {
    /// Runs the campaign on `kernel`.
    ///
    /// # Errors
    /// Fails with [`Interrupted`] when the user interrupts. Any other error is a failed test.
    pub fn test(
        &self,
        session: &Session,
        booter: &Booter<'_>,
        kernel: &Kernel,
        build: &Path,
    ) -> Result<TestResult> {
        let start = Instant::now();
        let suite = self.set.name();
        let scratch = session
            .dir
            .subdir(format!("{}/{suite}/{}", kernel.name, self.name))?;
        let place = Place {
            booter,
            kernel,
            output: scratch.clone(),
            scratch,
            tackle: build.join("tools/tackle"),
            ui: &session.ui,
            limit: Some(LIMIT),
        };
        let task = Task {
            source: Source::Workload(self.workload.to_owned()),
            again: None,
            slab_debug: true,
            replay: None,
        };
        let (mut figures, mut details) = (Vec::new(), Vec::new());
        let outcome = run(&place, &task).and_then(|outcome| {
            figures.push(format!("{suite}: {}: {}", self.name, outcome.summary()));
            details = outcome.text.lines().map(str::to_owned).collect();
            (self.judge)(&outcome)?;
            ensure!(outcome.finished, "not finished after {} s", LIMIT.as_secs());
            Ok(())
        });
        let verdict = match outcome {
            Ok(()) => Verdict::Passed,
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) => {
                let failure = Failure::new(Cause::Reported, format!("{error:#}"));
                Verdict::Failed(failure.with(details))
            }
        };
        Ok(TestResult {
            suite: suite.to_owned(),
            name: self.name.to_owned(),
            place: kernel.name.clone(),
            verdict,
            time: Some(start.elapsed()),
            figures,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn outcome(findings: &serde_json::Value) -> Outcome {
        Outcome {
            injections: 1,
            report: json!({"findings": findings, "unsteady": []}),
            ..Outcome::default()
        }
    }

    #[test]
    fn a_planted_defect_must_be_found_at_its_call() {
        let case = |name: &str, kind: &str| {
            let stack = [format!("fault_planted:{name}+0x1")];
            json!({"operation": name, "kind": kind, "text": "", "title": "", "stack": stack})
        };
        let mut all: Vec<_> = PLANTED
            .iter()
            .map(|(name, kinds)| case(name, kinds[0]))
            .collect();
        assert!(all.len() >= 20);
        all_planted(&outcome(&json!(all))).unwrap();
        nothing(&outcome(&json!([]))).unwrap();
        assert!(nothing(&outcome(&json!(all))).is_err());
        all[0]["stack"] = json!(["fault_planted:other+0x1"]);
        all[1]["kind"] = json!("crash");
        all.push(case("load", "leak"));
        let error = all_planted(&outcome(&json!(all))).unwrap_err().to_string();
        for part in [
            "missing_check: expected",
            "leak_slab: expected",
            "\"load\": \"leak\"",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }
}
