// SPDX-License-Identifier: GPL-2.0

//! Controls kmemleak, the kernel's search for memory that nothing points to.
//!
//! See `Documentation/dev-tools/kmemleak.rst` in the kernel source.

use std::collections::BTreeSet;
use std::path::Path;
use std::thread::sleep;

use anyhow::{Context, Result};

use tackle_klog::kmemleak::{reports, AGE};

use super::debugfs;

const FILE: &str = "/sys/kernel/debug/kmemleak";

/// The number of reports that are shown in full.
const TOLD: usize = 3;

/// Returns whether the kernel has kmemleak.
pub fn is_there() -> bool {
    Path::new(FILE).exists()
}

/// Makes the kernel discard all earlier reports.
///
/// # Errors
///
/// The kernel refuses.
pub fn clear() -> Result<()> {
    debugfs::set(FILE, "clear")
}

/// Returns the kernel's reports of leaks so far, without the dumps of memory.
///
/// # Errors
///
/// The kernel refuses because kmemleak is off, for example for lack of memory.
pub fn search() -> Result<Vec<String>> {
    sleep(AGE);
    // A search does not report new objects, or objects that have changed since the last search. So
    // search twice.
    for _ in 0..2 {
        debugfs::set(FILE, "scan").context("kmemleak is off")?;
    }
    Ok(reports(&debugfs::read(FILE)?))
}

/// Returns some lines about these reports: the first few that differ in more than the object.
pub fn tell(reports: &[String]) -> String {
    // Compare from the backtrace on. The line of the backtrace is skipped, too, since it has a
    // checksum of the object.
    let trace = |report: &str| report.lines().skip(3).map(str::to_string).collect();
    let mut seen: BTreeSet<Vec<String>> = BTreeSet::new();
    let mut text = format!("{} objects are lost, of them:", reports.len());
    for report in reports {
        if seen.len() < TOLD && seen.insert(trace(report)) {
            text.push('\n');
            text.push_str(report);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_reports_are_told_once() {
        let report = |name: &str| {
            format!("unreferenced object 0xff (size 8):\n  comm\n  backtrace\n    {name}+0x3/0x4")
        };
        let told = tell(&[(); 5].map(|()| report("rig_leak")));
        assert!(told.starts_with("5 objects are lost, of them:\nunreferenced object"));
        assert_eq!(told.matches("unreferenced object").count(), 1, "{told}");
        let told = tell(&["a", "b", "c", "d"].map(report));
        assert_eq!(told.matches("unreferenced object").count(), TOLD);
        assert!(told.ends_with("c+0x3/0x4"), "{told}");
    }
}
