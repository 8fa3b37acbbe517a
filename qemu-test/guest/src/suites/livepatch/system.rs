// SPDX-License-Identifier: GPL-2.0

//! Tests live patches together with other parts of the kernel: their files in sysfs, system calls
//! under load, kprobes and the function tracer.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use anyhow::{ensure, Context as _, Result};
use nix::errno::Errno;
use nix::unistd::getpid;

use super::{expect_patched, expect_text};
use crate::suite::Context;
use crate::sys::ftrace::Traced;
use crate::sys::livepatch::{cmdline, Patch, NAME};
use crate::sys::{debugfs, expect_errno, module, wait_for};

const FUNCTION: &str = "cmdline_proc_show";

fn expect_state(patch: &Patch, file: &str, expected: u8) -> Result<()> {
    let value = patch.state(file)?;
    ensure!(value == expected, "expected {file} {expected}, got {value}");
    Ok(())
}

/// Tests the files of `Documentation/ABI/testing/sysfs-kernel-livepatch` of the kernel.
pub fn has_its_files(_: &mut Context<'_>) -> Result<()> {
    let patch = Patch::load()?;
    for (file, mode) in [
        ("", 0o755),
        ("enabled", 0o644),
        ("force", 0o200),
        ("transition", 0o444),
        ("replace", 0o444),
        ("stack_order", 0o444),
        ("vmlinux", 0o755),
        ("vmlinux/patched", 0o444),
        ("vmlinux/cmdline_proc_show,1", 0o755),
    ] {
        let path = patch.folder().join(file);
        let found = std::fs::metadata(&path).with_context(|| path.display().to_string())?;
        let found = found.permissions().mode() & 0o777;
        ensure!(
            found == mode,
            "expected mode {mode:o} of '{file}', got {found:o}"
        );
    }
    for (file, value) in [
        ("enabled", 1),
        ("transition", 0),
        ("replace", 0),
        ("stack_order", 1),
        ("vmlinux/patched", 1),
    ] {
        expect_state(&patch, file, value)?;
    }
    patch.unload()?;
    for replace in [0, 1] {
        let parameter = format!("replace={replace}");
        let patch = Patch::load_module("livepatch_meminfo", &parameter)?;
        expect_state(&patch, "replace", replace)?;
        patch.unload()?;
    }
    Ok(())
}

pub fn shows_what_is_patched(_: &mut Context<'_>) -> Result<()> {
    const TARGET: &str = "test_klp_callbacks_mod";
    let file = format!("{TARGET}/patched");
    let patch = Patch::load_module("livepatch_callbacks", "")?;
    expect_state(&patch, &file, 0)?;
    let target = module::load(TARGET, "")?;
    expect_state(&patch, &file, 1)?;
    target.unload()?;
    expect_state(&patch, &file, 0)?;
    patch.unload()
}

pub fn shows_the_order(_: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let first = Patch::load()?;
    let second = Patch::load_module("livepatch_callbacks", "")?;
    let third = Patch::load_module("livepatch_syscall", "")?;
    for (patch, order) in [(&first, 1), (&second, 2), (&third, 3)] {
        expect_state(patch, "stack_order", order)?;
    }
    second.unload()?;
    for (patch, order) in [(&first, 1), (&third, 2)] {
        expect_state(patch, "stack_order", order)?;
    }
    third.unload()?;
    first.unload()?;
    library.unload()
}

