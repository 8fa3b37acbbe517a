// SPDX-License-Identifier: GPL-2.0

//! Finds the reports of crashes, warnings, stalls and leaks in the kernel log on the console.

use std::collections::VecDeque;
use std::sync::LazyLock;

use anyhow::{bail, Result};
use regex::Regex;
pub use tackle_klog::Kind;

use crate::follow::Mood;
use crate::tail::Lines;
use crate::ui::Ui;

/// The number of lines of the log that are shown for one report. An oops with its trace fits.
pub const MAX_REPORT: usize = 60;

/// The maximum number of lines between the first line of a report and its title.
const MAX_HEAD: usize = 4;

/// `[ 12.345678] ` and with CONFIG_PRINTK_CALLER `[ 12.345678][ T123] `. The pattern is not
/// anchored, because a program may have written an unfinished line before it.
static PREFIX: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\[ *\d+\.\d{6}\](?:\[ *[TC]\d+\])? ").expect("a valid pattern"));

/// Returns the text of a kernel log line after its time stamp. Returns `None` for lines that
/// programs write to the console.
pub fn message(line: &str) -> Option<&str> {
    PREFIX.find(line).map(|found| &line[found.end()..])
}

/// Returns the kind of report that begins at a console line, and the line's text.
///
/// Only lines of the kernel count, since any program can write `WARNING: `.
pub fn sign(line: &str) -> Option<(Kind, &str)> {
    let text = message(line)?.trim_end();
    tackle_klog::sign(text).map(|kind| (kind, text))
}

/// Returns whether the line reports a panic, after which the kernel logs nothing useful.
pub fn is_panic(line: &str) -> bool {
    message(line).is_some_and(|text| text.starts_with("Kernel panic"))
}

/// Reads the console of a guest whose kernel must report nothing.
#[derive(Debug, Default)]
pub struct Watch {
    lines: Lines,
    recent: VecDeque<String>,
    report: Option<Report>,
    panicked: bool,
}

impl Watch {
    /// Returns a watch that has read nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the next bytes of the console.
    pub fn heard(&mut self, console: &[u8]) {
        for line in self.lines.push(console) {
            self.line(line);
        }
    }

    /// Returns the mood for the [`Listener`](crate::follow::Listener) that owns this watch.
    pub fn mood(&self) -> Mood {
        Mood::of(self.panicked, false)
    }

    /// Ends the console, and prints the first report.
    ///
    /// # Errors
    /// Fails when the kernel has reported something. The error is the title of the first report.
    pub fn finish(mut self, ui: &Ui) -> Result<()> {
        if let Some(line) = self.lines.finish() {
            self.line(line);
        }
        let Some(report) = self.report else {
            return Ok(());
        };
        for line in &report.lines {
            ui.note(&format!("| {line}"));
        }
        bail!("{}: {}", report.kind.word(), report.title);
    }

    fn line(&mut self, line: String) {
        self.panicked |= is_panic(&line);
        if let Some(report) = &mut self.report {
            report.add(&line);
        } else if let Some((kind, title)) = sign(&line) {
            self.report = Some(Report::begin(kind, title, &line, &self.recent));
        }
        remember(&mut self.recent, line);
    }
}

/// Adds a line, and keeps only the last [`MAX_REPORT`] lines.
pub fn remember(recent: &mut VecDeque<String>, line: String) {
    if recent.len() == MAX_REPORT {
        recent.pop_front();
    }
    recent.push_back(line);
}

/// A report of the kernel whose lines are being collected.
#[derive(Clone, Debug)]
pub struct Report {
    /// The kind of the line that began the report, or [`Kind::Crash`] if a crash has followed.
    pub kind: Kind,
    /// The text of the line that began the report.
    pub title: String,
    /// The lines of the report, at most [`MAX_REPORT`].
    pub lines: Vec<String>,
    open: bool,
}

