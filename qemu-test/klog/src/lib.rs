// SPDX-License-Identifier: GPL-2.0

//! Which messages of the kernel log mean that the kernel is unwell.
//!
//! One list for both sides: the guest looks at `/dev/kmsg` after each test, the
//! runner at the console, and what the one takes for trouble the other must, too.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod kmemleak;

use std::sync::LazyLock;

use regex::RegexSet;

/// What kind of trouble a message reports.
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

/// How a message begins that tells of trouble. The first that matches counts. They
/// are anchored, as a message may quote what somebody wrote to a file.
///
/// A bare "Call Trace:" is not here: fault injection prints one for every fault that
/// was asked for.
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
    // SLUB names the cache before the colon, lockdep draws a box.
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

/// Messages that look like trouble and are none.
///
/// The kernel's unwinder says this once if an interrupt comes within the last instructions of
/// `return_to_handler()` (`arch/x86/kernel/ftrace_64.S`) and something then saves a stack, as KASAN
/// does for each allocation: the hints for the unwinder are wrong there. The stack ends early.
const KNOWN: &[&str] = &["WARNING: stack going in the wrong direction? at return_to_handler+"];

static PATTERNS: LazyLock<RegexSet> = LazyLock::new(|| {
    RegexSet::new(SIGNS.iter().map(|(_, pattern)| pattern)).expect("the patterns above are valid")
});

/// The trouble that a message of the kernel reports; `text` is without time stamp.
pub fn sign(text: &str) -> Option<Kind> {
    if KNOWN.iter().any(|known| text.starts_with(known)) {
        return None;
    }
    let first = PATTERNS.matches(text).iter().next()?;
    Some(SIGNS[first].0)
}

#[cfg(test)]
mod tests;
