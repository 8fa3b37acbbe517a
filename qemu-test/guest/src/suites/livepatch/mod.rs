// SPDX-License-Identifier: GPL-2.0

//! Tests live patches in Rust that replace kernel functions. The tests include those of the kernel
//! for patches in C, in `tools/testing/selftests/livepatch`.
//!
//! The patched functions are in the kernel and in modules in C, among them the modules of the
//! kernel's tests (`scripts/selftests.sh`).

mod callbacks;
mod calls;
mod replace;
mod samples;
mod state;
mod system;
mod targets;

use anyhow::{ensure, Result};
use nix::errno::Errno;

use self::{callbacks::*, calls::*, replace::*, samples::*, state::*, system::*, targets::*};
use crate::suite::{list, Context, Suite};
use crate::sys::livepatch::{cmdline, folder, state, Patch, NAME, TEXT};
use crate::sys::{cmd, debugfs, expect_errno, ftrace, module};

/// The suite.
pub const SUITE: Suite = Suite {
    name: "livepatch",
    by_name_only: false,
    tests: list![
        replaces_and_gives_back,
        shows_its_state,
        is_marked_as_a_live_patch,
        changes_the_instruction_pointer,
        cannot_be_unloaded_in_force,
        can_be_enabled_again_midway,
        ten_rounds,
        a_module_is_patched,
        a_module_that_comes_later_is_patched,
        a_name_that_stands_twice_needs_a_position,
        calls_reach_what_they_replace,
        calls_keep_the_patch_while_they_last,
        callbacks_with_the_module_before_the_patch,
        callbacks_with_a_coming_module,
        callbacks_with_a_going_module,
        callbacks_with_a_coming_and_going_module,
        callbacks_without_the_module,
        callbacks_refuse_the_patch,
        callbacks_refuse_a_coming_module,
        callbacks_with_several_modules,
        callbacks_with_a_busy_module,
        callbacks_of_two_patches,
        callbacks_of_a_patch_that_replaces_another,
        replace_stacks_on_another_function,
        replace_stacks_on_the_same_function,
        replace_c_by_rust,
        replace_rust_by_c,
        replace_three_by_one,
        state_is_taken_over,
        state_goes_with_the_same_version,
        state_refuses_an_older_version,
        has_its_files,
        shows_what_is_patched,
        shows_the_order,
        getpid_under_load,
        a_kprobe_that_changes_registers_is_in_the_way,
        a_plain_kprobe_is_not,
        is_traced,
        replaces_what_is_traced,
        ftrace_stays_on,
        samples_fix_a_bug,
        samples_add_a_field,
        samples_replace_one_another,
    ],
};

/// Checks the contents of a small file, except white space at its end.
fn expect_file(path: &str, expected: &str) -> Result<()> {
    let text = debugfs::read(path)?;
    ensure!(
        text == expected,
        "expected '{expected}' in {path}, got '{text}'"
    );
    Ok(())
}

/// The kernel's module `test_klp_callbacks_busy`. Its work item executes a function that
/// `livepatch_callbacks` replaces, until it is released.
struct Busy(module::Loaded);

impl Busy {
    const NAME: &'static str = "test_klp_callbacks_busy";

    /// Loads the module. This returns after the work item has started.
    fn load() -> Result<Self> {
        Ok(Self(module::load(Self::NAME, "block_transition=Y")?))
    }

    /// Lets the work end.
    fn release(&self) -> Result<()> {
        let file = format!("/sys/module/{}/parameters/block_transition", Self::NAME);
        debugfs::set(file, "N")
    }

    fn unload(self) -> Result<()> {
        self.0.unload()
    }
}

fn expect_patched() -> Result<()> {
    let text = cmdline()?;
    ensure!(text == TEXT, "expected '{TEXT}', got '{text}'");
    Ok(())
}

fn expect_text(expected: &str) -> Result<()> {
    let text = cmdline()?;
    ensure!(text == expected, "expected '{expected}', got '{text}'");
    Ok(())
}

fn replaces_and_gives_back(_: &mut Context<'_>) -> Result<()> {
    let original = cmdline()?;
    ensure!(original != TEXT, "patched before the module is loaded");
    let patch = Patch::load()?;
    expect_patched()?;
    patch.unload()?;
    expect_text(&original)
}

fn shows_its_state(_: &mut Context<'_>) -> Result<()> {
    ensure!(!folder().exists(), "there is a folder before loading");
    let patch = Patch::load()?;
    let seen = (state("enabled")?, state("transition")?);
    ensure!(
        seen == (1, 0),
        "expected enabled 1, transition 0, got {seen:?}"
    );
    patch.unload()?;
    ensure!(!folder().exists(), "the folder is still there");
    Ok(())
}

fn is_marked_as_a_live_patch(_: &mut Context<'_>) -> Result<()> {
    let file = module::file(NAME);
    let mark = cmd::run(&format!("modinfo -F livepatch {}", file.display()))?;
    ensure!(mark.trim() == "Y", "expected the mark Y, got '{mark}'");
    let patch = Patch::load()?;
    let taint = debugfs::read(format!("/sys/module/{NAME}/taint"))?;
    ensure!(taint.contains('K'), "expected a taint K, got '{taint}'");
    patch.unload()
}

fn changes_the_instruction_pointer(context: &mut Context<'_>) -> Result<()> {
    let patch = Patch::load()?;
    let enabled = ftrace::expect_enabled("cmdline_proc_show")?;
    context.note(&enabled.line)?;
    ensure!(
        enabled.flags.contains('I'),
        "expected the flag I, got: {}",
        enabled.line
    );
    patch.unload()?;
    ftrace::expect_bare("cmdline_proc_show")
}

fn cannot_be_unloaded_in_force(_: &mut Context<'_>) -> Result<()> {
    let patch = Patch::load()?;
    // The live patching core holds a reference to the module.
    let answer = module::rmmod_once(NAME);
    expect_errno("unloading an enabled patch", answer, Errno::EWOULDBLOCK)?;
    expect_patched()?;
    patch.unload()
}

/// Tests that a patch can be enabled again while its transition to disabled is in progress. A task
/// that sleeps in the patch keeps the transition from ending.
fn can_be_enabled_again_midway(_: &mut Context<'_>) -> Result<()> {
    let patch = Patch::load_module("livepatch_callbacks", "call_original=1")?;
    let busy = Busy::load()?;
    for _ in 0..5 {
        ensure!(
            patch.reverse()?,
            "the transition was over while a task was in the patch"
        );
        patch.settle()?;
    }
    // A patch that is enabled cannot be enabled again.
    let again = debugfs::write(patch.folder().join("enabled"), "1")?;
    expect_errno("enabling an enabled patch", again, Errno::EINVAL)?;
    busy.release()?;
    patch.unload()?;
    busy.unload()
}

fn ten_rounds(_: &mut Context<'_>) -> Result<()> {
    let original = cmdline()?;
    for _ in 0..10 {
        let patch = Patch::load()?;
        expect_patched()?;
        patch.unload()?;
        expect_text(&original)?;
    }
    Ok(())
}
