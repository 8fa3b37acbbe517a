// SPDX-License-Identifier: GPL-2.0

//! Implements the report of a campaign: points, coverage and findings, as text or JSON.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde::Serialize;

use super::finding::{Finding, Kind};
use super::names::readable;
use super::state::{Fault, State};
use crate::table::table;

/// A finding, and the fault that causes it.
#[derive(Clone, Debug, Serialize)]
pub struct Case {
    /// `FAULT INJECTED`, with function and site.
    pub title: String,
    /// The operation.
    pub operation: String,
    /// The point.
    pub id: String,
    /// The kind of the problem.
    pub kind: Kind,
    /// The problem in one line.
    pub text: String,
    /// How the operation ended.
    pub reply: String,
    /// How plausible the failure is outside of a test.
    pub plausible: String,
    /// The number of injections in which the finding was seen.
    pub seen: usize,
    /// The number of injections of this fault.
    pub injections: usize,
    /// The return addresses, innermost first.
    pub stack: Vec<String>,
    /// The evidence.
    pub details: Vec<String>,
}

/// A finding after a row of faults that no fault of the row causes alone.
#[derive(Clone, Debug, Serialize)]
pub struct Unexplained {
    /// The operation.
    pub operation: String,
    /// The titles of the faults: `FAULT INJECTED`, with function and site.
    pub faults: Vec<String>,
    /// The kind of the problem.
    pub kind: Kind,
    /// The problem in one line.
    pub text: String,
    /// The evidence.
    pub details: Vec<String>,
}

impl Unexplained {
    /// Returns the finding as lines of text.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = self.faults.clone();
        let kind = self.kind.text();
        lines.push(format!("  {}: {kind}: {}", self.operation, self.text));
        lines.extend(self.details.iter().map(|line| format!("    | {line}")));
        lines
    }
}

/// One operation.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The operation's name.
    pub operation: String,
    /// The number of its points.
    pub points: usize,
    /// The number of points at which a fault was injected.
    pub injected: usize,
    /// The number of points that were called only after a fault at another point.
    pub appeared: usize,
    /// The percentage of the discovered points that were found by all discoveries.
    pub recurring: f64,
    /// The number of points after whose fault the operation did not succeed.
    pub errors: usize,
    /// The number of points after whose fault the operation succeeded.
    pub continued: usize,
    /// The number of points with a finding.
    pub findings: usize,
}

/// The calls of failing functions in one module.
#[derive(Clone, Debug, Serialize)]
pub struct Coverage {
    /// The module.
    pub module: String,
    /// The number of calls.
    pub calls: usize,
    /// The calls that were reached and did not fail.
    pub reached: Vec<String>,
    /// The calls that failed.
    pub failed: Vec<String>,
    /// The calls that were never reached.
    pub never: Vec<String>,
    /// Why the calls are not known, if they are not.
    pub unknown: Option<String>,
}

/// The report of a campaign.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The workload.
    pub workload: String,
    /// The modules under test.
    pub modules: Vec<String>,
    /// The kernel.
    pub kernel: String,
    /// Whether the campaign is finished.
    pub finished: bool,
    /// Whether leaks of slab objects could be found.
    pub has_stacks: bool,
    /// The operations.
    pub operations: Vec<Row>,
    /// The calls in the modules.
    pub coverage: Vec<Coverage>,
    /// The findings of each of three injections.
    pub findings: Vec<Case>,
    /// The findings of only one or two injections.
    pub unsteady: Vec<Case>,
    /// The findings after rows of faults that no fault causes alone.
    pub unexplained: Vec<Unexplained>,
    /// Points that only some discoveries found, or that were not called again.
    pub marked: Vec<String>,
}

