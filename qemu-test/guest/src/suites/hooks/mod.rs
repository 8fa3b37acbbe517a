// SPDX-License-Identifier: GPL-2.0

//! Tests `hook_count`: a hook at the entry of any function, on its own trampoline.

mod first_hook;
mod redirect;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{bail, ensure, Context as _, Result};
use nix::errno::Errno;

use self::{first_hook::*, redirect::*};
use crate::suite::{list, Context, Suite};
use crate::suites::numa::need_balancing;
use crate::sys::{debugfs, expect_errno, ftrace, kmsg, livepatch, module};

/// The suite.
pub const SUITE: Suite = Suite {
    name: "hooks",
    by_name_only: false,
    tests: list![
        counts_exactly,
        counts_calls_from_two_threads,
        counts_calls_of_one_process,
        has_its_own_trampoline,
        two_hooks_have_two_trampolines,
        is_gone_after_unloading,
        refuses_no_function,
        refuses_a_name_that_is_too_long,
        refuses_an_unknown_function,
        refuses_an_untraceable_function,
        refuses_a_second_instance,
        comes_and_goes_under_calls,
        makes_a_histogram,
        redirects_at_once,
        one_redirection_on_a_function,
        hooks_see_redirected_calls,
        waits_for_whoever_sleeps_in_it,
        the_page_about_a_first_hook_is_right,
    ],
};

const MODULE: &str = "hook_count";
/// This function runs once for each time that `/proc/cmdline` is opened and read.
const READ: &str = "cmdline_proc_show";
/// Only these tests call this function in the guest.
const CALL: &str = "__x64_sys_getsid";

fn hook(function: &str) -> Result<module::Stack> {
    module::stack(MODULE, &format!("function={function}"))
}

fn calls() -> Result<u64> {
    debugfs::value(debugfs::tackle("hook_count/calls"))
}

fn counts_exactly(_: &mut Context<'_>) -> Result<()> {
    let stack = hook(READ)?;
    for count in [0, 1, 2, 100] {
        let before = calls()?;
        for _ in 0..count {
            livepatch::cmdline()?;
        }
        let counted = calls()? - before;
        ensure!(counted == count, "expected {count} calls, got {counted}");
    }
    stack.unload()
}

fn counts_calls_from_two_threads(_: &mut Context<'_>) -> Result<()> {
    const EACH: u64 = 20_000;
    let stack = hook(CALL)?;
    let before = calls()?;
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..EACH {
                    // The session of this process always exists.
                    let _ = nix::unistd::getsid(None);
                }
            });
        }
    });
    let counted = calls()? - before;
    ensure!(
        counted == 2 * EACH,
        "expected {} calls, got {counted}",
        2 * EACH
    );
    stack.unload()
}

fn counts_calls_of_one_process(_: &mut Context<'_>) -> Result<()> {
    let own = std::process::id();
    for (tgid, expected) in [(own, 10), (own + 1, 0)] {
        let stack = module::stack(MODULE, &format!("function={CALL} tgid={tgid}"))?;
        for _ in 0..10 {
            nix::unistd::getsid(None)?;
        }
        let count = calls()?;
        ensure!(
            count == expected,
            "tgid={tgid}: expected {expected} calls, got {count}"
        );
        stack.unload()?;
    }
    Ok(())
}

fn has_its_own_trampoline(context: &mut Context<'_>) -> Result<()> {
    ftrace::expect_bare(READ)?;
    let stack = hook(READ)?;
    let enabled = ftrace::expect_enabled(READ)?;
    context.note(&enabled.line)?;
    ensure!(enabled.users == 1, "expected 1 user, got {}", enabled.users);
    let [(_, callback)] = &enabled.trampolines[..] else {
        bail!("expected one trampoline, got: {}", enabled.line);
    };
    ensure!(
        !callback.contains("ops_list_func"),
        "expected the hook's callback, got the list function: {}",
        enabled.line
    );
    stack.unload()
}

fn two_hooks_have_two_trampolines(context: &mut Context<'_>) -> Result<()> {
    need_balancing()?;
    let first = hook(READ)?;
    let second = module::stack("numa_stat", "")?;
    let address = |function: &str| -> Result<String> {
        let enabled = ftrace::expect_enabled(function)?;
        let trampoline = enabled.trampolines.first();
        let (address, _) =
            trampoline.with_context(|| format!("no trampoline: {}", enabled.line))?;
        Ok(address.clone())
    };
    let (one, two) = (address(READ)?, address("task_numa_fault")?);
    context.note(format!("{one} and {two}"))?;
    ensure!(one != two, "expected two trampolines, both are at {one}");
    // The first stack holds the library, so unload the second one first.
    second.unload()?;
    first.unload()
}

