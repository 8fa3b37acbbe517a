// SPDX-License-Identifier: GPL-2.0

//! Tests hooks that crashed earlier versions of the library, or that ran where they must not.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context as _, Result};
use nix::errno::Errno;
use nix::unistd::getsid;

use crate::suite::{list, skip, Context, Suite};
use crate::sys::kernel::has_our_patches;
use crate::sys::{bpf, cmd, debugfs, ftrace, kmsg, livepatch, module};

mod leaving;

use leaving::{
    a_failed_init_waits_for_its_users, a_forgotten_redirection_waits_for_sleepers,
    an_open_file_keeps_its_module, packets_do_not_leave_after_a_reset,
    the_kernels_own_files_keep_their_module, what_comes_late_goes_as_well,
    what_is_forgotten_goes_with_its_module,
};

/// The suite.
pub const SUITE: Suite = Suite {
    name: "soundness",
    by_name_only: false,
    tests: list![
        hooks_on_what_missed_calls_use,
        helpers_cannot_be_traced,
        a_name_must_be_the_only_one,
        a_hook_leaves_a_module_that_goes,
        a_hook_follows_its_module,
        a_hook_on_an_init_function_leaves_it,
        exit_hooks_follow_their_module,
        hooks_may_come_before_their_module,
        exit_hooks_meet_returns_of_old_ones,
        a_direct_hook_follows_its_module,
        forgotten_hooks_go_with_their_module,
        a_skipped_call_returns_its_value_beside_bpf,
        a_module_of_another_build_is_refused,
        a_thousand_hooks_at_once,
        a_failed_init_waits_for_its_users,
        what_comes_late_goes_as_well,
        what_is_forgotten_goes_with_its_module,
        packets_do_not_leave_after_a_reset,
        a_forgotten_redirection_waits_for_sleepers,
        an_open_file_keeps_its_module,
        the_kernels_own_files_keep_their_module,
    ],
};

const HOOKS: &str = "tackle_hooks";
const ALL: &str = "hook_all";
const TWIN_A: &str = "rig_twin_a";
const TWIN_B: &str = "rig_twin_b";
const FUNCTION: &str = "rig_twin_call";

fn hooks(file: &str) -> PathBuf {
    debugfs::tackle("hooks").join(file)
}

fn all(file: &str) -> PathBuf {
    debugfs::tackle(ALL).join(file)
}

/// Adds a hook by a line in the file `add`.
fn add(line: &str) -> Result<()> {
    debugfs::write(hooks("add"), line)?.with_context(|| {
        let reason = debugfs::read(hooks("error")).unwrap_or_default();
        format!("'{line}': {reason}")
    })
}

/// Calls the function of one of the twins.
fn call(twin: &str, times: u32) -> Result<()> {
    let file = format!("/sys/module/{twin}/parameters/call");
    debugfs::set(file, &times.to_string())
}

fn expect_calls(file: PathBuf, expected: u64, when: &str) -> Result<()> {
    let calls: u64 = debugfs::value(file)?;
    ensure!(
        calls == expected,
        "{when}: expected {expected} calls, got {calls}"
    );
    Ok(())
}

/// Returns the address of a module's function, as hexadecimal digits.
fn address(module: &str, function: &str) -> Result<String> {
    let text = std::fs::read_to_string("/proc/kallsyms").context("cannot read kallsyms")?;
    let (symbol, owner) = (format!(" {function}\t"), format!("[{module}]"));
    let line = text
        .lines()
        .find(|line| line.contains(&symbol) && line.ends_with(&owner))
        .with_context(|| format!("no {function} in {module}"))?;
    Ok(line.split(' ').next().unwrap_or_default().to_string())
}

/// Tests hooks on functions that handling a missed call uses. It once took the RCU read lock, whose
/// function can be hooked, so that it recursed without end.
fn hooks_on_what_missed_calls_use(_: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(HOOKS, "")?;
    for function in ["__rcu_read_lock", "irq_enter_rcu", "vfs_read"] {
        add(&format!("{function} count"))?;
    }
    cmd::run("stress-ng --quiet --cpu 2 --io 2 --timeout 5s")?;
    let missed: u64 = debugfs::value(hooks("__rcu_read_lock_count/missed"))?;
    let calls: u64 = debugfs::value(hooks("__rcu_read_lock_count/calls"))?;
    ensure!(calls > 0, "no call seen, {missed} missed");
    stack.unload()
}

