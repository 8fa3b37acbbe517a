// SPDX-License-Identifier: GPL-2.0

//! `demo`: what the guest shows goes to stdout, its kernel log to a file.

use anyhow::{bail, Result};

use crate::boot::Booter;
use crate::console::{is_panic, sign, Report};
use crate::follow::{Listener, Mood};
use crate::kernel::Kernel;
use crate::session::Session;
use crate::tail::Lines;
use crate::ui::Ui;

/// What the guest says when all went well.
const DONE: &str = "demo: 5 of 5 shown";

/// Relays a demo.
pub struct Demo<'a> {
    ui: &'a Ui,
    console_lines: Lines,
    shown_lines: Lines,
    last: String,
    report: Option<Report>,
    panicked: bool,
}

impl<'a> Demo<'a> {
    /// Relays to this terminal.
    pub fn new(ui: &'a Ui) -> Self {
        Self {
            ui,
            console_lines: Lines::new(),
            shown_lines: Lines::new(),
            last: String::new(),
            report: None,
            panicked: false,
        }
    }

    /// # Errors
    /// When the kernel log shows trouble, the guest did not end well, or the
    /// demo did not say that all was shown. The report from the kernel log is printed.
    pub fn finish(mut self, fault: Option<String>) -> Result<()> {
        let (console, shown) = (self.console_lines.finish(), self.shown_lines.finish());
        console.iter().for_each(|line| self.console_line(line));
        self.shown(shown);
        if let Some(report) = self.report {
            report
                .lines
                .iter()
                .for_each(|line| self.ui.note(&format!("| {line}")));
            bail!("demo: {}: {}", report.kind.word(), report.title);
        }
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

    fn console_line(&mut self, line: &str) {
        self.panicked |= is_panic(line);
        match (&mut self.report, sign(line)) {
            (Some(report), _) => {
                report.add(line);
            }
            (None, Some((kind, title))) => {
                self.report = Some(Report::begin(kind, title, line, None))
            }
            (None, None) => {}
        }
    }
}

impl Listener for Demo<'_> {
    fn heard(&mut self, console: &[u8], second: &[u8]) -> Result<()> {
        for line in self.console_lines.push(console) {
            self.console_line(&line);
        }
        if !second.is_empty() {
            self.ui.clear();
            self.ui.relay(second);
            let lines = self.shown_lines.push(second);
            self.shown(lines);
        }
        Ok(())
    }

    fn mood(&self) -> Mood {
        if self.panicked {
            Mood::Dying
        } else {
            Mood::Normal
        }
    }
}

/// Boots `kernel` for the demo.
///
/// # Errors
/// As [`Booter::boot`] and [`Demo::finish`].
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
