// SPDX-License-Identifier: GPL-2.0

//! Tests `tackle_hooks`: hooks that are added, read and removed through debugfs.

mod beside;
mod filters;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::thread;

use anyhow::{ensure, Context as _, Result};
use nix::errno::Errno;
use nix::unistd::{getpid, getsid, gettid, Pid};

use self::{beside::*, filters::*};
use crate::suite::{list, Context, Suite};
use crate::sys::{bpf, cmd, debugfs, expect_errno, ftrace, livepatch, module, numa};

/// The suite.
pub const SUITE: Suite = Suite {
    name: "tackle_hooks",
    by_name_only: false,
    tests: list![
        counts_calls,
        counts_calls_of_a_task,
        counts_calls_of_a_process,
        counts_calls_on_a_cpu,
        counts_calls_of_a_tree,
        counts_calls_of_a_cgroup,
        refuses_to_look_at_nobody,
        measures_latency,
        tells_return_values,
        return_values_have_their_types,
        hooks_of_a_function_share_an_ops,
        lists_what_there_is,
        refuses_bad_lines,
        refuses_a_name_twice,
        refuses_to_remove_what_is_not_there,
        tells_functions_of_one_name_apart,
        is_gone_after_unloading,
        meets_the_function_tracer,
        meets_the_function_graph_tracer,
        meets_perf,
        meets_a_kprobe,
        meets_an_optimized_kprobe,
        meets_a_bpf_program,
        meets_a_livepatch_in_c,
        a_livepatch_in_c_excludes_a_redirect,
        a_bpf_program_excludes_a_direct_hook,
        a_bpf_program_makes_an_exit_hook_an_fprobe,
        ftrace_stays_on,
    ],
};

const MODULE: &str = "tackle_hooks";
/// Only these tests call this function in the guest.
const CALL: &str = "__x64_sys_getsid";
/// This function runs once for each time that `/proc/cmdline` is opened and read.
const READ: &str = "cmdline_proc_show";
const TRACING: &str = "/sys/kernel/tracing";

fn path(file: &str) -> PathBuf {
    debugfs::tackle("hooks").join(file)
}

fn add(line: &str) -> Result<()> {
    debugfs::set(path("add"), line)
        .with_context(|| debugfs::read(path("error")).unwrap_or_default())
}

fn calls(hook: &str) -> Result<u64> {
    debugfs::value(path(hook).join("calls"))
}

fn call(times: u32) {
    for _ in 0..times {
        // The session of this process always exists.
        let _ = getsid(None);
    }
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, got: T, expected: T) -> Result<()> {
    ensure!(
        got == expected,
        "{what}: expected {expected:?}, got {got:?}"
    );
    Ok(())
}

fn counts_calls(_: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(MODULE, "")?;
    ftrace::expect_bare(CALL)?;
    add(&format!("{CALL} count"))?;
    let hook = format!("{CALL}_count");
    for times in [0, 1, 1000] {
        let before = calls(&hook)?;
        call(times);
        expect("calls", calls(&hook)? - before, u64::from(times))?;
    }
    expect(
        "function",
        debugfs::read(path(&hook).join("function"))?,
        CALL.into(),
    )?;
    expect(
        "kind",
        debugfs::read(path(&hook).join("kind"))?,
        "count".into(),
    )?;
    debugfs::set(path("del"), &hook)?;
    ensure!(!path(&hook).exists(), "its directory is still there");
    ftrace::expect_bare(CALL)?;
    stack.unload()
}

fn counts_calls_of_a_task(_: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(MODULE, "")?;
    add(&format!("{CALL} count name=task pid={}", gettid()))?;
    thread::scope(|scope| {
        scope.spawn(|| call(50));
    });
    call(3);
    expect("calls of this thread", calls("task")?, 3)?;
    stack.unload()
}