/// Tests that functions that handlers call cannot be hooked.
fn helpers_cannot_be_traced(_: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let text = ftrace::traceable()?;
    let ours = |line: &&str| line.ends_with("[tackle]") || line.ends_with("[tackle_ftrace]");
    // The functions of KUnit are made for tests to hook. The events `skip` and `wakeup` are hooks
    // on the two others.
    let meant = [
        "kunit",
        "tackle_numa_skip_probe",
        "tackle_numa_waking_probe",
    ];
    let is_meant = |line: &&str| meant.iter().any(|part| line.contains(part));
    let odd: Vec<&str> = text
        .lines()
        .filter(ours)
        .filter(|line| !is_meant(line))
        .collect();
    ensure!(odd.is_empty(), "these can be traced: {odd:?}");
    library.unload()
}

/// Tests that a name of two symbols is ambiguous, even if only one of them can be traced. Positions
/// count all symbols of the name, as for live patches.
fn a_name_must_be_the_only_one(_: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(HOOKS, "")?;
    let text = ftrace::traceable()?;
    let traceable: Vec<&str> = text.lines().filter(|line| !line.contains(' ')).collect();
    let kallsyms = std::fs::read_to_string("/proc/kallsyms").context("cannot read kallsyms")?;
    let mut count = std::collections::HashMap::new();
    for line in kallsyms.lines().filter(|line| !line.contains('[')) {
        *count
            .entry(line.split(' ').nth(2).unwrap_or_default())
            .or_insert(0) += 1;
    }
    let mut traced = std::collections::HashMap::new();
    for name in &traceable {
        *traced.entry(*name).or_insert(0) += 1;
    }
    let mut names: Vec<_> = traced
        .iter()
        .filter(|(name, traced)| **traced == 1 && count.get(*name) == Some(&2))
        .map(|(name, _)| *name)
        .collect();
    names.sort_unstable();
    let name = names.first().context("no name of two symbols")?;
    let refused = |line: &str, errno: Errno| -> Result<()> {
        let answer = debugfs::write(hooks("add"), line)?;
        ensure!(
            answer == Err(errno),
            "'{line}': expected {errno}, got {answer:?}"
        );
        Ok(())
    };
    refused(&format!("{name} count"), Errno::ENOTUNIQ)?;
    refused(&format!("{name} count position=3"), Errno::ENOENT)?;
    let mut right = 0;
    for position in [1, 2] {
        match debugfs::write(
            hooks("add"),
            &format!("{name} count position={position} name=at{position}"),
        )? {
            Ok(()) => right += 1,
            Err(errno) => ensure!(errno == Errno::EINVAL, "{name} {position}: {errno}"),
        }
    }
    ensure!(right == 1, "{name}: expected one position, got {right}");
    stack.unload()
}

/// Tests that a hook is removed with its module. A hook on an address was once called for the
/// function that was later loaded at this address.
fn a_hook_leaves_a_module_that_goes(context: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(ALL, "")?;
    let first = module::load(TWIN_A, "")?;
    let before = address(TWIN_A, FUNCTION)?;
    debugfs::set(all("arm"), &format!("one {before}"))?;
    call(TWIN_A, 3)?;
    expect_calls(all("calls"), 3, "the first module")?;
    first.unload()?;
    let second = module::load(TWIN_B, "")?;
    let after = address(TWIN_B, FUNCTION)?;
    context.note(format!("the functions are at {before} and {after}"))?;
    call(TWIN_B, 5)?;
    expect_calls(all("calls"), 3, "another module in its place")?;
    ftrace::expect_bare(FUNCTION)?;
    second.unload()?;
    // The hook was on an address, so it does not apply when the module is loaded again.
    let again = module::load(TWIN_A, "")?;
    call(TWIN_A, 5)?;
    expect_calls(all("calls"), 3, "the first module again")?;
    again.unload()?;
    stack.unload()
}

/// Tests hooks on several names while their modules are loaded and unloaded.
fn a_hook_follows_its_module(_: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(ALL, "")?;
    let line = format!("late {TWIN_A}:{FUNCTION} {TWIN_B}:{FUNCTION}");
    debugfs::set(all("arm"), &line)?;
    let mut expected = 0;
    for _ in 0..3 {
        let first = module::load(TWIN_A, "")?;
        call(TWIN_A, 3)?;
        expected += 3;
        expect_calls(all("calls"), expected, "the first module")?;
        let second = module::load(TWIN_B, "")?;
        call(TWIN_A, 2)?;
        call(TWIN_B, 5)?;
        expected += 7;
        expect_calls(all("calls"), expected, "both modules")?;
        first.unload()?;
        call(TWIN_B, 1)?;
        expected += 1;
        expect_calls(all("calls"), expected, "the second module")?;
        second.unload()?;
        ftrace::expect_bare(FUNCTION)?;
    }
    // A name without a module that is found in a module belongs to that module from then on.
    let first = module::load(TWIN_A, "")?;
    debugfs::set(all("arm"), &format!("late {FUNCTION}"))?;
    first.unload()?;
    let second = module::load(TWIN_B, "")?;
    call(TWIN_B, 5)?;
    expect_calls(all("calls"), expected, "a module that was not meant")?;
    let first = module::load(TWIN_A, "")?;
    call(TWIN_A, 2)?;
    expect_calls(all("calls"), expected + 2, "the module that was meant")?;
    first.unload()?;
    second.unload()?;
    stack.unload()
}

