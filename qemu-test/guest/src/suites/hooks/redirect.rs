// SPDX-License-Identifier: GPL-2.0

//! Tests `redirect!`, which makes the calls of a function continue in another function.

use std::thread;
use std::time::Duration;

use anyhow::{ensure, Result};
use nix::errno::Errno;

use super::READ;
use crate::suite::Context;
use crate::sys::livepatch::{cmdline, Patch};
use crate::sys::{cmd, debugfs, ftrace, kmsg, module, wait_for};

const MODULE: &str = "hook_redirect";
const BUSY: &str = "redirect_busy";
const LINE: &str = "this has been redirected";
/// The time limit for operations that normally take a moment.
const LIMIT: Duration = Duration::from_secs(30);

fn redirected() -> Result<u64> {
    debugfs::value(debugfs::tackle("hook_redirect/redirected"))
}

pub fn redirects_at_once(context: &mut Context<'_>) -> Result<()> {
    let original = cmdline()?;
    let stack = module::stack(MODULE, "")?;
    for times in 1..=20 {
        let text = cmdline()?;
        let expected = format!("{original}\n{LINE}");
        ensure!(text == expected, "expected '{expected}', got '{text}'");
        let counted = redirected()?;
        ensure!(counted == times, "{counted} redirected in {times} calls");
    }
    let enabled = ftrace::expect_enabled(READ)?;
    context.note(&enabled.line)?;
    ensure!(
        enabled.line.contains(" I"),
        "expected IPMODIFY: {}",
        enabled.line
    );
    stack.unload()?;
    ftrace::expect_bare(READ)?;
    let text = cmdline()?;
    ensure!(text == original, "expected '{original}', got '{text}'");
    Ok(())
}

pub fn one_redirection_on_a_function(_: &mut Context<'_>) -> Result<()> {
    let original = cmdline()?;
    let stack = module::stack(MODULE, "")?;
    module::expect_refusal(BUSY, "", Errno::EBUSY)?;
    module::expect_refusal("livepatch_cmdline", "", Errno::EBUSY)?;
    ensure!(cmdline()?.ends_with(LINE), "the redirection is gone");
    stack.unload()?;
    let patch = Patch::load()?;
    module::expect_refusal(MODULE, "", Errno::EBUSY)?;
    ensure!(!debugfs::tackle(MODULE).exists(), "its folder is there");
    patch.unload()?;
    ensure!(cmdline()? == original, "the function is not itself again");
    Ok(())
}

/// Tests that a hook sees the calls that are redirected, whether the hook or the redirection is
/// added first.
pub fn hooks_see_redirected_calls(_: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let hook = || module::load("hook_count", &format!("function={READ}"));
    let redirect = || module::load(MODULE, "");
    let expect = |what: &str| -> Result<()> {
        let before = (super::calls()?, redirected()?);
        for _ in 0..10 {
            cmdline()?;
        }
        let seen = (super::calls()? - before.0, redirected()? - before.1);
        ensure!(seen == (10, 10), "{what}: expected 10 and 10, got {seen:?}");
        Ok(())
    };
    let first = hook()?;
    let second = redirect()?;
    expect("the hook first")?;
    first.unload()?;
    let third = hook()?;
    expect("the redirection first")?;
    second.unload()?;
    ensure!(!cmdline()?.ends_with(LINE), "it is redirected still");
    third.unload()?;
    ftrace::expect_bare(READ)?;
    library.unload()
}

/// Tests that unloading waits until no task executes the replacement.
pub fn waits_for_whoever_sleeps_in_it(_: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let busy = module::load(BUSY, "")?;
    let mut log = kmsg::Cursor::now()?;
    let reader = cmd::start("cat /proc/cmdline")?;
    let stack = format!("/proc/{}/stack", reader.0.id());
    let mark = format!("[{BUSY}]");
    wait_for("a task in the replacement", LIMIT, || {
        Ok(debugfs::read(&stack)?.contains(&mark).then_some(()))
    })?;
    thread::scope(|scope| {
        let unload = scope.spawn(|| busy.unload());
        let waits = wait_for("the module on its way out", LIMIT, || {
            let modules = debugfs::read("/proc/modules")?;
            let leaves = |line: &str| line.starts_with(BUSY) && line.contains("Unloading");
            Ok(modules.lines().any(leaves).then_some(()))
        });
        // The module must log which tasks it waits for. It must not be unloaded before the reader
        // has ended.
        let told = wait_for("a word on what it waits for", LIMIT, || {
            let records = log.read()?;
            let told = |text: &str| text.contains("cmdline_proc_show: waiting for 1 calls");
            Ok(records
                .iter()
                .any(|record| told(&record.text))
                .then_some(()))
        });
        let early = unload.is_finished();
        // Kill the reader even after an error, because the thread waits for its end.
        drop(reader);
        let unloaded = unload.join();
        waits?;
        told?;
        ensure!(!early, "the module went while a task was in it");
        unloaded.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    ftrace::expect_bare(READ)?;
    library.unload()
}
