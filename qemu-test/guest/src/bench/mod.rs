// SPDX-License-Identifier: GPL-2.0

//! Measures in a guest whose clock counts instructions, or under User Mode Linux, and reports
//! figures as lines of JSON. `Documentation/bench.rst` explains them.

mod fault;
mod hooks;
mod links;
mod livepatch;
mod numa;
mod numa_placement;
mod pktgen;
mod probes;
mod qdisc;
mod qdisc_time;

use std::io::Write;

use anyhow::{bail, Context, Result};
use serde::Serialize;

use crate::ktap::channel;
use crate::sys::cmd;
pub use numa::toucher;

/// A suite of measurements.
struct Suite {
    name: &'static str,
    run: fn(&mut Report) -> Result<()>,
}

const SUITES: [Suite; 9] = [
    fault::SUITE,
    hooks::SUITE,
    livepatch::SUITE,
    numa::SUITE,
    numa_placement::SUITE,
    qdisc::SUITE,
    qdisc_time::SUITE,
    links::SUITE,
    links::ALL,
];

/// One line of the report. The host only computes with these figures, and measures nothing.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Line<'a> {
    Figure(Figure<'a>),
    Course(Course<'a>),
    /// A figure that this kernel cannot provide, and the reason.
    Skipped(Skipped<'a>),
    /// The last line of a complete report: the number of figures.
    End(usize),
    /// The last line after an error.
    Error(String),
}

/// A measured value. The cost of the baseline has not been subtracted.
#[derive(Clone, Copy, Debug, Serialize)]
struct Figure<'a> {
    suite: &'a str,
    case: &'a str,
    subject: &'a str,
    metric: &'a str,
    value: f64,
    unit: &'a str,
}

/// The values over time in one round.
#[derive(Clone, Debug, Serialize)]
struct Course<'a> {
    suite: &'a str,
    case: &'a str,
    subject: &'a str,
    /// Pairs of a time in seconds and the value.
    points: Vec<[f64; 2]>,
}

/// A value that was not measured, and the reason.
#[derive(Clone, Copy, Debug, Serialize)]
struct Skipped<'a> {
    suite: &'a str,
    case: &'a str,
    subject: &'a str,
    reason: &'a str,
}

/// The report that is being written.
struct Report {
    out: Box<dyn Write>,
    figures: usize,
}

impl Report {
    fn figure(&mut self, figure: Figure<'_>) -> Result<()> {
        self.figures += 1;
        self.line(&Line::Figure(figure))
    }

    fn insn_per_call(&mut self, suite: &str, case: &str, subject: &str, value: f64) -> Result<()> {
        self.figure(Figure {
            suite,
            case,
            subject,
            metric: "insn_per_call",
            value,
            unit: "instructions",
        })
    }

    fn course(&mut self, course: Course<'_>) -> Result<()> {
        self.line(&Line::Course(course))
    }

    fn skipped(&mut self, skipped: Skipped<'_>) -> Result<()> {
        self.line(&Line::Skipped(skipped))
    }

    fn line(&mut self, line: &Line<'_>) -> Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        self.out
            .write_all(text.as_bytes())
            .and_then(|()| self.out.flush())
            .context("cannot write the report")
    }
}

/// Runs the suites with these names, or all suites. Returns whether there were no errors.
///
/// # Errors
///
/// A name is not known, or the report cannot be written.
pub fn run(names: &[String]) -> Result<bool> {
    let suites = select(names)?;
    cmd::lift_limit();
    let mut report = Report {
        out: channel()?,
        figures: 0,
    };
    for suite in suites {
        if let Err(error) = (suite.run)(&mut report) {
            let text = format!("{}: {error:#}", suite.name);
            eprintln!("tackle-guest: {text}");
            report.line(&Line::Error(text))?;
            return Ok(false);
        }
    }
    report.line(&Line::End(report.figures))?;
    Ok(true)
}

fn select(names: &[String]) -> Result<Vec<&'static Suite>> {
    if let Some(name) = names
        .iter()
        .find(|name| SUITES.iter().all(|suite| suite.name != name.as_str()))
    {
        bail!("there is no benchmark {name:?}");
    }
    let wanted = |suite: &&Suite| names.is_empty() || names.iter().any(|name| name == suite.name);
    Ok(SUITES.iter().filter(wanted).collect())
}

/// Returns the minimum of several rounds, because interruptions can only add instructions.
///
/// # Errors
///
/// Returns the error of the first round that fails.
fn least(rounds: u32, mut round: impl FnMut() -> Result<f64>) -> Result<f64> {
    let mut least = f64::INFINITY;
    for _ in 0..rounds {
        least = least.min(round()?);
    }
    Ok(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_json() {
        let figure = Figure {
            suite: "hooks",
            case: "nop",
            subject: "c-ops",
            metric: "insn_per_call",
            value: 46.0,
            unit: "instructions",
        };
        let text = serde_json::to_string(&Line::Figure(figure)).unwrap();
        assert_eq!(
            text,
            r#"{"figure":{"suite":"hooks","case":"nop","subject":"c-ops","metric":"insn_per_call","value":46.0,"unit":"instructions"}}"#
        );
        assert_eq!(
            serde_json::to_string(&Line::End(3)).unwrap(),
            r#"{"end":3}"#
        );
    }

    #[test]
    fn names_select_suites() {
        assert_eq!(select(&[]).unwrap().len(), SUITES.len());
        assert_eq!(select(&["qdisc".into()]).unwrap()[0].name, "qdisc");
        assert!(select(&["none".into()]).is_err());
    }

    #[test]
    fn the_least_round_counts() {
        let mut values = [3.0, 1.0, 2.0].into_iter();
        assert_eq!(least(3, || Ok(values.next().unwrap())).unwrap(), 1.0);
    }
}