/// Tests that each task that only calls `getpid()` starts to use the patch once, and stops to use
/// it once.
pub fn getpid_under_load(context: &mut Context<'_>) -> Result<()> {
    /// The patch adds this to the result.
    const OFFSET: i32 = 1 << 24;
    let own = getpid().as_raw();
    let tasks = 2 * thread::available_parallelism().map_or(2, usize::from);
    let (end, there, back) = (
        AtomicBool::new(false),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    // Each task increments a counter when it uses the patch, and another one when it no longer uses
    // it.
    let hammer = || -> Result<u64> {
        let (mut calls, mut patched, mut turns) = (0, false, 0);
        while !end.load(SeqCst) {
            let pid = getpid().as_raw();
            ensure!(
                pid == own || pid == own + OFFSET,
                "expected {own} or {OFFSET} more, got {pid}"
            );
            if patched != (pid != own) {
                patched = !patched;
                turns += 1;
                (if patched { &there } else { &back }).fetch_add(1, SeqCst);
            }
            calls += 1;
        }
        ensure!(turns == 2, "expected 2 changes of a task, got {turns}");
        Ok(calls)
    };
    let run = || -> Result<()> {
        let limit = Duration::from_secs(60);
        let patch = Patch::load_module("livepatch_syscall", "")?;
        wait_for("all tasks to change over", limit, || {
            Ok((there.load(SeqCst) == tasks).then_some(()))
        })?;
        patch.unload()?;
        wait_for("all tasks to change back", limit, || {
            Ok((back.load(SeqCst) == tasks).then_some(()))
        })
    };
    let calls = thread::scope(|scope| -> Result<u64> {
        let tasks: Vec<_> = (0..tasks).map(|_| scope.spawn(hammer)).collect();
        let outcome = run();
        end.store(true, SeqCst);
        let mut calls = 0;
        for task in tasks {
            calls += task.join().expect("getpid() does not panic")?;
        }
        outcome.map(|()| calls)
    })?;
    context.note(format!("{calls} calls by {tasks} tasks"))
}

/// Tests a kprobe that changes registers. A function can have only one user that changes the
/// instruction pointer.
pub fn a_kprobe_that_changes_registers_is_in_the_way(_: &mut Context<'_>) -> Result<()> {
    let original = cmdline()?;
    let library = module::library()?;
    let kprobe = module::load("test_klp_kprobe", "has_post_handler=y")?;
    module::expect_refusal(NAME, "", Errno::EBUSY)?;
    expect_text(&original)?;
    kprobe.unload()?;
    let patch = Patch::load()?;
    expect_patched()?;
    patch.unload()?;
    library.unload()
}

pub fn a_plain_kprobe_is_not(_: &mut Context<'_>) -> Result<()> {
    let kprobe = module::load("test_klp_kprobe", "has_post_handler=n")?;
    let patch = Patch::load()?;
    expect_patched()?;
    kprobe.unload()?;
    expect_patched()?;
    patch.unload()
}

fn expect_calls(traced: &Traced, expected: u64) -> Result<()> {
    let calls = traced.calls()?;
    ensure!(
        calls == expected,
        "expected {expected} calls in the trace, got {calls}"
    );
    Ok(())
}

pub fn is_traced(_: &mut Context<'_>) -> Result<()> {
    let patch = Patch::load()?;
    let traced = Traced::new(FUNCTION)?;
    expect_patched()?;
    expect_calls(&traced, 1)?;
    drop(traced);
    expect_patched()?;
    patch.unload()
}

pub fn replaces_what_is_traced(_: &mut Context<'_>) -> Result<()> {
    let original = cmdline()?;
    let traced = Traced::new(FUNCTION)?;
    expect_text(&original)?;
    let patch = Patch::load()?;
    expect_patched()?;
    expect_calls(&traced, 2)?;
    patch.unload()?;
    expect_text(&original)?;
    expect_calls(&traced, 3)
}

/// Tests that ftrace cannot be switched off while a patch uses it.
pub fn ftrace_stays_on(_: &mut Context<'_>) -> Result<()> {
    const SWITCH: &str = "/proc/sys/kernel/ftrace_enabled";
    let patch = Patch::load()?;
    let answer = debugfs::write(SWITCH, "0")?;
    expect_errno("switching ftrace off", answer, Errno::EOPNOTSUPP)?;
    expect_patched()?;
    let value: u8 = debugfs::value(SWITCH)?;
    ensure!(value == 1, "expected {SWITCH} 1, got {value}");
    patch.unload()
}
