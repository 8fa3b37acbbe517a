// SPDX-License-Identifier: GPL-2.0

//! Tests hooks on a function with other users: the tracers, perf, kprobes, BPF programs, and live
//! patches in C.

use std::cell::Cell;
use std::time::Duration;

use anyhow::{ensure, Context as _, Result};
use nix::errno::Errno;

use super::{add, call, calls, exit_trampoline, expect, path, CALL, MODULE, READ};
use crate::suite::{skip, Context};
use crate::sys::bpf::{self, Attached};
use crate::sys::ftrace::{self, Traced};
use crate::sys::kprobe::Kprobe;
use crate::sys::livepatch::{cmdline, Patch};
use crate::sys::{debugfs, expect_errno, module, perf, wait_for};

/// The time limit for the kernel to optimize a kprobe to a jump, or to remove a BPF program.
const LIMIT: Duration = Duration::from_secs(60);

/// The module with hooks of kinds of which a function can have only one.
const EXCLUSIVE: &str = "hook_exclusive";

/// Whether our hooks are added first, and whether they are removed last.
type Order = (bool, bool);

const ORDERS: [Order; 4] = [(true, true), (true, false), (false, true), (false, false)];

/// Another user of a function.
struct Other<'a, T> {
    /// The function.
    function: &'a str,
    /// Calls the function this often.
    call: &'a dyn Fn(u32) -> Result<()>,
    come: &'a dyn Fn() -> Result<T>,
    /// Returns the number of calls that the other user has seen.
    calls: &'a dyn Fn(&T) -> Result<u64>,
    leave: &'a dyn Fn(T) -> Result<()>,
}

/// Two hooks of ours, which share an ops.
struct Ours;

impl Ours {
    const NAMES: [&'static str; 2] = ["one", "two"];

    fn come(function: &str) -> Result<Self> {
        for name in Self::NAMES {
            add(&format!("{function} count name={name}"))?;
        }
        Ok(Self)
    }

    fn leave(self, seen: u64) -> Result<()> {
        for name in Self::NAMES {
            expect(name, calls(name)?, seen)?;
            debugfs::set(path("del"), name)?;
        }
        Ok(())
    }
}

impl<T> Other<'_, T> {
    /// Tests all orders: either user is added first, and either is removed first. Each must see all
    /// calls while it is attached.
    fn meet(&self) -> Result<()> {
        self.meet_in(&ORDERS)
    }

    fn meet_in(&self, orders: &[Order]) -> Result<()> {
        let stack = module::stack(MODULE, "")?;
        for &(first, last) in orders {
            self.meet_once(first, last).with_context(|| {
                let place = |second| if second { "second" } else { "first" };
                format!("our hooks come {} and go {}", place(!first), place(last))
            })?;
        }
        stack.unload()
    }

    fn meet_once(&self, first: bool, last: bool) -> Result<()> {
        let function = self.function;
        let (_, name) = function.split_once(':').unwrap_or(("", function));
        ftrace::expect_bare(name)?;
        let (ours, theirs);
        if first {
            ours = Ours::come(function)?;
            (self.call)(1)?;
            theirs = (self.come)()?;
        } else {
            theirs = (self.come)()?;
            (self.call)(1)?;
            ours = Ours::come(function)?;
        }
        (self.call)(10)?;
        let seen = 10 + u64::from(first);
        let other = 10 + u64::from(!first);
        if last {
            expect("calls that they saw", (self.calls)(&theirs)?, other)?;
            (self.leave)(theirs)?;
            (self.call)(100)?;
            ours.leave(seen + 100)?;
        } else {
            ours.leave(seen)?;
            (self.call)(100)?;
            expect("calls that they saw", (self.calls)(&theirs)?, other + 100)?;
            (self.leave)(theirs)?;
        }
        ftrace::expect_bare(name)
    }
}

fn call_all(times: u32) -> Result<()> {
    call(times);
    Ok(())
}

/// Returns another user of [`CALL`].
fn at_call<'a, T>(
    come: &'a dyn Fn() -> Result<T>,
    calls: &'a dyn Fn(&T) -> Result<u64>,
    leave: &'a dyn Fn(T) -> Result<()>,
) -> Other<'a, T> {
    Other {
        function: CALL,
        call: &call_all,
        come,
        calls,
        leave,
    }
}

/// Removes another user by dropping its value.
fn gone<T>(other: T) -> Result<()> {
    drop(other);
    Ok(())
}