/// Tests a hook on an init function, whose memory is reused at once.
fn a_hook_on_an_init_function_leaves_it(_: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(ALL, "")?;
    debugfs::set(all("arm"), &format!("late {TWIN_A}:init_module"))?;
    for round in 1..=3 {
        let first = module::load(TWIN_A, "")?;
        expect_calls(all("calls"), round, "the module was loaded")?;
        ftrace::expect_bare("init_module")?;
        let second = module::load(TWIN_B, "")?;
        expect_calls(all("calls"), round, "another module was loaded")?;
        second.unload()?;
        first.unload()?;
    }
    stack.unload()
}

fn exit_hooks_follow_their_module(_: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(HOOKS, "")?;
    let first = module::load(TWIN_A, "")?;
    add(&format!("{TWIN_A}:{FUNCTION} latency name=latency"))?;
    add(&format!("{FUNCTION} return name=return"))?;
    let mut expected = 0;
    let mut first = Some(first);
    for _ in 0..3 {
        let module = match first.take() {
            Some(module) => module,
            None => module::load(TWIN_A, "")?,
        };
        call(TWIN_A, 4)?;
        expected += 4;
        for name in ["latency", "return"] {
            expect_calls(hooks(name).join("calls"), expected, name)?;
        }
        module.unload()?;
        ftrace::expect_bare(FUNCTION)?;
    }
    stack.unload()
}

/// Tests each kind of hook on a function and on an init function before their module is loaded.
fn hooks_may_come_before_their_module(_: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(HOOKS, "")?;
    let kinds = ["count", "latency", "return"];
    for kind in kinds {
        let line = match kind {
            "return" => "return returns=s32 when_loaded".to_owned(),
            _ => format!("{kind} when_loaded"),
        };
        add(&format!("{TWIN_A}:{FUNCTION} {line} name={kind}"))?;
        add(&format!("{TWIN_A}:init_module {line} name=init-{kind}"))?;
    }
    for round in 1..=2 {
        let twin = module::load(TWIN_A, "")?;
        call(TWIN_A, 3)?;
        for kind in kinds {
            expect_calls(hooks(kind).join("calls"), 3 * round, kind)?;
            let init = format!("init-{kind}");
            expect_calls(hooks(&init).join("calls"), round, &init)?;
        }
        twin.unload()?;
    }
    // Without the word `when_loaded`, the hook is refused.
    let answer = debugfs::write(hooks("add"), &format!("{TWIN_A}:{FUNCTION} count"))?;
    ensure!(answer == Err(Errno::ENOENT), "without a module: {answer:?}");
    stack.unload()
}

/// Tests returns that belong to removed hooks. The kernel has 16 slots for users of function
/// returns. Each task sleeps in `schedule()`, and returns when another hook has the slot of the
/// hook that saw the entry.
fn exit_hooks_meet_returns_of_old_ones(_: &mut Context<'_>) -> Result<()> {
    if !has_our_patches() {
        return skip("fprobe warns (the third patch in scripts/patches)");
    }
    let stack = module::stack(HOOKS, "")?;
    // If the function has another direct call, exit hooks are fprobes.
    let direct = module::load("hook_exclusive", "kind=direct function=schedule")?;
    for _ in 0..3 * 16 {
        add("schedule latency name=sleep")?;
        sleep(Duration::from_millis(20));
        debugfs::set(hooks("del"), "sleep")?;
    }
    direct.unload()?;
    stack.unload()
}

fn a_direct_hook_follows_its_module(_: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let first = module::load(TWIN_A, "")?;
    let direct = module::load(
        "hook_exclusive",
        &format!("kind=direct function={TWIN_A}:{FUNCTION}"),
    )?;
    let calls = || debugfs::tackle("hook_exclusive/calls");
    call(TWIN_A, 2)?;
    expect_calls(calls(), 2, "the module")?;
    first.unload()?;
    let second = module::load(TWIN_B, "")?;
    call(TWIN_B, 3)?;
    expect_calls(calls(), 2, "another module")?;
    let first = module::load(TWIN_A, "")?;
    call(TWIN_A, 4)?;
    expect_calls(calls(), 6, "the module again")?;
    direct.unload()?;
    call(TWIN_A, 1)?;
    second.unload()?;
    first.unload()?;
    library.unload()
}