fn is_gone_after_unloading(_: &mut Context<'_>) -> Result<()> {
    hook(READ)?.unload()?;
    ftrace::expect_bare(READ)?;
    let folder = debugfs::tackle(MODULE);
    ensure!(!folder.exists(), "{} is still there", folder.display());
    livepatch::cmdline().map(drop)
}

/// Checks that the module is refused, and that one line in the log names the parameter.
fn refused(parameters: &str, errno: Errno) -> Result<()> {
    let mut log = kmsg::Cursor::now()?;
    module::expect_refusal(MODULE, parameters, errno)?;
    let shown: String = parameters.chars().take(40).collect();
    log.expect_one_error("function")
        .with_context(|| format!("after loading with '{shown}'"))?;
    ensure!(!module::is_loaded(MODULE)?, "it is loaded all the same");
    Ok(())
}

fn refuses_no_function(_: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    refused("", Errno::EINVAL)?;
    refused("function=", Errno::EINVAL)?;
    library.unload()
}

fn refuses_a_name_that_is_too_long(_: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let mut log = kmsg::Cursor::now()?;
    // No symbol can have such a name, since KSYM_NAME_LEN is 512. The kernel's setter of the
    // parameter refuses it with its own errno, and logs two lines.
    module::expect_refusal(
        MODULE,
        &format!("function={}", "x".repeat(600)),
        Errno::ENOSPC,
    )?;
    let lines = log.read()?;
    ensure!(
        lines.iter().any(|line| line.text.contains("`function'")),
        "no line of the log names the parameter `function': {lines:?}"
    );
    library.unload()
}

fn refuses_an_unknown_function(_: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    refused("function=no_such_function_here", Errno::ENOENT)?;
    library.unload()
}

fn refuses_an_untraceable_function(context: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let name = ftrace::untraceable()?;
    context.note(format!("{name} has a symbol, but cannot be traced"))?;
    refused(&format!("function={name}"), Errno::EINVAL)?;
    library.unload()
}

fn refuses_a_second_instance(_: &mut Context<'_>) -> Result<()> {
    let stack = hook(READ)?;
    let second = module::insmod(MODULE, &format!("function={CALL}"))?;
    expect_errno("loading it twice", second, Errno::EEXIST)?;
    let before = calls()?;
    livepatch::cmdline()?;
    let counted = calls()? - before;
    ensure!(counted == 1, "the first one counts {counted} calls, not 1");
    stack.unload()
}

fn comes_and_goes_under_calls(context: &mut Context<'_>) -> Result<()> {
    const ROUNDS: u32 = 20;
    let library = module::library()?;
    let end = AtomicBool::new(false);
    let mut rounds = || -> Result<u64> {
        let mut counted = 0;
        for round in 0..ROUNDS {
            context.note(format!("round {round}"))?;
            let module = module::load(MODULE, &format!("function={CALL}"))?;
            // This is long enough for both callers to call the hooked function.
            thread::sleep(Duration::from_millis(50));
            counted += calls()?;
            module.unload()?;
        }
        Ok(counted)
    };
    let counted = thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !end.load(Ordering::Relaxed) {
                    let _ = nix::unistd::getsid(None);
                }
            });
        }
        let counted = rounds();
        end.store(true, Ordering::Relaxed);
        counted
    })?;
    context.note(format!("{counted} calls counted in {ROUNDS} rounds"))?;
    ensure!(counted > 0, "expected calls to be counted, got none");
    ftrace::expect_bare(CALL)?;
    library.unload()
}

/// Tests `hook_latency`, the sample of a hook at the exit.
fn makes_a_histogram(context: &mut Context<'_>) -> Result<()> {
    const TIMES: u64 = 25;
    let stack = module::stack("hook_latency", &format!("function={READ}"))?;
    let file = debugfs::tackle("hook_latency/histogram");
    ensure!(
        debugfs::read(&file)?.is_empty(),
        "there are calls before the first one"
    );
    for _ in 0..TIMES {
        livepatch::cmdline()?;
    }
    let text = debugfs::read(&file)?;
    context.note(text.replace('\n', "; "))?;
    let counts = text.lines().map(|line| {
        let count = line.split(' ').nth(2).context("three numbers in a line")?;
        Ok(count.parse::<u64>()?)
    });
    let counted: u64 = counts.sum::<Result<_>>()?;
    ensure!(counted == TIMES, "expected {TIMES} calls, got {counted}");
    stack.unload()
}