pub fn meets_the_function_tracer(_: &mut Context<'_>) -> Result<()> {
    at_call(&|| Traced::new(CALL), &Traced::calls, &gone).meet()
}

pub fn meets_the_function_graph_tracer(_: &mut Context<'_>) -> Result<()> {
    at_call(&|| Traced::graph(CALL), &Traced::calls, &gone).meet()
}

pub fn meets_perf(_: &mut Context<'_>) -> Result<()> {
    // A perf counter is attached to all functions until it gets its filter, which is slow. So only
    // two of the orders are tested.
    at_call(&|| perf::Calls::new(CALL), &perf::Calls::count, &gone)
        .meet_in(&[(true, true), (false, false)])
}

pub fn meets_a_kprobe(_: &mut Context<'_>) -> Result<()> {
    at_call(&|| Kprobe::new(CALL), &Kprobe::hits, &gone).meet()
}

/// Tests a kprobe in the function's body that is optimized to a jump. The kernel's list of kprobes
/// shows `[OPTIMIZED]` as soon as the optimization is planned, so the test reads the code itself.
pub fn meets_an_optimized_kprobe(_: &mut Context<'_>) -> Result<()> {
    const TRACEE: &str = "/sys/kernel/debug/bench_tracee";
    const JUMP: &str = "e9";
    let tracee = module::load("bench_tracee", "")?;
    let parameter = |name| format!("/sys/module/kprobe_bench/parameters/{name}");
    let opcode = || debugfs::read(parameter("opcode"));
    Other {
        function: "bench_tracee:tracee",
        call: &|times| {
            debugfs::set(format!("{TRACEE}/calls"), &times.to_string())?;
            debugfs::read(format!("{TRACEE}/ns")).map(drop)
        },
        come: &|| {
            let kprobe = module::load("kprobe_bench", "symbol=bench_tracee:tracee_inside count=1")?;
            wait_for("the kprobe to be a jump", LIMIT, || {
                Ok((opcode()? == JUMP).then_some(()))
            })?;
            Ok(kprobe)
        },
        calls: &|_| {
            expect("the opcode", opcode()?, JUMP.into())?;
            debugfs::value(parameter("hits"))
        },
        leave: &module::Loaded::unload,
    }
    .meet()?;
    tracee.unload()
}

const PROGRAM: &str = "nop_0";

fn attach() -> Result<Attached> {
    Attached::load("fentry-getsid", 1)
}

/// Removes a program, and waits until the function no longer calls it.
fn detach(program: Attached) -> Result<()> {
    drop(program);
    wait_for("the BPF program to be gone", LIMIT, || {
        let direct = ftrace::enabled(CALL)?.is_some_and(|enabled| enabled.flags.contains('D'));
        Ok((!direct).then_some(()))
    })
}

fn needs_btf() -> Result<()> {
    if bpf::has_btf("vmlinux") {
        return bpf::count_runs();
    }
    skip("the kernel has no BTF, which fentry programs need")
}

pub fn meets_a_bpf_program(_: &mut Context<'_>) -> Result<()> {
    needs_btf()?;
    at_call(&attach, &|_| bpf::runs(PROGRAM), &detach).meet()
}

/// The kernel's own patch of `/proc/cmdline`.
const C_PATCH: &str = "test_klp_livepatch";
const PATCHED: &str = "test_klp_livepatch: this has been live patched";

pub fn meets_a_livepatch_in_c(_: &mut Context<'_>) -> Result<()> {
    let patched = Cell::new(0);
    Other {
        function: READ,
        call: &|times| {
            for _ in 0..times {
                patched.set(patched.get() + u64::from(cmdline()? == PATCHED));
            }
            Ok(())
        },
        come: &|| {
            patched.set(0);
            Patch::load_module(C_PATCH, "")
        },
        calls: &|_| Ok(patched.get()),
        leave: &Patch::unload,
    }
    .meet()
}

fn exclusive_calls() -> Result<u64> {
    debugfs::value(debugfs::tackle(EXCLUSIVE).join("calls"))
}