fn counts_calls_of_a_process(_: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(MODULE, "")?;
    add(&format!("{CALL} count name=this tgid={}", getpid()))?;
    add(&format!("{CALL} count name=all"))?;
    thread::scope(|scope| {
        scope.spawn(|| call(50));
    });
    // `ps` has to call getsid() to print a session.
    cmd::run("ps -o sid= -p 1")?;
    cmd::run("setsid true")?;
    let (this, all) = (calls("this")?, calls("all")?);
    expect("calls of this process", this, 50)?;
    ensure!(all >= this, "all processes have called {all} times");
    stack.unload()
}

fn counts_calls_on_a_cpu(_: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(MODULE, "")?;
    add(&format!("{CALL} count name=first cpu=0"))?;
    add(&format!("{CALL} count name=both cpu=0-1"))?;
    thread::scope(|scope| -> Result<()> {
        for (cpu, times) in [(0, 7), (1, 5)] {
            let thread = scope.spawn(move || -> Result<()> {
                numa::pin_to(cpu)?;
                call(times);
                Ok(())
            });
            thread.join().expect("it does not panic")?;
        }
        Ok(())
    })?;
    expect("calls on CPU 0", calls("first")?, 7)?;
    expect("calls on both", calls("both")?, 12)?;
    stack.unload()
}

fn measures_latency(context: &mut Context<'_>) -> Result<()> {
    const TIMES: u32 = 20;
    let stack = module::stack(MODULE, "")?;
    add(&format!("{READ} latency name=time tgid={}", getpid()))?;
    for _ in 0..TIMES {
        livepatch::cmdline()?;
    }
    let text = debugfs::read(path("time/histogram"))?;
    context.note(text.replace('\n', "; "))?;
    let mut counted = 0;
    for line in text.lines() {
        let words: Vec<u64> = line
            .split(' ')
            .map(|word| word.parse().with_context(|| format!("in '{line}'")))
            .collect::<Result<_>>()?;
        let [low, high, count] = words[..] else {
            anyhow::bail!("expected three numbers, got '{line}'");
        };
        ensure!(low < high && count > 0, "an odd line: '{line}'");
        // A call takes more than 0 ns and less than a minute.
        ensure!(low > 0 && high < 60_000_000_000, "an odd time: '{line}'");
        counted += count;
    }
    expect("calls in the histogram", counted, TIMES.into())?;
    expect("calls", calls("time")?, TIMES.into())?;
    stack.unload()
}

fn tells_return_values(_: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(MODULE, "")?;
    add(&format!("{CALL} return name=values pid={}", gettid()))?;
    let own = getsid(None).context("getsid")?;
    call(4);
    let nobody = Pid::from_raw(i32::MAX);
    expect("errno", getsid(Some(nobody)).err(), Some(Errno::ESRCH))?;
    let text = debugfs::read(path("values/values"))?;
    let values: BTreeMap<i64, u64> = text
        .lines()
        .map(|line| {
            let (value, count) = line.split_once(' ').context("no blank")?;
            Ok((value.parse()?, count.parse()?))
        })
        .collect::<Result<_>>()
        .with_context(|| text.clone())?;
    let expected = [(i64::from(own.as_raw()), 5), (-(Errno::ESRCH as i64), 1)];
    expect("values", values, expected.into())?;
    stack.unload()
}

