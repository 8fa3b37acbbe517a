// SPDX-License-Identifier: GPL-2.0

//! Detects properties of the running kernel.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::sync::LazyLock;
use std::time::Duration;

/// Returns whether the kernel has KASAN, which makes all code slower.
pub fn has_kasan() -> bool {
    static FOUND: LazyLock<bool> = LazyLock::new(|| {
        let symbols = File::open("/proc/kallsyms").map(BufReader::new);
        symbols.is_ok_and(|symbols| has_symbol(symbols, "kasan_report"))
    });
    *FOUND
}

/// Returns whether the kernel has PREEMPT_RT, according to `uname -v` (`init/Makefile` of the
/// kernel).
pub fn is_rt() -> bool {
    let version = fs::read_to_string("/proc/sys/kernel/version").unwrap_or_default();
    version.split_whitespace().any(|word| word == "PREEMPT_RT")
}

/// Returns whether the kernel was built with our patches (`scripts/flavour.sh`).
pub fn has_our_patches() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    release.ends_with("-debug") || release.ends_with("-patched")
}

/// Returns the time limit for an operation that takes up to `limit` on an ordinary kernel.
pub fn patience(limit: Duration) -> Duration {
    limit * if has_kasan() { 4 } else { 1 }
}

fn has_symbol(kallsyms: impl BufRead, name: &str) -> bool {
    let mut names = kallsyms.lines().map_while(Result::ok);
    names.any(|line| line.split_whitespace().nth(2) == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_found_by_its_whole_name() {
        let text = "ffffffff81000000 T _text\nffffffff81000010 t kasan_report\n\
                    ffffffffc0000000 t rig_leak\t[rig_bug]\n";
        assert!(has_symbol(text.as_bytes(), "kasan_report"));
        assert!(has_symbol(text.as_bytes(), "rig_leak"));
        assert!(!has_symbol(text.as_bytes(), "kasan"));
        assert!(!has_symbol("".as_bytes(), "kasan_report"));
    }
}
