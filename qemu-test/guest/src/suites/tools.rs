// SPDX-License-Identifier: GPL-2.0

//! Tests the command `tackle` on live patches (`livepatch_cmdline`, and a patch of a function in
//! which tasks sleep, in `rig_busy`), on hooks, and on queues of the CoDel family.

mod check;
mod hooks;
mod patch_check;
mod probe;
mod watch;

use std::time::Duration;

use anyhow::{ensure, Context as _, Result};

use self::check::*;
use self::hooks::*;
use self::patch_check::*;
use self::probe::*;
use self::watch::*;
use crate::suite::{list, Context, Suite};
use crate::sys::cmd::{self, Kept};
use crate::sys::livepatch::{cmdline, NAME, TEXT};
use crate::sys::tackle::{self, expect, expect_refusal, patches, PROGRAM};
use crate::sys::{debugfs, module, wait_for};

/// The suite.
pub const SUITE: Suite = Suite {
    name: "tools",
    by_name_only: false,
    tests: list![
        a_patch_goes_in_and_out,
        a_file_tells_its_module,
        a_disabled_patch_is_loaded_anew,
        a_disabled_patch_is_not_lost,
        a_patch_is_unloaded_by_its_name,
        lists_what_is_patched,
        a_held_up_patch_is_turned_round,
        a_signal_lets_it_through,
        waits_for_a_transition,
        one_transition_at_a_time,
        patches_are_checked_without_loading_them,
        other_users_of_the_function_are_named,
        tasks_in_the_function_are_named,
        files_that_are_no_live_patch_are_refused,
        bad_words_are_refused,
        others_than_root_are_refused,
        hooks_come_and_go,
        clones_are_told_and_hooked,
        hooks_are_watched,
        bad_hooks_are_refused,
        no_handler_sleeps_or_allocates,
        careless_handlers_are_found,
        handlers_need_the_library_to_be_checked,
        what_is_no_module_is_refused,
        queues_are_watched,
        the_numbers_are_those_of_tc,
        a_queue_needs_no_plug_in,
        a_queue_needs_neither_tc_nor_sysfs,
        a_queue_is_of_the_callers_namespace,
        a_device_has_alternative_names,
        anybody_may_watch_a_queue,
        queues_below_multiq_and_mq_are_watched,
        devices_without_codel_are_refused,
        qdiscs_are_probed,
        a_probe_leaves_nothing_behind,
    ],
};

/// The module with a function in which tasks sleep, and its live patch.
const BUSY: &str = "rig_busy";
const BUSY_PATCH: &str = "livepatch_rig_busy";

/// Runs a command as a user who is not root.
const NOBODY: &str = "setpriv --reuid=65534 --regid=65534 --clear-groups";

/// A `PATH` without the folders `sbin`.
const USERS_PATH: &str = "env PATH=/usr/local/bin:/usr/bin:/bin";

/// The time limit for quick operations, which can take long on an emulated processor with all
/// checkers.
const LIMIT: Duration = Duration::from_secs(60);

fn enable(name: &str) -> String {
    format!("patch enable {}", module::file(name).display())
}

fn disable(name: &str) -> String {
    format!("patch disable {name}")
}

fn in_force(name: &str) -> String {
    format!("{name} is in force")
}

fn out_of_force(name: &str) -> String {
    format!("{name} is out of force")
}

/// Runs a test that loads the module `patch` by the command. Loads the modules that the patch
/// needs, and checks that no module remains.
fn with(
    needed: impl Into<module::Stack>,
    patch: &'static str,
    test: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let needed = needed.into();
    let module = module::adopt(patch);
    let outcome = test();
    if outcome.is_err() {
        // Disable the patch for the sake of the other tests.
        let _ = tackle::output(&disable(patch));
    }
    drop(module);
    outcome?;
    needed.unload()
}

fn expect_cmdline(expected: &str) -> Result<()> {
    let text = cmdline()?;
    ensure!(text == expected, "expected '{expected}', got '{text}'");
    Ok(())
}

fn expect_no_patches() -> Result<()> {
    let left = patches()?;
    ensure!(left.is_empty(), "still there: {left:?}");
    Ok(())
}

fn a_patch_goes_in_and_out(_: &mut Context<'_>) -> Result<()> {
    let original = cmdline()?;
    with(module::library()?, NAME, || {
        expect(&enable(NAME), &in_force(NAME))?;
        expect_cmdline(TEXT)?;
        expect(&enable(NAME), &format!("{NAME} was in force already"))?;
        expect(&disable(NAME), &out_of_force(NAME))?;
        expect_cmdline(&original)?;
        expect_no_patches()
    })
}

