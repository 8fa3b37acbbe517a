// SPDX-License-Identifier: GPL-2.0

//! The kernel log on the console: reports of a kernel that is unwell.

use std::sync::LazyLock;

use regex::Regex;
pub use tackle_klog::Kind;

/// Lines of the log shown for one report: an oops with its trace fits.
pub const MAX_REPORT: usize = 60;

/// `[   12.345678] ` and with CONFIG_PRINTK_CALLER `[   12.345678][  T123] `.
/// Not anchored: a program on the console may have left its line unfinished.
static PREFIX: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\[ *\d+\.\d{6}\](?:\[ *[TC]\d+\])? ").expect("a valid pattern"));

/// The text of a kernel log line after its time stamp; `None` for what programs
/// write to the console.
pub fn message(line: &str) -> Option<&str> {
    PREFIX.find(line).map(|found| &line[found.end()..])
}

/// The trouble that a console line reports, and its text.
///
/// Only kernel lines count: a program may write `WARNING: ` as it likes.
pub fn sign(line: &str) -> Option<(Kind, &str)> {
    let text = message(line)?.trim_end();
    tackle_klog::sign(text).map(|kind| (kind, text))
}

/// Whether the kernel has said its last word.
pub fn is_panic(line: &str) -> bool {
    message(line).is_some_and(|text| text.starts_with("Kernel panic"))
}

/// A report being collected from the log.
#[derive(Clone, Debug)]
pub struct Report {
    /// The kind of its first sign, or [`Kind::Crash`] once a crash follows.
    pub kind: Kind,
    /// The text of the first sign.
    pub title: String,
    /// The log from the report on, at most [`MAX_REPORT`] lines.
    pub lines: Vec<String>,
    open: bool,
}

impl Report {
    /// A report that begins with `line`; `before` is the line before it, kept
    /// where it is the head of the report.
    pub fn begin(kind: Kind, title: &str, line: &str, before: Option<&str>) -> Self {
        let head = before.filter(|text| text.contains("[ cut here ]") || text.contains("======="));
        let lines = head.into_iter().chain([line]).map(str::to_owned).collect();
        Self {
            kind,
            title: title.to_owned(),
            lines,
            open: true,
        }
    }

    /// Adds the next line of the log. Returns false when the report has ended
    /// before it, and the line is to be looked at by itself.
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
        // After a crash all that comes belongs to it.
        let over = line.contains("---[ end trace") || self.lines.len() >= MAX_REPORT;
        self.open = self.kind == Kind::Crash || !over;
        true
    }

    /// Ends the report: what comes now belongs to something else.
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
    fn a_report_ends_with_its_trace_unless_it_is_a_crash() {
        let line = |text: &str| format!("[    1.000000] {text}");
        let cut = line("------------[ cut here ]------------");
        let mut warning =
            Report::begin(Kind::Warning, "WARNING: a", &line("WARNING: a"), Some(&cut));
        assert!(warning.add(&line("---[ end trace 0000000000000000 ]---")));
        assert!(!warning.add(&line("something else")));
        assert_eq!(warning.lines.len(), 3);

        let mut crash = Report::begin(Kind::Warning, "BUG: b", &line("BUG: b"), None);
        assert!(crash.add(&line("Oops: 0000 [#1]")));
        assert_eq!(crash.kind, Kind::Crash);
        for _ in 0..2 * MAX_REPORT {
            assert!(crash.add(&line("---[ end trace 0000000000000000 ]---")));
        }
        assert_eq!(crash.lines.len(), MAX_REPORT);
    }
}
