// SPDX-License-Identifier: GPL-2.0

//! Tests hooks at the exit of functions, which trampolines call. Tasks sleep or end in such
//! functions, and other users attach to the same function.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context as _, Result};
use nix::errno::Errno;
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;

use crate::suite::{list, Context, Suite};
use crate::sys::cmd::{self, Kept};
use crate::sys::ftrace::{self, Traced};
use crate::sys::kprobe::Kprobe;
use crate::sys::livepatch::{cmdline, Patch, TEXT};
use crate::sys::{debugfs, module, wait_for, wait_often};

/// The suite.
pub const SUITE: Suite = Suite {
    name: "exit_hooks",
    by_name_only: false,
    tests: list![
        sees_what_is_returned,
        a_removed_hook_waits_for_no_task,
        a_new_hook_does_not_see_an_old_call_return,
        a_task_that_sleeps_there_does_not_hold_up_a_live_patch,
        a_task_that_sleeps_in_a_replacement_does_not_either,
        a_task_may_end_in_a_hooked_function,
        hooks_on_what_ending_tasks_call,
        a_live_patch_comes_second,
        a_live_patch_comes_first,
        a_live_patch_comes_while_a_redirection_goes,
        a_redirection_comes_and_goes,
        a_skipped_call_returns,
        meets_the_function_tracer,
        meets_the_function_graph_tracer,
        meets_a_kprobe,
        meets_entry_hooks,
    ],
};

const MODULE: &str = "hook_exit";
/// The size of the reads that the hook counts, in bytes.
const BYTES: usize = 4242;
/// The longest time that a test waits.
const LIMIT: Duration = Duration::from_secs(30);
/// This function runs once for each time that `/proc/cmdline` is opened and read.
const READ: &str = "cmdline_proc_show";

/// Returns the entries and exits that the hook has seen.
fn seen() -> Result<(u64, u64)> {
    let count = |file: &str| debugfs::value(debugfs::tackle(MODULE).join(file));
    Ok((count("entries")?, count("exits")?))
}

fn value() -> Result<i64> {
    debugfs::value(debugfs::tackle(MODULE).join("value"))
}

/// Loads the hook, and checks that a trampoline calls its function.
fn hook(on: &str) -> Result<module::Loaded> {
    let hook = module::load(MODULE, &format!("on={on}"))?;
    let mechanism = debugfs::read(debugfs::tackle(MODULE).join("mechanism"))?;
    let number: Result<u32, _> = mechanism.trim().parse();
    ensure!(number.is_ok(), "the mechanism is {mechanism}");
    Ok(hook)
}

fn expect(what: &str, actual: (u64, u64), expected: (u64, u64)) -> Result<()> {
    ensure!(
        actual == expected,
        "{what}: expected {expected:?} entries and exits, got {actual:?}"
    );
    Ok(())
}

fn sees_what_is_returned(context: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let hook = hook("read")?;
    context.note(&ftrace::expect_enabled("vfs_read")?.line)?;
    let mut file = std::fs::File::open("/proc/self/exe")?;
    let mut buffer = [0; BYTES];
    for _ in 0..10 {
        let read = file.read(&mut buffer)?;
        ensure!(value()? == read as i64, "{} instead of {read}", value()?);
    }
    expect("ten reads", seen()?, (10, 10))?;
    hook.unload()?;
    ftrace::expect_bare("vfs_read")?;
    library.unload()
}

/// A process that sleeps in `vfs_read()`, which a trampoline has called.
struct Sleeper(Kept);