/// Tests a file whose name differs from its module, and a file that is another build of the loaded
/// module.
fn a_file_tells_its_module(_: &mut Context<'_>) -> Result<()> {
    const FILE: &str = "/run/other-name.ko";
    const NOTE: &[u8] = b"\x03\0\0\0GNU\0";
    let original = cmdline()?;
    let object = std::fs::read(module::file(NAME))?;
    with(module::library()?, NAME, || {
        std::fs::write(FILE, &object)?;
        let enable = format!("patch enable {FILE}");
        expect(&enable, &in_force(NAME))?;
        expect_cmdline(TEXT)?;
        expect(&enable, &format!("{NAME} was in force already"))?;
        let mut other = object.clone();
        let note = other.windows(NOTE.len()).position(|part| part == NOTE);
        let note = note.context("the module has no build ID")?;
        other[note + NOTE.len()] ^= 1;
        std::fs::write(FILE, &other)?;
        let words = format!("{PROGRAM} {enable}");
        expect_refusal(&words, &format!("another build of {NAME} is in force"))?;
        expect(&disable(NAME), &out_of_force(NAME))?;
        std::fs::remove_file(FILE)?;
        expect_cmdline(&original)
    })
}

fn a_disabled_patch_is_loaded_anew(_: &mut Context<'_>) -> Result<()> {
    with(module::library()?, NAME, || {
        for _ in 0..3 {
            expect(&enable(NAME), &in_force(NAME))?;
            expect(&disable(NAME), &out_of_force(NAME))?;
            ensure!(module::is_loaded(NAME)?, "the module is gone");
        }
        Ok(())
    })
}

/// Tests that a disabled patch that was loaded from a file stays loaded, because it cannot be
/// loaded again by its name.
fn a_disabled_patch_is_not_lost(_: &mut Context<'_>) -> Result<()> {
    with(module::library()?, NAME, || {
        expect(&enable(NAME), &in_force(NAME))?;
        expect(&disable(NAME), &out_of_force(NAME))?;
        let again = format!("{NAME} was out of force already; its module is loaded");
        expect(&disable(NAME), &again)?;
        let words = format!("{PROGRAM} patch enable {NAME}");
        let part = format!("{NAME} is not installed, give its file");
        expect_refusal(&words, &part)?;
        ensure!(module::is_loaded(NAME)?, "the module is gone");
        // `tackle` must find the programs of kmod even if PATH lacks their folder.
        cmd::run(&format!("{USERS_PATH} {PROGRAM} {}", enable(NAME)))?;
        expect_cmdline(TEXT)?;
        expect(&disable(NAME), &out_of_force(NAME))
    })
}

/// Tests unloading a patch by its name that was loaded from a file, which modprobe does not know.
fn a_patch_is_unloaded_by_its_name(_: &mut Context<'_>) -> Result<()> {
    with(module::load(BUSY, "")?, BUSY_PATCH, || {
        let sleeper = Sleeper::start("killable")?;
        let words = format!("{} --no-wait", enable(BUSY_PATCH));
        expect(&words, &format!("{BUSY_PATCH} is coming into force"))?;
        let words = format!("{PROGRAM} patch enable {BUSY_PATCH} --timeout 1");
        expect_refusal(&words, &format!("{BUSY_PATCH} is out again"))?;
        expect_no_patches()?;
        ensure!(!module::is_loaded(BUSY_PATCH)?, "the module is still there");
        drop(sleeper);
        Ok(())
    })
}

fn lists_what_is_patched(_: &mut Context<'_>) -> Result<()> {
    with(module::library()?, NAME, || {
        expect(&enable(NAME), &in_force(NAME))?;
        let all = patches()?;
        ensure!(all.len() == 1, "expected one patch, got {all:?}");
        let (one, object) = (&all[0], &all[0]["objects"][0]);
        ensure!(
            one["name"] == NAME && one["enabled"] == true && one["transition"] == false,
            "expected {NAME} in force, got {one}"
        );
        let function = &object["functions"][0]["name"];
        ensure!(
            object["name"] == "vmlinux" && function == "cmdline_proc_show",
            "expected cmdline_proc_show of vmlinux, got {object}"
        );
        let row = tackle::say("patch list")?;
        let words: Vec<_> = row.split_whitespace().collect();
        let expected = [NAME, "yes", "no", "no", "vmlinux", "cmdline_proc_show"];
        ensure!(words == expected, "expected {expected:?}, got {words:?}");
        expect(&disable(NAME), &out_of_force(NAME))
    })
}

/// A task that sleeps in a function of the kernel until it is killed. With the file
/// `interruptible`, any signal wakes it.
struct Sleeper(Kept);

impl Sleeper {
    fn start(file: &str) -> Result<Self> {
        let task = cmd::start(&format!("cat /sys/kernel/debug/{BUSY}/{file}"))?;
        let stack = format!("/proc/{}/stack", task.0.id());
        wait_for("a task that sleeps", LIMIT, || {
            Ok(debugfs::read(&stack)?
                .contains("rig_busy_read+")
                .then_some(()))
        })?;
        Ok(Self(task))
    }

    fn pid(&self) -> u32 {
        self.0 .0.id()
    }
}

