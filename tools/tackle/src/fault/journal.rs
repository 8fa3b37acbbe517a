// SPDX-License-Identifier: GPL-2.0

//! Implements the journal of a campaign: a file with one line of JSON for each event.
//!
//! An event is written before the next step begins. So after a crash the journal shows which fault
//! was being injected: the event `begin` without an `end`. A campaign that is started with a
//! journal continues after its last event.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use anyhow::{bail, Context, Result};
use nix::sys::termios::tcdrain;
use serde::{Deserialize, Serialize};

use super::coverage::Call;
use super::finding::{Answer, Finding};
use super::point::Point;

/// An event of a campaign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The campaign was started or continued.
    Start(Start),
    /// The calls of hooked functions in a module.
    Calls {
        /// The module.
        module: String,
        /// The calls, found by the module's relocations.
        calls: Vec<Call>,
        /// Why the calls are not known, if they are not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unknown: Option<String>,
    },
    /// An operation was run without a fault.
    Discovered {
        /// The operation's number, from 0.
        operation: usize,
        /// The points of the operation, or some of them.
        points: Vec<Point>,
        /// Whether the next event has more points of this run.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        more: bool,
    },
    /// Points were called for the first time while another one failed.
    Appeared {
        /// The operation's number.
        operation: usize,
        /// The points.
        points: Vec<Point>,
    },
    /// A fault is about to be injected.
    Begin {
        /// The operation's number.
        operation: usize,
        /// The point.
        id: String,
    },
    /// The operation was run with the fault, and all checks are done.
    End {
        /// The operation's number.
        operation: usize,
        /// The point.
        id: String,
        /// The outcome.
        #[serde(flatten)]
        attempt: Attempt,
    },
    /// Something was found after a row of faults. Each fault of the row must be injected again,
    /// alone.
    Doubt {
        /// The operation's number.
        operation: usize,
        /// The points.
        ids: Vec<String>,
        /// The findings.
        findings: Vec<Finding>,
    },
    /// The machine crashed or hung while a fault was injected. The program that restarted the
    /// machine adds this event.
    Lost {
        /// The reason, in one line.
        text: String,
        /// The end of the kernel log.
        log: Vec<String>,
    },
    /// All operations are done.
    Finish,
}

/// The workload and the kernel of a campaign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The workload's name.
    pub workload: String,
    /// The text of the workload's file.
    pub text: String,
    /// The names of the operations.
    pub operations: Vec<String>,
    /// The modules under test.
    pub modules: Vec<String>,
    /// The kernel's release and build id.
    pub kernel: String,
    /// Whether leaks of slab objects can be found.
    pub has_stacks: bool,
}

/// The result of one injection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Whether the call failed. It did not if the operation did not reach it.
    pub injected: bool,
    /// How the operation ended.
    pub reply: Answer,
    /// The problems that were found.
    pub findings: Vec<Finding>,
}

/// An open journal.
#[derive(Debug)]
pub struct Journal(File);

impl Journal {
    /// Opens a journal to append events. `path` may be a terminal or a pipe.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened for writing.
    pub fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        Ok(Self(file.with_context(|| {
            format!("cannot write {}", path.display())
        })?))
    }

    /// Appends an event, and waits until it is on the disk or sent on the serial line.
    ///
    /// # Errors
    /// Returns an error if the journal cannot be written.
    pub fn add(&mut self, event: &Event) -> Result<()> {
        let line = serde_json::to_string(event)? + "\n";
        self.0
            .write_all(line.as_bytes())
            .context("cannot write the journal")?;
        // One of the two calls fails, since the journal is either a file or a serial line. Without
        // `tcdrain()`, an event that is not yet sent would be lost when the machine crashes.
        let _ = self.0.sync_data();
        let _ = tcdrain(&self.0);
        Ok(())
    }
}

/// Reads the events of a journal. A last line that is not valid is ignored, since the machine may
/// have crashed while the line was written.
///
/// # Errors
/// Returns an error if the file cannot be read, or if a line before the last one is no event.
pub fn read(path: &Path) -> Result<Vec<Event>> {
    let shown = path.display();
    let file = File::open(path).with_context(|| format!("cannot read {shown}"))?;
    let mut events = Vec::new();
    let mut bad: Option<(usize, serde_json::Error)> = None;
    for (number, line) in BufReader::new(file).lines().enumerate() {
        if let Some((number, error)) = bad {
            bail!("{shown}: line {number} is no event: {error}");
        }
        let line = line.with_context(|| format!("cannot read {shown}"))?;
        match serde_json::from_str(&line) {
            Ok(event) => events.push(event),
            Err(error) => bad = Some((number + 1, error)),
        }
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_back_but_for_a_torn_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let event = Event::End {
            operation: 1,
            id: "a".into(),
            attempt: Attempt {
                injected: true,
                reply: Answer::Killed { signal: 9 },
                findings: Vec::new(),
            },
        };
        let mut journal = Journal::open(&path).unwrap();
        journal.add(&event).unwrap();
        journal.add(&Event::Finish).unwrap();
        assert_eq!(read(&path).unwrap(), [event.clone(), Event::Finish]);
        journal.0.write_all(b"{\"event\":\"fin").unwrap();
        assert_eq!(read(&path).unwrap().len(), 2);
        journal.0.write_all(b"\n").unwrap();
        journal.add(&Event::Finish).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("line 3 is no event"), "{error}");
    }
}
