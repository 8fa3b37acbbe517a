// SPDX-License-Identifier: GPL-2.0

//! Implements suites that fail on purpose, each in its own way. They test that the runner detects
//! failures.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{bail, ensure, Result};
use nix::errno::Errno;
use nix::unistd::getsid;

use crate::clean::clean;
use crate::suite::{list, Context, Suite};
use crate::sys::{cmd, debugfs, module, numa};

/// The module that misbehaves in its init function, which then fails.
const MODULE: &str = "rig_bug";

/// An expectation that does not hold.
pub const EXPECTATION: Suite = Suite {
    name: "fail-expectation",
    by_name_only: true,
    tests: list![wrong_sum],
};

/// A crash of the kernel.
pub const BUG: Suite = Suite {
    name: "fail-bug",
    by_name_only: true,
    tests: list![crash],
};

/// A test that never ends.
pub const HANG: Suite = Suite {
    name: "fail-hang",
    by_name_only: true,
    tests: list![hang],
};

/// A test that passes, but with a warning in the kernel log.
pub const WARN: Suite = Suite {
    name: "fail-warn",
    by_name_only: true,
    tests: list![warning],
};

/// A memory leak. A kernel with kmemleak detects it at the end of the suite.
pub const LEAK: Suite = Suite {
    name: "fail-leak",
    by_name_only: true,
    tests: list![leak, clean],
};

/// A test that passes, but reads memory that was freed before. A kernel with KASAN detects it.
pub const USE_AFTER_FREE: Suite = Suite {
    name: "fail-use-after-free",
    by_name_only: true,
    tests: list![use_after_free],
};

/// A test that passes, but takes two locks in both orders. A kernel with lockdep detects it.
pub const INVERSION: Suite = Suite {
    name: "fail-inversion",
    by_name_only: true,
    tests: list![inversion],
};

/// A panic in the handler of a hook, which kills a task. Other hooks must still work.
pub const HOOK_OOPS: Suite = Suite {
    name: "fail-hook-oops",
    by_name_only: true,
    tests: list![handler_panics],
};

/// A fault of ftrace, after which ftrace switches itself off. Hooks can still be removed.
pub const FTRACE_DIES: Suite = Suite {
    name: "fail-ftrace-dies",
    by_name_only: true,
    tests: list![ftrace_dies],
};

fn wrong_sum(_: &mut Context<'_>) -> Result<()> {
    let online = debugfs::read("/sys/devices/system/cpu/online")?;
    ensure!(online.is_empty(), "expected no processor, got {online}");
    Ok(())
}

fn crash(_: &mut Context<'_>) -> Result<()> {
    module::expect_refusal(MODULE, "what=bug", Errno::ECANCELED)?;
    bail!("expected a crash, but the kernel went on")
}

fn hang(_: &mut Context<'_>) -> Result<()> {
    loop {
        sleep(Duration::from_secs(3600));
    }
}

fn warning(_: &mut Context<'_>) -> Result<()> {
    module::expect_refusal(MODULE, "what=warn", Errno::ECANCELED)
}

fn leak(_: &mut Context<'_>) -> Result<()> {
    // The module must stay loaded. Otherwise the report of the leak could not name its functions.
    module::load(MODULE, "what=leak")?.leave();
    Ok(())
}

fn use_after_free(_: &mut Context<'_>) -> Result<()> {
    module::expect_refusal(MODULE, "what=use-after-free", Errno::ECANCELED)
}

fn inversion(_: &mut Context<'_>) -> Result<()> {
    module::expect_refusal(MODULE, "what=inversion", Errno::ECANCELED)
}

/// Tests a panic in a handler. The task that oopsed never returns from the handler. Other hooks
/// must not miss calls on its CPU because of that, with preemption enabled or disabled.
fn handler_panics(context: &mut Context<'_>) -> Result<()> {
    debugfs::set("/proc/sys/kernel/panic_on_oops", "0")?;
    numa::pin_to(0)?;
    let stack = module::stack("hook_oops", "function=cmdline_proc_show")?;
    let twin = module::load("rig_twin_a", "")?;
    let other = module::load("hook_count", "function=rig_twin_a:rig_twin_call")?;
    let oopses = debugfs::tackle("hook_oops/calls");
    let calls = debugfs::tackle("hook_count/calls");
    for (parameter, round) in [("call_atomic", 1), ("call", 2)] {
        debugfs::set(debugfs::tackle("hook_oops/panic"), "1")?;
        let killed = cmd::output("cat /proc/cmdline");
        let seen: u64 = debugfs::value(&oopses)?;
        ensure!(
            seen == round,
            "expected {round} panics, got {seen}: {killed:?}"
        );
        let before: u64 = debugfs::value(&calls)?;
        debugfs::set(
            format!("/sys/module/rig_twin_a/parameters/{parameter}"),
            "10",
        )?;
        let seen = debugfs::value::<u64>(&calls)? - before;
        ensure!(seen == 10, "{parameter}: expected 10 calls, got {seen}");
    }
    other.unload()?;
    twin.unload()?;
    stack.unload()?;
    context.note("fail-hook-oops: hooks go on after an oops")
}

/// Tests a fault of ftrace. The function still calls a trampoline, which must not call a removed
/// handler.
fn ftrace_dies(context: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let hook = module::load("hook_count", "function=__x64_sys_getsid")?;
    let calls = || debugfs::value::<u64>(debugfs::tackle("hook_count/calls"));
    getsid(None)?;
    ensure!(calls()? > 0, "no call seen");
    // ftrace has processed the module even if it is refused.
    if let Ok(module) = module::insmod("rig_mcount", "")? {
        module.leave();
    }
    module::expect_refusal("hook_latency", "function=vfs_read", Errno::ENODEV)?;
    hook.unload()?;
    for _ in 0..1000 {
        getsid(None)?;
    }
    let answer = module::rmmod_once(module::FTRACE);
    ensure!(
        answer == Err(Errno::EAGAIN),
        "the library is still called, and rmmod says {answer:?}"
    );
    library.leave();
    context.note("fail-ftrace-dies: hooks are gone without ftrace")
}
