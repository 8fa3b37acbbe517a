// SPDX-License-Identifier: GPL-2.0

//! Demonstrates a hook that counts calls, on its own trampoline.

use anyhow::{ensure, Context, Result};

use super::Page;
use crate::sys::{debugfs, ftrace, livepatch, module};

const FUNCTION: &str = "cmdline_proc_show";
const READS: u64 = 1000;

/// Hooks a function, calls it and shows the count and the trampoline.
///
/// # Errors
///
/// A step of the demonstration failed.
pub(super) fn show(page: &mut Page) -> Result<()> {
    let stack = module::stack("hook_count", &format!("function={FUNCTION}"))?;
    page.say(format!("   insmod hook_count.ko function={FUNCTION}"));
    let calls = || debugfs::value::<u64>(debugfs::tackle("hook_count/calls"));
    let before = calls()?;
    for _ in 0..READS {
        livepatch::cmdline()?;
    }
    let after = calls()?;
    page.say(format!("   calls before            {before:>6}"));
    page.say(format!("   reads of /proc/cmdline  {READS:>6}"));
    page.say(format!("   calls after             {after:>6}"));
    let enabled = ftrace::expect_enabled(FUNCTION)?;
    let (trampoline, _) = enabled.trampolines.first().context("no trampoline")?;
    page.say("   in the kernel's list of enabled functions:");
    page.say(format!("     {FUNCTION}, {} user", enabled.users));
    page.say(format!(
        "     trampoline {trampoline}, of this function alone"
    ));
    stack.unload()?;
    ensure!(
        after - before == READS,
        "counted {} of {READS} calls",
        after - before
    );
    ftrace::expect_bare(FUNCTION)?;
    page.say("   rmmod hook_count: the function is bare again");
    Ok(())
}
