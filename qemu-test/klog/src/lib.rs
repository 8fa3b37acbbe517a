// SPDX-License-Identifier: GPL-2.0

//! Detects messages of the kernel log that begin a report of a crash, a warning, a stall or a leak.
//!
//! Both sides use the same list. The guest reads `/dev/kmsg` after each test, and the runner reads
//! the console. They must classify messages in the same way.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod kmemleak;

use std::sync::LazyLock;

use regex::RegexSet;

/// The kind of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The kernel does not continue after it.
    Crash,
    /// The kernel continues after it.
    Warning,
    /// A task, a CPU or a grace period makes no progress.
    Stall,
    /// Memory was leaked.
    Leak,
}

impl Kind {
    /// Returns the word for this kind in the reason of a failure.
    pub fn word(self) -> &'static str {
        match self {
            Self::Crash => "kernel crash",
            Self::Warning => "kernel warning",
            Self::Stall => "kernel stall",
            Self::Leak => "kernel memory leak",
        }
    }
}

/// The beginnings of reports. The first pattern that matches counts. The patterns are anchored,
/// because a message may contain text that a program wrote to a file.
///
/// "Call Trace:" alone is not in the list, because fault injection prints it for every injected
/// fault.
const SIGNS: &[(Kind, &str)] = &[
    (
        Kind::Stall,
        r"^(watchdog: )?BUG: (soft lockup|workqueue lockup)",
    ),
    (Kind::Stall, r"^(NMI )?watchdog: .*(?i:hard LOCKUP)"),
    (Kind::Stall, r"^INFO: task .* blocked"),
    (Kind::Stall, r"^(rcu: )?INFO: rcu.*detected.* stalls?"),
    (Kind::Stall, r"^rcu: .*detected stalls"),
    (Kind::Stall, r"^hung_task: "),
    (Kind::Stall, r"^unregister_netdevice: waiting for "),
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
    (Kind::Crash, r"^(traps: )?PANIC: "),
    (Kind::Warning, r"^BUG: "),
    // SLUB prints the cache's name before the colon. lockdep prints a box.
    (Kind::Warning, r"^BUG .*\((Not tainted|Tainted: .*)\): "),
    (Kind::Warning, r"^\[ BUG: "),
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
    (Kind::Warning, r"^list_(add|del) (corruption|double add)"),
    (Kind::Warning, r"^ODEBUG: "),
    (Kind::Warning, r"^Bad page state"),
    (
        Kind::Leak,
        r"^kmemleak: [1-9]\d* new suspected memory leaks",
    ),
    (Kind::Leak, r"^(kmemleak: )?unreferenced object "),
];

/// Messages that match a pattern but are harmless.
///
/// The kernel's unwinder prints this message once if an interrupt comes within the last
/// instructions of `return_to_handler()` (`arch/x86/kernel/ftrace_64.S`) and a stack trace is then
/// saved, as KASAN does for each allocation. The unwind hints are wrong there, so the stack trace
/// is incomplete.
const KNOWN: &[&str] = &["WARNING: stack going in the wrong direction? at return_to_handler+"];

static PATTERNS: LazyLock<RegexSet> = LazyLock::new(|| {
    RegexSet::new(SIGNS.iter().map(|(_, pattern)| pattern)).expect("the patterns above are valid")
});

/// Returns the kind of report that begins with a message of the kernel. `text` has no time stamp.
pub fn sign(text: &str) -> Option<Kind> {
    if KNOWN.iter().any(|known| text.starts_with(known)) {
        return None;
    }
    let first = PATTERNS.matches(text).iter().next()?;
    Some(SIGNS[first].0)
}

#[cfg(test)]
mod tests;
