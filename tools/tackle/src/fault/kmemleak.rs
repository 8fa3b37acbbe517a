// SPDX-License-Identifier: GPL-2.0

//! Asks kmemleak, if the kernel has it, whether the modules under test have leaked memory.
//!
//! Memory that has grown may still be in use: the module could free it later. kmemleak finds
//! objects to which no pointer exists. It tracks slab objects, `vmalloc()` and per-CPU memory, but
//! no pages.

use std::path::Path;
use std::thread::sleep;

use anyhow::Result;
use tackle_klog::kmemleak::{reports, AGE};

use super::memory::Filter;
use crate::files;
use crate::roots::Roots;

/// Makes kmemleak, if the kernel has it, ignore the objects that are unreferenced by now.
pub fn forget(roots: &Roots) {
    let file = roots.debugfs().join("kmemleak");
    if file.exists() && scan(roots, &file) {
        let _ = files::write(&file, "clear");
    }
}

/// Scans as often as kmemleak needs to report an object. Returns false if kmemleak is off. It
/// disables itself when it has no memory, and then a write fails with `EPERM`.
///
/// The first scan skips each object that has changed since it was allocated. After that, an object
/// must be unreferenced in `min_unref_scans` scans (`mm/kmemleak.c`).
fn scan(roots: &Roots, file: &Path) -> bool {
    let parameter = roots.module("kmemleak").join("parameters/min_unref_scans");
    let text = files::read(&parameter).ok().flatten().unwrap_or_default();
    let unreferenced: u32 = text.trim().parse().unwrap_or(1);
    (0..=unreferenced).all(|_| files::write(file, "scan").is_ok())
}

/// Searches for leaks, and returns the result in one line; [`None`] without kmemleak.
///
/// # Errors
/// Returns an error if kmemleak's file cannot be read.
pub fn verdict(roots: &Roots, filter: Filter<'_>) -> Result<Option<String>> {
    let file = roots.debugfs().join("kmemleak");
    if !file.exists() {
        return Ok(None);
    }
    sleep(AGE);
    if !scan(roots, &file) {
        return Ok(Some("kmemleak is off".to_owned()));
    }
    let text = files::read(&file)?.unwrap_or_default();
    // The next search must report only objects that are lost from now on.
    let _ = files::write(&file, "clear");
    Ok(Some(in_words(&text, filter)))
}

fn in_words(text: &str, filter: Filter<'_>) -> String {
    let all = reports(text);
    // The stack follows the lines of the object, the task and the title of the stack.
    let frames = |report: &str| -> Vec<String> {
        let lines = report.lines().skip(3);
        lines.map(|line| line.trim().to_owned()).collect()
    };
    let stacks = all.iter().map(|report| frames(report));
    let is_ours = |stack: &Vec<String>| stack.iter().any(|frame| filter.is_ours(frame));
    let (ours, others): (Vec<_>, Vec<_>) = stacks.partition(is_ours);
    let mut words = match ours.first() {
        None => "kmemleak reports no object of the modules; it does not know pages".to_owned(),
        Some(first) => format!(
            "kmemleak confirms: objects of the modules to which nothing points: {}, the first: {}",
            ours.len(),
            first.join(" < ")
        ),
    };
    if let Some(first) = others.first() {
        words += &format!(
            "; objects of others: {}, the first: {}",
            others.len(),
            first.join(" < ")
        );
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "unreferenced object 0xff110000075b4000 (size 1024):\n\
        \x20 comm \"modprobe\", pid 77, jiffies 4294737000\n\
        \x20 hex dump (first 32 bytes):\n\
        \x20   01 00 00 00 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a  ....ZZZZZZZZZZZZ\n\
        \x20 backtrace (crc 1ab2c3d4):\n\
        \x20   __kmalloc_cache_noprof+0x1/0x2\n\
        \x20   zram_add+0x3/0x4 [zram]\n";

    #[test]
    fn objects_of_the_modules_are_confirmed() {
        let modules = ["zram".to_owned()];
        let filter = Filter(&modules);
        assert_eq!(
            in_words(REPORT, filter),
            "kmemleak confirms: objects of the modules to which nothing points: 1, the first: \
             __kmalloc_cache_noprof+0x1/0x2 < zram_add+0x3/0x4 [zram]"
        );
        let of_others = REPORT.replace("[zram]", "[ext4]");
        assert_eq!(
            in_words(&of_others, filter),
            "kmemleak reports no object of the modules; it does not know pages; objects of others: \
             1, the first: __kmalloc_cache_noprof+0x1/0x2 < zram_add+0x3/0x4 [ext4]"
        );
        let gone = REPORT.replace("zram_add+0x3/0x4 [zram]", "0xffffffffc0a01234");
        assert!(in_words(&gone, filter).starts_with("kmemleak confirms: "));
    }

    #[test]
    fn without_kmemleak_there_is_no_verdict() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots::under(dir.path());
        assert_eq!(verdict(&roots, Filter(&[])).unwrap(), None);
    }
}