impl Sleeper {
    /// Starts the process, and waits until the hook has seen its call.
    fn start() -> Result<Self> {
        let child = Command::new("dd")
            .args(["bs=4242", "count=1", "status=none"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start dd")?;
        let this = Self(Kept(child));
        let before = seen()?.1;
        wait_for("a task that sleeps in the function", LIMIT, || {
            let sleeps = this.stack()?.contains("vfs_read");
            Ok((sleeps && seen()?.0 > before).then_some(()))
        })?;
        Ok(this)
    }

    fn stack(&self) -> Result<String> {
        debugfs::read(format!("/proc/{}/stack", self.0 .0.id()))
    }

    /// Lets the read return.
    fn wake(mut self) -> Result<()> {
        let child = &mut self.0 .0;
        let mut stdin = child.stdin.take().context("no pipe")?;
        stdin.write_all(b"hello")?;
        drop(stdin);
        let status = child.wait()?;
        ensure!(status.success(), "dd: {status}");
        let mut text = String::new();
        let mut stdout = child.stdout.take().context("no pipe")?;
        stdout.read_to_string(&mut text)?;
        ensure!(text == "hello", "dd wrote '{text}'");
        Ok(())
    }
}

/// Unloads the library when the last task has left the trampolines.
fn unload_soon(library: module::Stack) -> Result<()> {
    wait_for("the library to be unused", LIMIT, || {
        Ok((module::uses(module::FTRACE)? == 0).then_some(()))
    })?;
    library.unload()
}

fn a_removed_hook_waits_for_no_task(context: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let hook = hook("read")?;
    let sleeper = Sleeper::start()?;
    let stack = sleeper.stack()?;
    context.note(&stack)?;
    ensure!(
        stack.contains("tackle_ftrace_exit_trampoline_"),
        "no trampoline on the stack: {stack}"
    );
    let start = Instant::now();
    hook.unload()?;
    context.note(format!("unloaded in {:?}", start.elapsed()))?;
    ensure!(!module::is_loaded(MODULE)?, "the module is there");
    ftrace::expect_bare("vfs_read")?;
    // The task will return into the trampoline, which is code of this module.
    let answer = module::rmmod_once(module::FTRACE);
    ensure!(
        answer == Err(Errno::EWOULDBLOCK),
        "unloading the library: {answer:?}"
    );
    sleeper.wake()?;
    unload_soon(library)
}

fn a_new_hook_does_not_see_an_old_call_return(_: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let first = hook("read")?;
    let old = Sleeper::start()?;
    first.unload()?;
    let second = hook("read")?;
    let new = Sleeper::start()?;
    old.wake()?;
    expect("an old call has returned", seen()?, (1, 0))?;
    new.wake()?;
    expect("a new call has returned", seen()?, (1, 1))?;
    ensure!(value()? == 5, "it has returned {}", value()?);
    second.unload()?;
    unload_soon(library)
}

/// Tests a live patch while a task sleeps in a hooked function. The kernel checks the stacks of all
/// tasks, and needs reliable stack traces.
fn a_task_that_sleeps_there_does_not_hold_up_a_live_patch(_: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let hook = hook("read")?;
    let sleeper = Sleeper::start()?;
    // `load()` returns after the transition of all tasks.
    let patch = Patch::load()?;
    ensure!(cmdline()?.contains(TEXT), "the patch is not in force");
    patch.unload()?;
    hook.unload()?;
    let patch = Patch::load()?;
    patch.unload()?;
    sleeper.wake()?;
    unload_soon(library)
}

/// Does the same for a trampoline that has called the replacement of its function.
fn a_task_that_sleeps_in_a_replacement_does_not_either(_: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let hook = hook("cmdline")?;
    let redirection = module::load("redirect_busy", "")?;
    let reader = cmd::start("cat /proc/cmdline")?;
    let stack = format!("/proc/{}/stack", reader.0.id());
    wait_for("a task in the replacement", LIMIT, || {
        let stack = debugfs::read(&stack)?;
        let sleeps = stack.contains("[redirect_busy]") && stack.contains("exit_trampoline");
        Ok(sleeps.then_some(()))
    })?;
    let patch = Patch::load_module("livepatch_meminfo", "")?;
    // If the task does not sleep there, the kernel has woken it, because its stack trace was not
    // reliable.
    ensure!(
        debugfs::read(&stack)?.contains("[redirect_busy]"),
        "the task is not in the replacement any more"
    );
    patch.unload()?;
    drop(reader);
    redirection.unload()?;
    hook.unload()?;
    unload_soon(library)
}

/// Tests hooks on functions that the library itself calls when a task ends.
fn hooks_on_what_ending_tasks_call(_: &mut Context<'_>) -> Result<()> {
    let stack = module::stack("tackle_hooks", "")?;
    let hooks = debugfs::tackle("hooks");
    for function in ["do_exit", "stack_trace_save", "arch_stack_walk"] {
        let line = format!("{function} latency name={function}");
        debugfs::set(hooks.join("add"), &line)?;
    }
    for _ in 0..20 {
        cmd::run("true")?;
    }
    let calls: u64 = debugfs::value(hooks.join("stack_trace_save/calls"))?;
    let missed: u64 = debugfs::value(hooks.join("stack_trace_save/missed"))?;
    ensure!(calls + missed >= 20, "{calls} calls and {missed} missed");
    // The library must be unloaded, too: it must not count a call as one that never returns.
    stack.unload()
}

fn a_task_may_end_in_a_hooked_function(_: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let hook = hook("signal")?;
    for _ in 0..10 {
        let mut child = cmd::start("sleep 1000")?;
        kill(Pid::from_raw(child.0.id() as i32), Signal::SIGTERM)?;
        child.0.wait()?;
    }
    let (entries, exits) = seen()?;
    ensure!(
        entries >= exits + 10,
        "ten tasks have ended: {entries} entries, {exits} exits"
    );
    hook.unload()?;
    // The library must not wait for any of these calls.
    unload_soon(library)
}

/// Calls the function ten times, and checks that the hook sees each return.
fn ten_calls(what: &str, expected: &str) -> Result<()> {
    let before = seen()?;
    for _ in 0..10 {
        let text = cmdline()?;
        ensure!(
            text == expected,
            "{what}: expected '{expected}', got '{text}'"
        );
    }
    let after = seen()?;
    expect(what, (after.0 - before.0, after.1 - before.1), (10, 10))
}

fn patched() -> Result<String> {
    let patch = Patch::load()?;
    let text = cmdline()?;
    patch.unload()?;
    Ok(text)
}

fn a_live_patch_comes_second(context: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let (original, patched) = (cmdline()?, patched()?);
    let hook = hook("cmdline")?;
    ten_calls("the hook alone", &original)?;
    let patch = Patch::load()?;
    context.note(&ftrace::expect_enabled(READ)?.line)?;
    ten_calls("the patch second", &patched)?;
    patch.unload()?;
    ten_calls("the patch has gone", &original)?;
    let patch = Patch::load()?;
    ten_calls("the patch again", &patched)?;
    hook.unload()?;
    ensure!(cmdline()? == patched, "the patch is not in force");
    patch.unload()?;
    ensure!(cmdline()? == original, "the function is not itself again");
    ftrace::expect_bare(READ)?;
    library.unload()
}

fn a_live_patch_comes_first(context: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let (original, patched) = (cmdline()?, patched()?);
    let patch = Patch::load()?;
    let hook = hook("cmdline")?;
    context.note(&ftrace::expect_enabled(READ)?.line)?;
    ten_calls("the patch first", &patched)?;
    patch.unload()?;
    ten_calls("the patch has gone", &original)?;
    hook.unload()?;
    ftrace::expect_bare(READ)?;
    library.unload()
}

/// Tests a live patch and a redirection of the same function. Both change where a call of the
/// function continues. The function may jump to the trampoline only while there is neither of them.
fn a_live_patch_comes_while_a_redirection_goes(_: &mut Context<'_>) -> Result<()> {
    const C_PATCH: &str = "test_klp_livepatch";
    let library = module::library()?;
    let original = cmdline()?;
    let hook = hook("cmdline")?;
    for _ in 0..5 {
        let redirection = module::load("hook_redirect", "")?;
        let patch = thread::scope(|scope| {
            let unload = scope.spawn(|| redirection.unload());
            let patch = wait_often("the redirection to go", Duration::ZERO, LIMIT, || {
                Ok(module::insmod(C_PATCH, "")?.ok())
            });
            let unloaded = unload.join();
            unloaded.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            patch
        })?;
        let patch = Patch::of(C_PATCH, patch);
        patch.settle()?;
        ten_calls(
            "the patch",
            "test_klp_livepatch: this has been live patched",
        )?;
        patch.unload()?;
        ten_calls("no patch", &original)?;
    }
    hook.unload()?;
    ftrace::expect_bare(READ)?;
    library.unload()
}

fn a_redirection_comes_and_goes(_: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let original = cmdline()?;
    let redirection = module::load("hook_redirect", "")?;
    let redirected = cmdline()?;
    ensure!(redirected != original, "it is not redirected");
    let first = hook("cmdline")?;
    ten_calls("the redirection first", &redirected)?;
    redirection.unload()?;
    ten_calls("the redirection has gone", &original)?;
    let redirection = module::load("hook_redirect", "")?;
    ten_calls("the redirection second", &redirected)?;
    first.unload()?;
    ensure!(cmdline()? == redirected, "it is not redirected any more");
    redirection.unload()?;
    ftrace::expect_bare(READ)?;
    library.unload()
}

fn a_skipped_call_returns(_: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let original = cmdline()?;
    for skip_first in [true, false] {
        let (skip, hook) = if skip_first {
            let skip = module::load("hook_exclusive", "kind=skip")?;
            (skip, hook("cmdline")?)
        } else {
            let hook = hook("cmdline")?;
            (module::load("hook_exclusive", "kind=skip")?, hook)
        };
        ten_calls("skipped", "")?;
        skip.unload()?;
        ten_calls("not skipped any more", &original)?;
        hook.unload()?;
    }
    ftrace::expect_bare(READ)?;
    library.unload()
}

/// Tests the hook with another user of the function, in all orders: either is added first, and
/// either is removed first.
fn meet<T>(come: impl Fn() -> Result<T>, calls: impl Fn(&T) -> Result<u64>) -> Result<()> {
    let library = module::library()?;
    let original = cmdline()?;
    for (first, last) in [(true, true), (true, false), (false, true), (false, false)] {
        let (ours, other) = if first {
            let ours = hook("cmdline")?;
            (ours, come()?)
        } else {
            let other = come()?;
            (hook("cmdline")?, other)
        };
        let before = calls(&other)?;
        ten_calls("both", &original)?;
        let count = calls(&other)? - before;
        ensure!(count == 10, "the other one has seen {count} of 10 calls");
        if last {
            drop(other);
            ten_calls("the hook alone", &original)?;
            ours.unload()?;
        } else {
            ours.unload()?;
            cmdline()?;
            let count = calls(&other)? - before;
            ensure!(count == 11, "the other one has seen {count} of 11 calls");
            drop(other);
        }
    }
    ftrace::expect_bare(READ)?;
    library.unload()
}

fn meets_the_function_tracer(_: &mut Context<'_>) -> Result<()> {
    meet(|| Traced::new(READ), Traced::calls)
}

fn meets_the_function_graph_tracer(_: &mut Context<'_>) -> Result<()> {
    meet(|| Traced::graph(READ), Traced::calls)
}

fn meets_a_kprobe(_: &mut Context<'_>) -> Result<()> {
    meet(|| Kprobe::new(READ), Kprobe::hits)
}

fn meets_entry_hooks(_: &mut Context<'_>) -> Result<()> {
    meet(
        || module::load("hook_count", &format!("function={READ}")),
        |_| debugfs::value(debugfs::tackle("hook_count/calls")),
    )
}
