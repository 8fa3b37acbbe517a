// SPDX-License-Identifier: GPL-2.0

//! Implements the command `demo`. The guest's demonstration goes to stdout, and its kernel log to a
//! file.

use anyhow::{bail, Context, Result};

use crate::boot::Booter;
use crate::console::Watch;
use crate::follow::{Listener, Mood};
use crate::kernel::Kernel;
use crate::session::Session;
use crate::tail::Lines;
use crate::ui::Ui;

/// The last line of a guest in which all demonstrations succeeded.
const DONE: &str = "demo: 5 of 5 shown";

/// A listener that prints the demonstration of a guest.
pub struct Demo<'a> {
    ui: &'a Ui,
    console: Watch,
    shown_lines: Lines,
    last: String,
}

impl<'a> Demo<'a> {
    /// Returns a listener that prints to this terminal.
    pub fn new(ui: &'a Ui) -> Self {
        Self {
            ui,
            console: Watch::new(),
            shown_lines: Lines::new(),
            last: String::new(),
        }
    }

    /// # Errors
    /// Fails when the kernel log has a report of a crash or a warning, when the guest did not end
    /// well, or when the guest did not print that all was shown. The report from the kernel log is
    /// printed.
    pub fn finish(mut self, fault: Option<String>) -> Result<()> {
        let shown = self.shown_lines.finish();
        self.shown(shown);
        self.console.finish(self.ui).context("demo")?;
        if let Some(fault) = fault {
            bail!("demo: the guest: {fault}");
        }
        if self.last != DONE {
            bail!("demo: ended before all was shown");
        }
        Ok(())
    }

    fn shown(&mut self, lines: impl IntoIterator<Item = String>) {
        let lines = lines.into_iter().map(|line| line.trim().to_owned());
        if let Some(last) = lines.filter(|line| !line.is_empty()).last() {
            self.last = last;
        }
    }
}

impl Listener for Demo<'_> {
    fn heard(&mut self, console: &[u8], second: &[u8]) -> Result<()> {
        self.console.heard(console);
        if !second.is_empty() {
            self.ui.clear();
            self.ui.relay(second);
            let lines = self.shown_lines.push(second);
            self.shown(lines);
        }
        Ok(())
    }

    fn mood(&self) -> Mood {
        self.console.mood()
    }
}

/// Boots `kernel` for the demo.
///
/// # Errors
/// The errors are those of [`Booter::boot`] and [`Demo::finish`].
pub fn run(session: &Session, booter: &Booter<'_>, kernel: &Kernel) -> Result<()> {
    let dir = session.dir.subdir(format!("{}/demo", kernel.name))?;
    session.ui.step(&format!(
        "booting {} ({})",
        kernel.name,
        booter.accel.name()
    ));
    let mut demo = Demo::new(&session.ui);
    let (end, stderr) = booter.boot(kernel, "demo", &dir, &mut demo)?;
    session.ui.clear();
    let message = stderr
        .lines()
        .last()
        .map(|line| format!(" ({line})"))
        .unwrap_or_default();
    demo.finish(end.fault().map(|fault| fault + &message))
}
