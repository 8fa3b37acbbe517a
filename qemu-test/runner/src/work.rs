// SPDX-License-Identifier: GPL-2.0

//! Represents the work of a guest, in words that the guest's init reads.
//!
//! A guest that boots finds the words on the kernel's command line. A guest that was
//! restored from a template gets them as one line on ttyS1, with the time of day.

use std::time::{SystemTime, UNIX_EPOCH};

/// The work of one guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// `tackle.run=`: the arguments of the guest program, separated by commas. The values `shell`
    /// and [`WAIT`] are special.
    pub run: String,
    /// `tackle.rounds=`: the number of rounds for suites that repeat their work; `None` for the
    /// suite's own number.
    pub rounds: Option<u32>,
    /// `tackle.tty=`: rows and columns of the user's terminal.
    pub terminal: Option<(u16, u16)>,
}

/// The value of `tackle.run=` that makes a guest wait for a line with its work.
pub const WAIT: &str = "wait";

/// The value of `tackle.run=` that makes a guest run each line from ttyS1 as a shell command.
pub const ORDERS: &str = "orders";

/// The line that a guest writes to ttyS1 when it waits for work.
pub const READY: &str = "tackle: ready";

impl Work {
    /// Returns work with these arguments and no other settings.
    pub fn new(run: impl Into<String>) -> Self {
        Self {
            run: run.into(),
            rounds: None,
            terminal: None,
        }
    }

    /// Returns the words for the kernel's command line.
    pub fn words(&self) -> Vec<String> {
        let mut words = vec![format!("tackle.run={}", self.run)];
        words.extend(self.rounds.map(|rounds| format!("tackle.rounds={rounds}")));
        let terminal = self.terminal;
        words.extend(
            terminal.map(|(rows, columns)| format!("tackle.tty=rows={rows},cols={columns}")),
        );
        words
    }

    /// Returns the line for a restored guest: the words, and the seconds since 1970.
    pub fn line(&self) -> String {
        format!("{} tackle.time={}\n", self.words().join(" "), now())
    }
}

/// Seconds since 1970.
pub fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        assert_eq!(Work::new("run,hooks").words(), ["tackle.run=run,hooks"]);
        let all = Work {
            rounds: Some(7),
            terminal: Some((40, 132)),
            ..Work::new("shell")
        };
        assert_eq!(
            all.words(),
            [
                "tackle.run=shell",
                "tackle.rounds=7",
                "tackle.tty=rows=40,cols=132"
            ]
        );
        let line = all.line();
        assert!(
            line.contains(" tackle.time=1") && line.ends_with('\n'),
            "{line}"
        );
    }
}