impl Report {
    /// Returns the report of a campaign.
    ///
    /// # Errors
    /// Returns an error if the journal has no start event.
    pub fn of(state: &State) -> Result<Self> {
        let start = state.start.as_ref().context("the journal is empty")?;
        let mut report = Self {
            workload: start.workload.clone(),
            modules: start.modules.clone(),
            kernel: start.kernel.clone(),
            finished: state.finished,
            has_stacks: start.has_stacks,
            operations: Vec::new(),
            coverage: Vec::new(),
            findings: Vec::new(),
            unsteady: Vec::new(),
            unexplained: Vec::new(),
            marked: Vec::new(),
        };
        for (name, progress) in start.operations.iter().zip(&state.operations) {
            let faults = &progress.faults;
            let first = |wanted: fn(&str) -> bool| {
                let replies = faults.iter().filter_map(|fault| fault.attempts.first());
                replies
                    .filter(|attempt| attempt.injected && wanted(&attempt.reply.text()))
                    .count()
            };
            let continued = first(|reply| reply == "continued");
            for fault in faults {
                let (always, sometimes) = fault.findings();
                let case = |finding| case(name, fault, finding);
                report.findings.extend(always.into_iter().map(case));
                report.unsteady.extend(sometimes.into_iter().map(case));
                let site = &fault.point.site;
                if fault.discovered > 0 && fault.discovered < progress.discoveries {
                    let text = format!("{name}: {site}: not called in each discovery");
                    report.marked.push(text);
                }
                if !fault.attempts.is_empty() && !fault.was_injected() {
                    report
                        .marked
                        .push(format!("{name}: {site}: was not called again"));
                }
            }
            let all = progress.unexplained();
            report.unexplained.extend(all.map(|(doubt, finding)| {
                let is_of = |fault: &&Fault| doubt.ids.contains(&fault.point.id);
                let row = faults.iter().filter(is_of);
                Unexplained {
                    operation: name.clone(),
                    faults: row.map(|fault| fault.point.title()).collect(),
                    kind: finding.kind,
                    text: finding.text.clone(),
                    details: finding.details.clone(),
                }
            }));
            report.operations.push(Row {
                operation: name.clone(),
                points: faults.len(),
                injected: faults.iter().filter(|fault| fault.was_injected()).count(),
                appeared: faults.iter().filter(|fault| fault.discovered == 0).count(),
                recurring: progress.recurring(),
                errors: first(|_| true) - continued,
                continued,
                findings: faults
                    .iter()
                    .filter(|fault| !fault.findings().0.is_empty())
                    .count(),
            });
        }
        report.coverage = coverage(state);
        Ok(report)
    }

    /// Returns whether there are no findings.
    fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.unsteady.is_empty() && self.unexplained.is_empty()
    }

    /// Returns the first line of the report: the fault of the first finding.
    pub fn title(&self) -> &str {
        let cases = self.findings.iter().chain(&self.unsteady);
        let alone = cases.map(|case| &case.title);
        let mut titles = alone.chain(self.unexplained.iter().flat_map(|one| &one.faults));
        titles
            .next()
            .map_or("FAULT INJECTED: no finding", String::as_str)
    }

    /// Returns the report as text.
    pub fn text(&self) -> String {
        let mut lines: Vec<String> = Vec::new();
        lines.push(self.title().to_owned());
        if !self.is_clean() {
            lines.push("All that follows was seen while faults were injected on purpose.".into());
        }
        lines.push(format!(
            "workload {}, modules {}, Linux {}{}",
            self.workload,
            self.modules.join(" "),
            self.kernel,
            if self.finished { "" } else { " (not finished)" }
        ));
        if !self.has_stacks {
            lines.push("leaks of slab objects were not looked for: boot with slab_debug=U".into());
        }
        lines.push(String::new());
        lines.push(self.rows());
        lines.push(String::new());
        for coverage in &self.coverage {
            let module = &coverage.module;
            match &coverage.unknown {
                Some(reason) => lines.push(format!("{module}: its calls are not known: {reason}")),
                None => lines.push(format!(
                    "{module}: {} calls of failing functions: {} failed, {} reached, {} never reached",
                    coverage.calls,
                    coverage.failed.len(),
                    coverage.reached.len(),
                    coverage.never.len()
                )),
            }
            lines.extend(
                coverage
                    .never
                    .iter()
                    .map(|site| format!("  never reached: {site}")),
            );
        }
        lines.extend(self.marked.iter().map(|text| format!("  {text}")));
        for case in &self.findings {
            lines.push(String::new());
            lines.extend(case.lines());
        }
        if !self.unsteady.is_empty() {
            lines.push(String::new());
            lines.push("Seen, but not in each of three injections:".into());
            for case in &self.unsteady {
                lines.push(String::new());
                lines.extend(case.lines());
            }
        }
        if !self.unexplained.is_empty() {
            lines.push(String::new());
            lines.push("Seen after these faults in a row, and after none of them alone:".into());
            for one in &self.unexplained {
                lines.push(String::new());
                lines.extend(one.lines());
            }
        }
        lines.push(String::new());
        lines.push(self.sum());
        readable(&lines.join("\n"))
    }

    fn rows(&self) -> String {
        let heading = [
            "OPERATION",
            "POINTS",
            "FAILED",
            "APPEARED",
            "RECUR",
            "ERRORS",
            "CONTINUED",
            "FINDINGS",
        ];
        let rows = self.operations.iter().map(|row| {
            [
                row.operation.clone(),
                row.points.to_string(),
                row.injected.to_string(),
                row.appeared.to_string(),
                format!("{:.0} %", row.recurring),
                row.errors.to_string(),
                row.continued.to_string(),
                row.findings.to_string(),
            ]
        });
        table(heading, &[1, 2, 3, 4, 5, 6, 7], rows)
    }

    /// Returns the last line of the report.
    pub fn sum(&self) -> String {
        let points: usize = self.operations.iter().map(|row| row.points).sum();
        let injected: usize = self.operations.iter().map(|row| row.injected).sum();
        format!(
            "{}: {injected} of {points} points failed, {} findings",
            self.workload,
            self.findings.len()
        )
    }
}

