// SPDX-License-Identifier: GPL-2.0

//! Implements findings: problems that an injected fault reveals.

use serde::{Deserialize, Serialize};

use super::command::{Ended, How};
use super::workload::Operation;

/// The kind of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The kernel crashed, or a signal killed the command.
    Crash,
    /// A command did not end within its time limit.
    Hang,
    /// The kernel logged a report, such as a warning.
    Report,
    /// The command succeeds, but the operation is not in effect.
    FalseSuccess,
    /// The command reports an error that is not one of those that it may report.
    WrongError,
    /// After the fault, the operation fails without a fault.
    FailsAfterwards,
    /// The command that reverts the operation fails.
    CannotUndo,
    /// Files, devices, threads and the like are left behind.
    LeftBehind,
    /// Memory is not freed.
    Leak,
}

impl Kind {
    /// Returns the name of the kind in reports.
    pub fn text(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Hang => "hang",
            Self::Report => "report in the kernel log",
            Self::FalseSuccess => "false success",
            Self::WrongError => "wrong error",
            Self::FailsAfterwards => "fails afterwards",
            Self::CannotUndo => "cannot be undone",
            Self::LeftBehind => "left behind",
            Self::Leak => "memory leak",
        }
    }

    /// Returns whether the machine must be rebooted before the campaign can continue.
    pub fn needs_reset(self) -> bool {
        matches!(
            self,
            Self::Crash | Self::Hang | Self::FailsAfterwards | Self::CannotUndo | Self::LeftBehind
        )
    }
}

/// A problem that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The kind of the problem.
    pub kind: Kind,
    /// The problem in one line.
    pub text: String,
    /// The evidence: lines of the kernel log, stacks, or changed entries.
    pub details: Vec<String>,
}

impl Finding {
    /// Returns a finding. Of its evidence at most [`EVIDENCE`] bytes are kept.
    pub fn new(kind: Kind, text: impl Into<String>, mut details: Vec<String>) -> Self {
        let mut kept = 0;
        let mut fits = |line: &String| {
            kept += line.len();
            kept <= EVIDENCE
        };
        let lines = details.iter().take_while(|line| fits(line)).count();
        if lines < details.len() {
            let left = details.len() - lines;
            details.truncate(lines);
            details.push(format!("({left} more lines)"));
        }
        Self {
            kind,
            text: text.into(),
            details,
        }
    }
}

/// The maximum size of a finding's evidence, in bytes. The host of a guest accepts only lines of
/// limited length.
const EVIDENCE: usize = 8 << 10;

/// How the operation ended after the fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "answer")]
pub enum Answer {
    /// The command failed.
    Error {
        /// The last line that the command printed, and its status.
        text: String,
    },
    /// The command succeeded.
    Continued,
    /// The command did not end in time.
    TimedOut,
    /// A signal killed the command.
    Killed {
        /// The signal's number.
        signal: i32,
    },
    /// The machine crashed or hung before the command ended.
    Lost,
}

impl Answer {
    /// Returns the answer that follows from the end of a command.
    pub fn of(ended: &Ended) -> Self {
        match ended.how {
            How::Exit(0) => Self::Continued,
            How::Exit(status) => Self::Error {
                text: format!("{} (status {status})", ended.last_line()),
            },
            How::Signal(signal) => Self::Killed { signal },
            How::TimedOut | How::Stuck => Self::TimedOut,
        }
    }

    /// Returns the answer as text for reports.
    pub fn text(&self) -> String {
        match self {
            Self::Error { text } => text.clone(),
            Self::Continued => "continued".to_owned(),
            Self::TimedOut => "timed out".to_owned(),
            Self::Killed { signal } => format!("killed by signal {signal}"),
            Self::Lost => "none: the machine was lost".to_owned(),
        }
    }
}

