// SPDX-License-Identifier: GPL-2.0

//! Writes the Kernel Test Anything Protocol, version 1, to the channel that
//! the runner reads.
//!
//! See `Documentation/dev-tools/ktap.rst` in the kernel source.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Write};

use anyhow::{Context, Result};
use nix::sys::termios::{cfmakeraw, tcgetattr, tcsetattr, SetArg};

/// The second serial port, which has the report only.
const PORT: &str = "/dev/ttyS1";

/// How a test or a suite ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was as expected.
    Passed,
    /// The test could not be run here, with the reason.
    Skipped(String),
    /// Something was not as expected, one line each.
    Failed(Vec<String>),
}

/// Opens the channel: the file that `TACKLE_KTAP` names, else [`PORT`].
///
/// # Errors
///
/// The channel cannot be opened for writing.
pub fn channel() -> Result<Box<dyn Write>> {
    let path = std::env::var("TACKLE_KTAP").unwrap_or_else(|_| PORT.into());
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(&path)
        .with_context(|| format!("cannot open the report channel {path}"))?;
    raw(&file).with_context(|| format!("cannot set up {path}"))?;
    Ok(Box::new(file))
}

/// Switches a serial port to raw mode. Otherwise, each line would end in "\r
/// ". Other files are not changed.
///
/// # Errors
///
/// The port cannot be set up.
pub fn raw(file: &File) -> Result<()> {
    if file.is_terminal() {
        let mut settings = tcgetattr(file)?;
        cfmakeraw(&mut settings);
        tcsetattr(file, SetArg::TCSANOW, &settings)?;
    }
    Ok(())
}

/// A KTAP report that is being written.
pub struct Ktap {
    out: Box<dyn Write>,
    depth: usize,
}

impl Ktap {
    /// Starts a report on `out`.
    pub fn new(out: Box<dyn Write>) -> Self {
        Self { out, depth: 0 }
    }

    /// Opens a list of `count` results at the current depth.
    ///
    /// # Errors
    ///
    /// The channel cannot be written. This is the error of all methods.
    pub fn plan(&mut self, count: usize) -> Result<()> {
        self.line("KTAP version 1")?;
        self.line(&format!("1..{count}"))
    }

    /// Goes one level down. The following lines belong to the next result.
    pub fn indent(&mut self) {
        self.depth += 1;
    }

    /// Goes one level up again.
    pub fn outdent(&mut self) {
        self.depth -= 1;
    }

    /// Writes a diagnostic, which may have several lines.
    pub fn note(&mut self, text: impl Display) -> Result<()> {
        text.to_string()
            .lines()
            .try_for_each(|line| self.line(&format!("# {line}")))
    }

    /// Writes the result of number `number`, counted from 1.
    pub fn result(&mut self, number: usize, name: &str, outcome: &Outcome) -> Result<()> {
        match outcome {
            Outcome::Passed => self.line(&format!("ok {number} {name}")),
            Outcome::Skipped(why) => {
                let why = why.replace('\n', " ");
                self.line(&format!("ok {number} {name} # SKIP {why}"))
            }
            Outcome::Failed(reasons) => {
                for reason in reasons {
                    self.note(reason)?;
                }
                self.line(&format!("not ok {number} {name}"))
            }
        }
    }

    /// Writes a line at once, because the guest can crash at any time.
    fn line(&mut self, text: &str) -> Result<()> {
        let indent = "  ".repeat(self.depth);
        self.out
            .write_all(format!("{indent}{text}\n").as_bytes())
            .and_then(|()| self.out.flush())
            .context("cannot write the report")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nests_results_by_two_spaces() {
        let out = Shared::default();
        let mut ktap = Ktap::new(Box::new(out.clone()));
        ktap.plan(1).unwrap();
        ktap.indent();
        ktap.plan(3).unwrap();
        ktap.note("begin a").unwrap();
        ktap.result(1, "a", &Outcome::Passed).unwrap();
        ktap.result(2, "b", &Outcome::Skipped("no\nnodes".into()))
            .unwrap();
        ktap.result(3, "c", &Outcome::Failed(vec!["one\ntwo".into()]))
            .unwrap();
        ktap.outdent();
        ktap.result(1, "s", &Outcome::Failed(vec![])).unwrap();
        let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            text,
            "KTAP version 1\n1..1\n  KTAP version 1\n  1..3\n  # begin a\n  ok 1 a\n  \
             ok 2 b # SKIP no nodes\n  # one\n  # two\n  not ok 3 c\nnot ok 1 s\n"
        );
    }
}