impl Report {
    /// Returns a report whose title is in `line`. `before` has the previous lines of the log. Those
    /// from the report's first line on are added to the report.
    pub fn begin(kind: Kind, title: &str, line: &str, before: &VecDeque<String>) -> Self {
        let is_rule = |text: &&String| text.contains("[ cut here ]") || text.contains("=======");
        // The text of a WARN() is printed between the rule and the title.
        let head = before
            .iter()
            .rev()
            .take(MAX_HEAD)
            .position(|text| is_rule(&text));
        let head = before.len() - head.map_or(0, |back| back + 1);
        let lines = before.iter().skip(head).map(String::as_str);
        Self {
            kind,
            title: title.to_owned(),
            lines: lines.chain([line]).map(str::to_owned).collect(),
            open: true,
        }
    }

    /// Adds the next line of the log. Returns false if the report has ended before this line.
    pub fn add(&mut self, line: &str) -> bool {
        if !self.open {
            return false;
        }
        if let Some((Kind::Crash, _)) = sign(line) {
            self.kind = Kind::Crash;
        }
        if self.lines.len() < MAX_REPORT {
            self.lines.push(line.to_owned());
        }
        // After a crash, all further lines belong to its report.
        let over = line.contains("---[ end trace") || self.lines.len() >= MAX_REPORT;
        self.open = self.kind == Kind::Crash || !over;
        true
    }

    /// Ends the report. Further lines do not belong to it.
    pub fn close(&mut self) {
        self.open = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_kernel_is_listened_to() {
        let sample = "BUG: KASAN: slab-out-of-bounds in f+0x1/0x2";
        let line = format!("[   12.345678] {sample}\r");
        assert_eq!(sign(&line), Some((Kind::Warning, sample)));
        assert_eq!(
            sign("[    1.000000] kmemleak: 0 new suspected memory leaks"),
            None
        );
        assert_eq!(sign("WARNING: a program says so"), None);
        assert_eq!(sign("[12.3] WARNING: not a time stamp of the kernel"), None);
    }

    #[test]
    fn prefixes() {
        assert_eq!(message("[    0.000000] Linux"), Some("Linux"));
        assert_eq!(message("[12345.678901][  T12] x"), Some("x"));
        assert!(sign("half a line[    1.000000][    C0] BUG: y").is_some());
    }

    #[test]
    fn a_report_begins_at_its_rule() {
        let begin = |before: &[&str]| {
            let before = before.iter().map(|text| (*text).to_owned()).collect();
            Report::begin(Kind::Warning, "WARNING: a", "WARNING: a", &before).lines
        };
        let cut = "------------[ cut here ]------------";
        assert_eq!(begin(&[]), ["WARNING: a"]);
        assert_eq!(begin(&["other", "another"]), ["WARNING: a"]);
        assert_eq!(begin(&["other", cut]), [cut, "WARNING: a"]);
        assert_eq!(
            begin(&["other", cut, "a text"]),
            [cut, "a text", "WARNING: a"]
        );
        assert_eq!(begin(&[cut, "1", "2", "3", "4"]), ["WARNING: a"]);
    }

    #[test]
    fn a_report_ends_with_its_trace_unless_it_is_a_crash() {
        let line = |text: &str| format!("[    1.000000] {text}");
        let cut = line("------------[ cut here ]------------");
        let mut warning = Report::begin(
            Kind::Warning,
            "WARNING: a",
            &line("WARNING: a"),
            &[cut].into(),
        );
        assert!(warning.add(&line("---[ end trace 0000000000000000 ]---")));
        assert!(!warning.add(&line("something else")));
        assert_eq!(warning.lines.len(), 3);

        let mut crash = Report::begin(Kind::Warning, "BUG: b", &line("BUG: b"), &VecDeque::new());
        assert!(crash.add(&line("Oops: 0000 [#1]")));
        assert_eq!(crash.kind, Kind::Crash);
        for _ in 0..2 * MAX_REPORT {
            assert!(crash.add(&line("---[ end trace 0000000000000000 ]---")));
        }
        assert_eq!(crash.lines.len(), MAX_REPORT);
    }
}