/// Tests the types of return values. For an `int` or a `bool`, the upper bits of the register are
/// undefined.
fn return_values_have_their_types(context: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(MODULE, "")?;
    let (me, has_btf) = (gettid(), bpf::has_btf("vmlinux"));
    let missing = || std::fs::File::open("/no/such/file").map(drop);
    let text = |name: &str, file: &str| debugfs::read(path(&format!("{name}/{file}")));
    // The type comes from BTF, or from the line.
    let mut ways = vec![(" returns=s32", " returns=ptr")];
    ways.extend(has_btf.then_some(("", "")));
    for (int, pointer) in ways {
        add(&format!("link_path_walk return name=int pid={me}{int}"))?;
        add(&format!("do_file_open return name=ptr pid={me}{pointer}"))?;
        for _ in 0..3 {
            ensure!(missing().is_err(), "there is /no/such/file");
        }
        std::fs::File::open("/proc/self/stat").context("cannot open")?;
        let values = (text("int", "values")?, text("ptr", "values")?);
        context.note(format!("{values:?}"))?;
        ensure!(values.0.lines().any(|line| line == "-2 3"), "{values:?}");
        ensure!(values.1.lines().any(|line| line == "-2 3"), "{values:?}");
        ensure!(
            values.1.lines().any(|line| line.starts_with("pointer ")),
            "{values:?}"
        );
        let types = (text("int", "returns")?, text("ptr", "returns")?);
        expect("types", types, ("s32".into(), "ptr".into()))?;
        debugfs::set(path("del"), "int")?;
        debugfs::set(path("del"), "ptr")?;
    }
    // `fput()` returns nothing.
    let answer = debugfs::write(path("add"), "fput return name=none")?;
    let expected = if has_btf { Err(Errno::EINVAL) } else { Ok(()) };
    expect("a hook on what returns nothing", answer, expected)?;
    stack.unload()
}

fn hooks_of_a_function_share_an_ops(context: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(MODULE, "")?;
    let names: Vec<String> = (0..5).map(|n| format!("hook{n}")).collect();
    for name in &names {
        add(&format!("{READ} count name={name}"))?;
    }
    let enabled = ftrace::expect_enabled(READ)?;
    context.note(&enabled.line)?;
    expect("users", enabled.users, 1)?;
    livepatch::cmdline()?;
    debugfs::set(path("del"), "hook0")?;
    debugfs::set(path("del"), "hook3")?;
    livepatch::cmdline()?;
    for name in ["hook1", "hook2", "hook4"] {
        expect(name, calls(name)?, 2)?;
    }
    stack.unload()?;
    ftrace::expect_bare(READ)
}

fn lists_what_there_is(_: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(MODULE, "")?;
    expect("list", debugfs::read(path("list"))?, String::new())?;
    add(&format!("{READ} count"))?;
    add(&format!("{READ} latency name=time cpu=0,1 tgid=1"))?;
    livepatch::cmdline()?;
    let list = debugfs::read(path("list"))?;
    let lines: Vec<&str> = list.lines().collect();
    let first = format!("{READ}_count {READ} count calls=1 missed=0 trampoline=tackle_ftrace_");
    ensure!(
        lines.len() == 2
            && lines[0].starts_with(&first)
            && lines[1].starts_with(&format!("time {READ} latency calls="))
            && lines[1].contains(&format!(" tgid=1 cpu=0,1 trampoline={}", exit_trampoline())),
        "unexpected: {list}"
    );
    stack.unload()
}

/// Returns the trampoline's name, without its number, that `list` shows for an exit hook on a
/// function of the kernel. Such a trampoline needs the function's prototype.
pub(super) fn exit_trampoline() -> &'static str {
    if bpf::has_btf("vmlinux") {
        "tackle_ftrace_exit_trampoline_"
    } else {
        "fgraph"
    }
}