/// Tests that a live patch excludes a hook that skips the function, and one with a direct call. A
/// function can have only one user that changes where its calls continue, and a direct call does
/// not see such a change.
pub fn a_livepatch_in_c_excludes_a_redirect(_: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let original = cmdline()?;
    let direct = format!("kind=direct function={READ}");
    for (parameters, text) in [("kind=skip", ""), (&direct, original.as_str())] {
        let hook = module::load(EXCLUSIVE, parameters)?;
        module::expect_refusal(C_PATCH, "", Errno::EBUSY)?;
        let before = exclusive_calls()?;
        expect("/proc/cmdline", cmdline()?, text.into())?;
        expect("calls", exclusive_calls()? - before, 1)?;
        hook.unload()?;
        expect("/proc/cmdline", cmdline()?, original.clone())?;

        let patch = Patch::load_module(C_PATCH, "")?;
        module::expect_refusal(EXCLUSIVE, parameters, Errno::EBUSY)?;
        expect("/proc/cmdline", cmdline()?, PATCHED.into())?;
        patch.unload()?;
        ftrace::expect_bare(READ)?;
    }
    library.unload()
}

/// Checks that BPF refuses to attach the program.
fn attach_is_refused() -> Result<()> {
    let refusal = attach().err().context("the BPF program was attached")?;
    let refusal = format!("{refusal:#}");
    // `update_ftrace_direct_add()` returns EINVAL, while `register_ftrace_direct()` returns EBUSY.
    ensure!(
        refusal.contains("failed to attach: Invalid argument"),
        "expected EINVAL, got: {refusal}"
    );
    Ok(())
}

/// Tests that an fentry program excludes a direct hook, since it is called directly, too.
pub fn a_bpf_program_excludes_a_direct_hook(_: &mut Context<'_>) -> Result<()> {
    needs_btf()?;
    let library = module::library()?;
    let parameters = format!("kind=direct function={CALL}");

    let hook = module::load(EXCLUSIVE, &parameters)?;
    attach_is_refused()?;
    call(10);
    expect("calls", exclusive_calls()?, 10)?;
    hook.unload()?;

    let program = attach()?;
    module::expect_refusal(EXCLUSIVE, &parameters, Errno::EBUSY)?;
    call(10);
    expect("runs of the program", bpf::runs(PROGRAM)?, 10)?;
    detach(program)?;
    ftrace::expect_bare(CALL)?;
    library.unload()
}

/// Tests an exit hook beside an fentry program. A function can have only one direct call. If there
/// is one, an exit hook uses an fprobe.
pub fn a_bpf_program_makes_an_exit_hook_an_fprobe(_: &mut Context<'_>) -> Result<()> {
    needs_btf()?;
    let stack = module::stack(MODULE, "")?;
    let trampoline = || -> Result<String> {
        let list = debugfs::read(path("list"))?;
        let word = |line: &str| Some(line.split_once(" trampoline=")?.1.to_owned());
        word(list.trim()).with_context(|| format!("no trampoline in '{list}'"))
    };
    add(&format!("{CALL} latency name=first"))?;
    ensure!(
        trampoline()?.starts_with(exit_trampoline()),
        "alone: {}",
        trampoline()?
    );
    attach_is_refused()?;
    call(10);
    expect("calls", calls("first")?, 10)?;
    debugfs::set(path("del"), "first")?;

    let program = attach()?;
    add(&format!("{CALL} latency name=second"))?;
    expect("the trampoline", trampoline()?, "fgraph".into())?;
    call(10);
    expect("runs of the program", bpf::runs(PROGRAM)?, 10)?;
    expect("calls", calls("second")?, 10)?;
    detach(program)?;
    call(10);
    expect("calls", calls("second")?, 20)?;
    debugfs::set(path("del"), "second")?;
    ftrace::expect_bare(CALL)?;
    stack.unload()
}

/// Tests that the kernel refuses to switch off ftrace, which would disarm hooks.
pub fn ftrace_stays_on(_: &mut Context<'_>) -> Result<()> {
    const SWITCH: &str = "/proc/sys/kernel/ftrace_enabled";
    let stack = module::stack(MODULE, "")?;
    let ours = Ours::come(CALL)?;
    let skipping = module::load(EXCLUSIVE, "kind=skip")?;
    let answer = debugfs::write(SWITCH, "0")?;
    expect_errno("switching ftrace off", answer, Errno::EOPNOTSUPP)?;
    expect(SWITCH, debugfs::value(SWITCH)?, 1)?;
    call(10);
    expect("/proc/cmdline", cmdline()?, String::new())?;
    skipping.unload()?;
    ours.leave(10)?;
    stack.unload()
}
