// SPDX-License-Identifier: GPL-2.0

//! Demonstrates a live patch that is enabled and disabled.

use std::time::Instant;

use anyhow::{ensure, Result};

use super::Page;
use crate::sys::livepatch::{cmdline, folder, state, Patch, TEXT};

/// Shows the text before the patch is enabled, while it is enabled, and after it is disabled.
///
/// # Errors
///
/// A step of the demonstration failed.
pub(super) fn show(page: &mut Page) -> Result<()> {
    let original = cmdline()?;
    page.say(format!("   cat /proc/cmdline   {}", short(&original)));
    let start = Instant::now();
    let patch = Patch::load()?;
    let seconds = start.elapsed().as_secs_f64();
    page.say(format!(
        "   insmod livepatch_cmdline.ko: in force after {seconds:.1} s"
    ));
    let (enabled, transition) = (state("enabled")?, state("transition")?);
    page.say(format!("   {}", folder().display()));
    page.say(format!("     enabled {enabled}, transition {transition}"));
    let patched = cmdline()?;
    page.say(format!("   cat /proc/cmdline   {}", short(&patched)));
    let start = Instant::now();
    patch.unload()?;
    let seconds = start.elapsed().as_secs_f64();
    page.say(format!(
        "   echo 0 > enabled, rmmod: gone after {seconds:.1} s"
    ));
    let after = cmdline()?;
    page.say(format!("   cat /proc/cmdline   {}", short(&after)));
    ensure!(patched == TEXT, "the patch was not in force");
    ensure!(after == original, "the old text did not come back");
    Ok(())
}

/// Returns the beginning of a line that fits on a terminal.
fn short(text: &str) -> String {
    const FITS: usize = 54;
    if text.chars().count() <= FITS {
        return text.to_string();
    }
    let head: String = text.chars().take(FITS - 3).collect();
    format!("{head}...")
}
