// SPDX-License-Identifier: GPL-2.0

//! The kernel log on the console: which lines mean that the kernel is unwell.

use std::sync::LazyLock;

use regex::Regex;

/// Lines of the log shown for one report: an oops with its trace fits.
pub const MAX_REPORT: usize = 60;

/// What kind of trouble a line reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The kernel stops after it.
    Crash,
    /// The kernel goes on after it.
    Warning,
    /// Something did not come forward.
    Stall,
    /// Memory was lost.
    Leak,
}

impl Kind {
    /// The word for it in a reason.
    pub fn word(self) -> &'static str {
        match self {
            Self::Crash => "kernel crash",
            Self::Warning => "kernel warning",
            Self::Stall => "kernel stall",
            Self::Leak => "kernel memory leak",
        }
    }
}

/// What the kernel writes first when something is wrong, after the time stamp.
/// The first that matches counts.
const SIGNS: &[(Kind, &str)] = &[
    (
        Kind::Stall,
        r"^(watchdog: )?BUG: (soft lockup|workqueue lockup)",
    ),
    (Kind::Stall, r"^(NMI )?watchdog: .*hard LOCKUP"),
    (Kind::Stall, r"^INFO: task .* blocked"),
    (Kind::Stall, r"^(rcu: )?INFO: rcu.*detected.* stalls?"),
    (Kind::Stall, r"^rcu: .*detected stalls"),
    (Kind::Stall, r"^hung_task: "),
    (Kind::Crash, r"^Kernel panic"),
    (Kind::Crash, r"^(Oops|Internal error)\b"),
    (Kind::Crash, r"^kernel BUG at "),
    (Kind::Crash, r"^(\w+: )?panicked at "),
    (Kind::Crash, r"^general protection fault"),
    (
        Kind::Crash,
        r"^(BUG: )?(kernel NULL pointer|(?i:unable to handle))",
    ),
    (
        Kind::Crash,
        r"^(double fault|stack segment|int3|invalid opcode|divide error): ",
    ),
    (Kind::Warning, r"^BUG: "),
    (Kind::Warning, r"^WARNING: "),
    (Kind::Warning, r"^(KASAN|UBSAN|KCSAN|KMSAN|KFENCE): "),
    (
        Kind::Warning,
        r"^(INFO: )?possible (circular|recursive|irq)",
    ),
    (
        Kind::Warning,
        r"^(INFO: )?(inconsistent lock state|suspicious RCU usage)",
    ),
    (Kind::Warning, r"^INFO: trying to register non-static key"),
    (Kind::Warning, r"^DEBUG_LOCKS_WARN_ON"),
    (Kind::Warning, r"^refcount_t: "),
    (Kind::Warning, r"^list_(add|del) corruption"),
    (Kind::Warning, r"^ODEBUG: "),
    (Kind::Warning, r"^Bad page state"),
    (
        Kind::Leak,
        r"^kmemleak: [1-9]\d* new suspected memory leaks",
    ),
];

static PATTERNS: LazyLock<Vec<(Kind, Regex)>> = LazyLock::new(|| {
    let compile = |text: &str| Regex::new(text).expect("the patterns above are valid");
    SIGNS
        .iter()
        .map(|(kind, text)| (*kind, compile(text)))
        .collect()
});

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
    let text = message(line)?;
    let found = PATTERNS.iter().find(|(_, pattern)| pattern.is_match(text));
    found.map(|(kind, _)| (*kind, text.trim_end()))
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

    fn kind(text: &str) -> Option<Kind> {
        sign(&format!("[   12.345678] {text}")).map(|(kind, _)| kind)
    }

    #[test]
    fn what_kernels_say() {
        let cases = [
            (
                Kind::Crash,
                "Kernel panic - not syncing: sysrq triggered crash",
            ),
            (Kind::Crash, "Oops: Oops: 0002 [#1] SMP NOPTI"),
            (
                Kind::Crash,
                "Oops: general protection fault, probably for ...",
            ),
            (
                Kind::Crash,
                "BUG: unable to handle page fault for address: ff",
            ),
            (
                Kind::Crash,
                "BUG: kernel NULL pointer dereference, address: 0",
            ),
            (Kind::Crash, "kernel BUG at lib/list_debug.c:29!"),
            (
                Kind::Crash,
                "rust_kernel: panicked at rust/tackle/hook.rs:1:2:",
            ),
            (Kind::Warning, "BUG: KASAN: slab-out-of-bounds in f+0x1/0x2"),
            (Kind::Warning, "BUG: Bad page state in process cat  pfn:1"),
            (
                Kind::Warning,
                "BUG: sleeping function called from invalid context",
            ),
            (
                Kind::Warning,
                "WARNING: CPU: 0 PID: 1 at kernel/x.c:1 f+0x1/0x2",
            ),
            (
                Kind::Warning,
                "WARNING: possible circular locking dependency detected",
            ),
            (
                Kind::Warning,
                "WARNING: possible recursive locking detected",
            ),
            (Kind::Warning, "WARNING: inconsistent lock state"),
            (Kind::Warning, "UBSAN: array-index-out-of-bounds in x.c:1:2"),
            (Kind::Warning, "refcount_t: underflow; use-after-free."),
            (
                Kind::Stall,
                "INFO: task insmod:12 blocked for more than 120 seconds.",
            ),
            (
                Kind::Stall,
                "rcu: INFO: rcu_preempt self-detected stall on CPU",
            ),
            (
                Kind::Stall,
                "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
            ),
            (
                Kind::Stall,
                "watchdog: BUG: soft lockup - CPU#1 stuck for 26s!",
            ),
            (
                Kind::Leak,
                "kmemleak: 3 new suspected memory leaks (see /sys)",
            ),
        ];
        for (expected, text) in cases {
            assert_eq!(kind(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_trouble() {
        for text in [
            "kmemleak: 0 new suspected memory leaks",
            "kasan: KernelAddressSanitizer initialized (generic)",
            "Spectre V2 : WARNING: Unprivileged eBPF is enabled",
            "sysrq: Show Blocked State",
            "rcu: Hierarchical RCU implementation.",
            "hook_count: function: no such symbol: BUG: x",
            "traps: cat[12] general protection fault ip:1 sp:2 error:0",
        ] {
            assert_eq!(kind(text), None, "{text}");
        }
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