fn refuses_bad_lines(_: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(MODULE, "")?;
    let untraceable = format!("{} count", ftrace::untraceable()?);
    let long = format!("{CALL} count{}", " ".repeat(2000));
    let long_name = format!("{} count", "x".repeat(300));
    for (line, errno, text) in [
        ("\n", Errno::EINVAL, "expected '[MODULE:]FUNCTION"),
        ("vfs_read", Errno::EINVAL, "expected '[MODULE:]FUNCTION"),
        ("vfs_read counts", Errno::EINVAL, "'counts' is no kind"),
        (
            "vfs_read count pid=x",
            Errno::EINVAL,
            "expected a task's ID",
        ),
        ("vfs_read count x", Errno::EINVAL, "'x' is no option"),
        (
            "no_such_function count",
            Errno::ENOENT,
            "no_such_function: there is no such",
        ),
        (
            "no_such_module:f return",
            Errno::ENOENT,
            "no_such_module:f: there is no such",
        ),
        (
            "init_task latency",
            Errno::EINVAL,
            "init_task: this cannot be traced",
        ),
        (
            "vfs_read count position=2",
            Errno::ENOENT,
            "vfs_read: there is no such",
        ),
        (&untraceable, Errno::EINVAL, "this cannot be traced"),
        (&long, Errno::E2BIG, "at most 1023 bytes"),
        (&long_name, Errno::E2BIG, "the hook's name is too long"),
        ("vfs_read count \u{0}", Errno::EINVAL, "this is not text"),
    ] {
        let shown: String = line.chars().take(40).collect();
        expect_errno(
            &format!("adding '{shown}'"),
            debugfs::write(path("add"), line)?,
            errno,
        )?;
        let error = debugfs::read(path("error"))?;
        ensure!(
            error.contains(text),
            "after '{shown}' the error is '{error}'"
        );
    }
    expect("list", debugfs::read(path("list"))?, String::new())?;
    // A valid line clears `error`.
    add(&format!("{CALL} count"))?;
    expect("error", debugfs::read(path("error"))?, String::new())?;
    stack.unload()
}

fn refuses_a_name_twice(_: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(MODULE, "")?;
    add(&format!("{CALL} count name=twice"))?;
    call(2);
    let again = debugfs::write(path("add"), &format!("{READ} return name=twice"))?;
    expect_errno("adding it again", again, Errno::EEXIST)?;
    let error = debugfs::read(path("error"))?;
    ensure!(
        error.contains("there is a hook 'twice'"),
        "the error is '{error}'"
    );
    expect("calls of the first one", calls("twice")?, 2)?;
    stack.unload()
}

fn refuses_to_remove_what_is_not_there(_: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(MODULE, "")?;
    add(&format!("{CALL} count name=one"))?;
    for name in [" ", "two", "on", "one two"] {
        let answer = debugfs::write(path("del"), name)?;
        expect_errno(&format!("removing '{name}'"), answer, Errno::ENOENT)?;
    }
    expect("calls", calls("one")?, 0)?;
    debugfs::set(path("del"), "one\n")?;
    stack.unload()
}

/// Returns the name of two static functions of the kernel that can both be traced.
fn twins() -> Result<String> {
    let text = ftrace::traceable()?;
    let mut counts = BTreeMap::<&str, u32>::new();
    for line in text.lines().filter(|line| !line.contains('[')) {
        *counts.entry(line).or_default() += 1;
    }
    let twins = counts.iter().find(|&(_, &count)| count == 2);
    Ok(twins.context("no function stands twice")?.0.to_string())
}

fn tells_functions_of_one_name_apart(context: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(MODULE, "")?;
    let name = twins()?;
    context.note(format!("{name} stands twice"))?;
    let answer = debugfs::write(path("add"), &format!("{name} count"))?;
    expect_errno("adding it", answer, Errno::ENOTUNIQ)?;
    let error = debugfs::read(path("error"))?;
    ensure!(
        error.contains("choose one by its position"),
        "the error is '{error}'"
    );
    for position in [1, 2] {
        add(&format!(
            "{name} count name=twin{position} position={position}"
        ))?;
    }
    let text = fs::read_to_string(format!("{TRACING}/enabled_functions"))?;
    let start = format!("{name} (1)");
    let hooked = text.lines().filter(|line| line.starts_with(&start)).count();
    expect("functions with a hook", hooked, 2)?;
    let third = debugfs::write(path("add"), &format!("{name} count position=3"))?;
    expect_errno("a third one", third, Errno::ENOENT)?;
    stack.unload()
}

fn is_gone_after_unloading(_: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(MODULE, "")?;
    for kind in ["count", "latency", "return"] {
        add(&format!("{READ} {kind}"))?;
    }
    livepatch::cmdline()?;
    stack.unload()?;
    ftrace::expect_bare(READ)?;
    ensure!(!path("").exists(), "{} is still there", path("").display());
    livepatch::cmdline().map(drop)
}