/// Tests that hooks that a module forgets are removed with it, since their code is in the module's
/// memory.
fn forgotten_hooks_go_with_their_module(_: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let twin = module::load(TWIN_A, "")?;
    let mut log = kmsg::Cursor::now()?;
    let forget = module::load("hook_forget", "")?;
    call(TWIN_A, 3)?;
    debugfs::read(debugfs::tackle("hook_forget/file"))?;
    forget.unload()?;
    for function in [
        FUNCTION,
        "__x64_sys_getpid",
        "__x64_sys_getppid",
        "meminfo_proc_show",
    ] {
        ftrace::expect_bare(function)?;
    }
    call(TWIN_A, 3)?;
    debugfs::read("/proc/meminfo")?;
    let file = debugfs::tackle("hook_forget/file");
    ensure!(!file.exists(), "{} is there", file.display());
    kmsg::expect(&log.read()?, "hook_forget has gone without its 5 hooks")?;
    twin.unload()?;
    library.unload()
}

/// Tests that a skipped call returns its value beside BPF, whose trampoline uses the register of
/// the return value.
fn a_skipped_call_returns_its_value_beside_bpf(_: &mut Context<'_>) -> Result<()> {
    if !bpf::has_btf("vmlinux") {
        return skip("the kernel has no BTF, which fentry programs need");
    }
    let session = || getsid(None).map(nix::unistd::Pid::as_raw);
    let own = session()?;
    let expect = |what: &str, expected: i32| -> Result<()> {
        let got = session()?;
        ensure!(got == expected, "{what}: expected {expected}, got {got}");
        Ok(())
    };
    let library = module::library()?;
    for program in ["fentry-getsid", "fexit-getsid"] {
        let hook = module::load("hook_exclusive", "kind=value")?;
        expect("the hook alone", 4242)?;
        let attached = bpf::Attached::load(program, 1)?;
        expect(&format!("the hook, then {program}"), 4242)?;
        hook.unload()?;
        expect(program, own)?;
        let hook = module::load("hook_exclusive", "kind=value")?;
        expect(&format!("{program}, then the hook"), 4242)?;
        drop(attached);
        expect("the hook alone again", 4242)?;
        hook.unload()?;
        expect("nothing", own)?;
    }
    library.unload()
}

/// Tests that a module of another build is refused, since structures of the library may have
/// another layout there.
fn a_module_of_another_build_is_refused(_: &mut Context<'_>) -> Result<()> {
    const MARK: &[u8] = b"tackle_of_another_build__build_this_module_again__";
    let library = module::library()?;
    let mut object = std::fs::read(module::file("hook_count"))?;
    let at = object.windows(MARK.len()).position(|part| part == MARK);
    let at = at.context("the module does not say which build it needs")? + MARK.len();
    // Change the number in the symbol's name.
    object[at] = if object[at] == b'0' { b'1' } else { b'0' };
    let path = "/run/other_build.ko";
    std::fs::write(path, &object)?;
    let mut log = kmsg::Cursor::now()?;
    let loaded = cmd::output(&format!("insmod {path} function=vfs_read"))?;
    std::fs::remove_file(path)?;
    ensure!(loaded.code != 0, "it was loaded");
    kmsg::expect(
        &log.read()?,
        "Unknown symbol tackle_of_another_build__build_this_module_again__",
    )?;
    library.unload()
}

/// Tests that one request for many hooks takes as long as a request for one.
fn a_thousand_hooks_at_once(context: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(ALL, "")?;
    let others = module::load("bench_others", "")?;
    let text = std::fs::read_to_string("/proc/kallsyms").context("cannot read kallsyms")?;
    let addresses: Vec<&str> = text
        .lines()
        .filter(|line| line.contains(" bench_other_") && line.ends_with("[bench_others]"))
        .filter_map(|line| line.split(' ').next())
        .collect();
    ensure!(
        addresses.len() == 1000,
        "expected 1000 functions, got {}",
        addresses.len()
    );
    let line = format!("each {}", addresses.join(" "));
    for _ in 0..3 {
        let start = Instant::now();
        debugfs::set(all("arm"), &line)?;
        let added = start.elapsed();
        let armed: u64 = debugfs::value(all("armed"))?;
        ensure!(armed == 1000, "expected 1000 hooks, got {armed}");
        let start = Instant::now();
        debugfs::set(all("arm"), "\n")?;
        let removed = start.elapsed();
        context.note(format!(
            "soundness: 1000 hooks on 1000 functions: added in {} ms, removed in {} ms",
            added.as_millis(),
            removed.as_millis()
        ))?;
        ftrace::expect_bare("bench_other_000")?;
        sleep(Duration::from_millis(10));
    }
    // The module is unloaded before the hooks are removed.
    debugfs::set(all("arm"), &line)?;
    others.unload()?;
    livepatch::cmdline()?;
    stack.unload()
}