impl Case {
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            self.title.clone(),
            format!("  finding:   {}: {}", self.kind.text(), self.text),
            format!("  operation: {}, answer: {}", self.operation, self.reply),
            format!("  plausible: {}", self.plausible),
            format!(
                "  seen:      in {} of {} injections",
                self.seen, self.injections
            ),
            format!("  point:     {}", self.id),
            format!("  stack:     {}", self.stack.join("\n             ")),
        ];
        lines.extend(self.details.iter().map(|line| format!("    | {line}")));
        lines
    }
}

fn case(operation: &str, fault: &Fault, finding: &Finding) -> Case {
    let point = &fault.point;
    let has = |attempt: &&super::journal::Attempt| {
        attempt
            .findings
            .iter()
            .any(|other| other.kind == finding.kind)
    };
    let first = fault.attempts.iter().find(has);
    Case {
        title: point.title(),
        operation: operation.to_owned(),
        id: point.id.clone(),
        kind: finding.kind,
        text: finding.text.clone(),
        reply: first
            .map(|attempt| attempt.reply.text())
            .unwrap_or_default(),
        plausible: point.plausible().to_string(),
        seen: fault.attempts.iter().filter(has).count(),
        injections: fault.attempts.len(),
        stack: point.stack.clone(),
        details: finding.details.clone(),
    }
}

/// Returns the calls of each module: those that failed, were reached, or were never reached.
fn coverage(state: &State) -> Vec<Coverage> {
    let faults = || {
        state
            .operations
            .iter()
            .flat_map(|progress| &progress.faults)
    };
    let sites = |wanted: fn(&Fault) -> bool| -> BTreeSet<String> {
        let faults = faults().filter(|fault| wanted(fault));
        faults.map(|fault| fault.point.site.clone()).collect()
    };
    let (reached, failed) = (sites(|_| true), sites(Fault::was_injected));
    let of = |(module, calls, unknown): &(String, Vec<super::coverage::Call>, Option<String>)| {
        let mut coverage = Coverage {
            module: module.clone(),
            calls: calls.len(),
            reached: Vec::new(),
            failed: Vec::new(),
            never: Vec::new(),
            unknown: unknown.clone(),
        };
        for call in calls {
            let site = format!("{module}:{}", call.site);
            let text = format!("{} calls {}", call.site, call.function);
            if failed.contains(&site) {
                coverage.failed.push(text);
            } else if reached.contains(&site) {
                coverage.reached.push(text);
            } else {
                coverage.never.push(text);
            }
        }
        coverage
    };
    state.calls.iter().map(of).collect()
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::fault::coverage::Call;
    use crate::fault::journal::Event;
    use crate::fault::state::tests::{discovered, end, start};

    pub fn state() -> State {
        let call = |site: &str| Call {
            site: site.into(),
            function: "__kmalloc_noprof".into(),
        };
        let calls = Event::Calls {
            module: "zram".into(),
            calls: vec![call("zram_add+0x1f"), call("zram_reset+0x9")],
            unknown: None,
        };
        let mut events = vec![start(), calls, discovered(&[1]), discovered(&[1])];
        events.extend([(); 3].map(|()| end(1, &[Kind::Leak])));
        State::of(&events).unwrap()
    }

    #[test]
    fn the_first_line_says_that_a_fault_was_injected() {
        let report = Report::of(&state()).unwrap();
        let text = report.text();
        assert!(
            text.starts_with(
                "FAULT INJECTED: __kmalloc_noprof returns null at zram:zram_add+0x1f\n"
            ),
            "{text}"
        );
        assert_eq!(report.coverage[0].failed.len(), 1);
        assert_eq!(
            report.coverage[0].never,
            ["zram_reset+0x9 calls __kmalloc_noprof"]
        );
        assert!(text.contains("seen:      in 3 of 3 injections"), "{text}");
        assert!(text.contains("victim of the OOM killer"), "{text}");
        assert!(
            text.ends_with("w: 1 of 1 points failed, 1 findings"),
            "{text}"
        );
        assert!(Report::of(&State::default()).is_err());
    }
}