fn a_held_up_patch_is_turned_round(context: &mut Context<'_>) -> Result<()> {
    with(module::load(BUSY, "")?, BUSY_PATCH, || {
        let sleeper = Sleeper::start("killable")?;
        let words = format!("{PROGRAM} {} --timeout 3", enable(BUSY_PATCH));
        let said = expect_refusal(&words, &format!("{BUSY_PATCH} is out again"))?;
        context.note(said.lines().last().unwrap_or_default())?;
        let held = format!("held up by cat ({}) in rig_busy_read", sleeper.pid());
        ensure!(said.contains(&held), "expected '{held}', got '{said}'");
        expect_no_patches()?;
        ensure!(!module::is_loaded(BUSY_PATCH)?, "the module is still there");
        Ok(())
    })
}

fn a_signal_lets_it_through(context: &mut Context<'_>) -> Result<()> {
    with(module::load(BUSY, "")?, BUSY_PATCH, || {
        let mut sleeper = Sleeper::start("interruptible")?;
        let answer = tackle::output(&format!("{} --signal", enable(BUSY_PATCH)))?;
        ensure!(answer.code == 0, "expected it in force, got {answer:?}");
        let sent = format!("sent SIGSTOP and SIGCONT to cat ({})", sleeper.pid());
        ensure!(
            answer.err.contains(&sent),
            "expected '{sent}', got {answer:?}"
        );
        for line in answer.err.lines() {
            context.note(line)?;
        }
        // The task reads on in the new function, which does not wait.
        let status = sleeper.0 .0.wait().context("cannot wait for cat")?;
        ensure!(status.success(), "expected cat to go on, got {status}");
        expect(&disable(BUSY_PATCH), &out_of_force(BUSY_PATCH))
    })
}

fn waits_for_a_transition(_: &mut Context<'_>) -> Result<()> {
    expect("patch wait", "no live patch is in transition")?;
    with(module::load(BUSY, "")?, BUSY_PATCH, || {
        let sleeper = Sleeper::start("killable")?;
        let words = format!("{} --no-wait", enable(BUSY_PATCH));
        expect(&words, &format!("{BUSY_PATCH} is coming into force"))?;
        let all = patches()?;
        ensure!(
            all.len() == 1 && all[0]["transition"] == true,
            "expected a transition, got {all:?}"
        );
        let words = format!("{PROGRAM} patch wait --timeout 0");
        expect_refusal(&words, &format!("{BUSY_PATCH} is still in transition"))?;
        drop(sleeper);
        let words = format!("patch wait {BUSY_PATCH}");
        expect(&words, &in_force(BUSY_PATCH))?;
        expect("patch wait", "no live patch is in transition")?;
        expect(&disable(BUSY_PATCH), &out_of_force(BUSY_PATCH))
    })
}

fn one_transition_at_a_time(_: &mut Context<'_>) -> Result<()> {
    let both = || {
        expect(&enable(NAME), &in_force(NAME))?;
        let sleeper = Sleeper::start("killable")?;
        tackle::say(&format!("{} --no-wait", enable(BUSY_PATCH)))?;
        let busy = format!("{BUSY_PATCH} is in transition");
        expect_refusal(&format!("{PROGRAM} {}", disable(NAME)), &busy)?;
        // The transition can be reversed although the task still sleeps.
        expect(&disable(BUSY_PATCH), &out_of_force(BUSY_PATCH))?;
        drop(sleeper);
        expect(&disable(NAME), &out_of_force(NAME))
    };
    with(module::library()?, NAME, || {
        with(module::load(BUSY, "")?, BUSY_PATCH, both)
    })
}

fn bad_words_are_refused(_: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    for (words, part) in [
        ("patch disable none", "no live patch none: there is none"),
        ("patch wait none", "no live patch none: there is none"),
        ("patch enable ./none.ko", "none.ko: no such file"),
        ("patch enable no_such_module", "no_such_module not found"),
        ("patch enable /proc/version", "version"),
        (
            "patch enable tackle",
            "the module tackle is loaded, and is no live patch",
        ),
        ("hook list", "modprobe tackle_hooks"),
        ("hook add vfs_read count", "modprobe tackle_hooks"),
    ] {
        expect_refusal(&format!("{PROGRAM} {words}"), part)?;
    }
    let words = format!("{PROGRAM} {}", enable(BUSY));
    expect_refusal(&words, &format!("the module {BUSY} is no live patch"))?;
    ensure!(!module::is_loaded(BUSY)?, "{BUSY} is still there");
    library.unload()
}

fn others_than_root_are_refused(_: &mut Context<'_>) -> Result<()> {
    for words in [
        "patch enable none",
        "patch disable none",
        "hook list",
        "qdisc probe",
    ] {
        expect_refusal(&format!("{NOBODY} {PROGRAM} {words}"), "only root may")?;
    }
    // Every user may list the patches.
    let text = cmd::run(&format!("{NOBODY} {PROGRAM} patch list --json"))?;
    ensure!(text.trim() == "[]", "expected no patches, got '{text}'");
    Ok(())
}
