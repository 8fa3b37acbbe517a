// SPDX-License-Identifier: GPL-2.0

//! Reads the reports of kmemleak, the kernel's search for memory without a pointer to it.
//!
//! Kernel documentation: `Documentation/dev-tools/kmemleak.rst`.

use std::time::Duration;

/// The age from which an object is reported. kmemleak ignores objects younger than 5 s
/// (`MSECS_MIN_AGE` in `mm/kmemleak.c`), because their address may only be in a register.
pub const AGE: Duration = Duration::from_millis(5500);

/// Returns the reports of the file `kmemleak` without the dumps of memory. Each has some lines:
/// the object, the task, and the functions that allocated it.
pub fn reports(text: &str) -> Vec<String> {
    let mut reports: Vec<String> = Vec::new();
    let mut in_dump = false;
    for line in text.lines() {
        in_dump = line.starts_with("  hex dump") || in_dump && line.starts_with("    ");
        if line.starts_with("unreferenced object") {
            reports.push(line.to_owned());
        } else if let Some(report) = reports.last_mut().filter(|_| !in_dump) {
            report.push('\n');
            report.push_str(line);
        }
    }
    reports
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "unreferenced object 0xff110000075b4000 (size 1024):\n\
        \x20 comm \"tackle-guest\", pid 77, jiffies 4294737000\n\
        \x20 hex dump (first 32 bytes):\n\
        \x20   01 00 00 00 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a  ....ZZZZZZZZZZZZ\n\
        \x20   5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a  ZZZZZZZZZZZZZZZZ\n\
        \x20 backtrace (crc 1ab2c3d4):\n\
        \x20   __kmalloc_cache_noprof+0x1/0x2\n\
        \x20   rig_leak+0x3/0x4 [rig_bug]\n";

    #[test]
    fn a_report_keeps_its_backtrace() {
        assert!(reports("").is_empty());
        let reports = reports(&TEXT.repeat(5));
        assert_eq!(reports.len(), 5);
        assert_eq!(
            reports[4].lines().collect::<Vec<_>>(),
            [
                "unreferenced object 0xff110000075b4000 (size 1024):",
                "  comm \"tackle-guest\", pid 77, jiffies 4294737000",
                "  backtrace (crc 1ab2c3d4):",
                "    __kmalloc_cache_noprof+0x1/0x2",
                "    rig_leak+0x3/0x4 [rig_bug]",
            ]
        );
    }
}