/// Returns the finding that follows from the end of the command in which a fault was injected.
pub fn of_command(operation: &Operation, ended: &Ended) -> Option<Finding> {
    let finding = |kind, text: String| Some(Finding::new(kind, text, ended.lines()));
    match ended.how {
        How::Exit(0) => None,
        How::Exit(_) => {
            let is_allowed = |text: &String| ended.output.contains(text.as_str());
            if operation.errors.is_empty() || operation.errors.iter().any(is_allowed) {
                return None;
            }
            let line = ended.last_line();
            finding(Kind::WrongError, format!("it reports '{line}'"))
        }
        How::Signal(signal) => finding(Kind::Crash, format!("signal {signal} killed the command")),
        How::TimedOut => finding(
            Kind::Hang,
            format!(
                "the command did not end within {} s, and was killed",
                operation.timeout
            ),
        ),
        How::Stuck => finding(
            Kind::Hang,
            format!(
                "the command did not end within {} s, and cannot be killed",
                operation.timeout
            ),
        ),
    }
}

/// Returns the finding that follows from the end of a command that ran without a fault. Only a
/// command that succeeds has none.
pub fn of_clean(kind: Kind, what: &str, ended: &Ended) -> Option<Finding> {
    let (kind, text) = match ended.how {
        How::Exit(0) => return None,
        How::Exit(status) => (
            kind,
            format!("{what} fails with status {status}: {}", ended.last_line()),
        ),
        How::Signal(signal) => (kind, format!("{what}: signal {signal} killed the command")),
        How::TimedOut => (kind, format!("{what} does not end")),
        How::Stuck => (
            Kind::Hang,
            format!("{what} does not end, and cannot be killed"),
        ),
    };
    Some(Finding::new(kind, text, ended.lines()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::workload::Workload;

    fn ended(how: How, output: &str) -> Ended {
        Ended {
            how,
            output: output.to_owned(),
        }
    }

    #[test]
    fn an_error_is_good_unless_the_workload_names_others() {
        let mut operation = Workload::parse(&Workload::plain("a"))
            .unwrap()
            .operations
            .remove(0);
        let end = ended(How::Exit(1), "x\nsh: write error: Invalid argument\n");
        assert_eq!(of_command(&operation, &end), None);
        operation.errors = vec!["Cannot allocate memory".into()];
        let finding = of_command(&operation, &end).unwrap();
        assert_eq!(finding.kind, Kind::WrongError);
        assert!(
            finding.text.contains("Invalid argument"),
            "{}",
            finding.text
        );
        let end = ended(How::Exit(1), "Cannot allocate memory");
        assert_eq!(of_command(&operation, &end), None);
        assert_eq!(of_command(&operation, &ended(How::Exit(0), "")), None);
    }

    #[test]
    fn evidence_is_limited() {
        let of = |count: usize| {
            let lines = vec!["x".repeat(1 << 10); count];
            Finding::new(Kind::Leak, "text", lines).details
        };
        assert_eq!(of(8).len(), 8);
        let details = of(100);
        assert_eq!((details.len(), details[8].as_str()), (9, "(92 more lines)"));
    }

    #[test]
    fn commands_that_do_not_end_are_hangs() {
        let operation = Workload::parse(&Workload::plain("a"))
            .unwrap()
            .operations
            .remove(0);
        let kind = |how| of_command(&operation, &ended(how, "")).unwrap().kind;
        assert_eq!(kind(How::Signal(9)), Kind::Crash);
        assert_eq!(kind(How::TimedOut), Kind::Hang);
        assert_eq!(kind(How::Stuck), Kind::Hang);
        let clean = |how| of_clean(Kind::FailsAfterwards, "load", &ended(how, "no"));
        assert_eq!(clean(How::Exit(0)), None);
        assert_eq!(clean(How::Exit(2)).unwrap().kind, Kind::FailsAfterwards);
        assert_eq!(clean(How::Stuck).unwrap().kind, Kind::Hang);
    }
}
