// SPDX-License-Identifier: GPL-2.0

//! Tests `tackle patch check` on live patches in Rust and in C.

use anyhow::{ensure, Result};

use super::{Sleeper, BUSY, BUSY_PATCH};
use crate::suite::Context;
use crate::sys::cmd::Output;
use crate::sys::livepatch::{cmdline, Patch, NAME};
use crate::sys::{ftrace, module, tackle};

/// The kernel's own patch of `/proc/cmdline`.
const C_PATCH: &str = "test_klp_livepatch";
const FUNCTION: &str = "cmdline_proc_show";

/// Checks a patch without loading it.
fn check(name: &'static str, code: i32, parts: &[&str]) -> Result<Output> {
    let output = tackle::output(&format!("patch check {}", module::file(name).display()))?;
    let all = format!("{}{}", output.out, output.err);
    for part in parts {
        ensure!(all.contains(part), "{name}: no '{part}' in '{all}'");
    }
    ensure!(output.code == code, "{name}: {output:?}");
    Ok(output)
}

pub fn patches_are_checked_without_loading_them(context: &mut Context<'_>) -> Result<()> {
    let original = cmdline()?;
    let library = module::library()?;
    let fits = format!("{FUNCTION}: can be patched");
    for name in [NAME, C_PATCH] {
        let output = check(name, 0, &[&fits])?;
        context.note(output.out.trim())?;
        ensure!(!module::is_loaded(name)?, "{name} is loaded");
        let text = tackle::say(&format!(
            "patch check --json {}",
            module::file(name).display()
        ));
        ensure!(text?.trim() == "}", "{name}: no JSON");
    }
    ensure!(cmdline()? == original, "the function is patched");
    ftrace::expect_bare(FUNCTION)?;
    // This patch is for all functions of a module that is not loaded.
    let output = check("livepatch_meter_all", 0, &["livepatch_meter is not loaded"])?;
    ensure!(output.out.lines().count() == 4, "{}", output.out);
    let meter = module::load("livepatch_meter", "")?;
    let output = check(
        "livepatch_meter_all",
        0,
        &["livepatch_meter_show: can be patched"],
    )?;
    context.note(output.out.trim())?;
    meter.unload()?;
    library.unload()?;
    for (needed, loaded) in [
        ("tackle.ko and tackle_ftrace.ko, which are not", false),
        ("tackle_ftrace.ko, which is not", true),
    ] {
        let library = loaded.then(|| module::load(module::LIBRARY, ""));
        let library = library.transpose()?;
        check(
            NAME,
            1,
            &[
                &format!("it needs {needed} loaded"),
                "cannot be loaded, for 1 reason",
            ],
        )?;
        library.map_or(Ok(()), module::Loaded::unload)?;
    }
    check(C_PATCH, 0, &[&fits]).map(drop)
}

pub fn other_users_of_the_function_are_named(context: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let hook = module::load("hook_exit", "on=cmdline")?;
    check(C_PATCH, 0, &["used by a direct call (BPF or an exit hook)"])?;
    hook.unload()?;
    let redirection = module::load("hook_redirect", "")?;
    let output = check(
        C_PATCH,
        1,
        &[
            "another user redirects it",
            "cannot be loaded, for 1 reason",
        ],
    )?;
    context.note(output.out.trim())?;
    redirection.unload()?;
    let patch = Patch::load()?;
    check(C_PATCH, 0, &["can be patched", "used by the live patch"])?;
    check(NAME, 1, &["a module of this name is loaded"])?;
    patch.unload()?;
    library.unload()
}

pub fn tasks_in_the_function_are_named(context: &mut Context<'_>) -> Result<()> {
    let busy = module::load(BUSY, "")?;
    let sleeper = Sleeper::start("killable")?;
    let executed = format!("executed by cat ({})", sleeper.pid());
    let output = check(
        BUSY_PATCH,
        0,
        &["rig_busy:rig_busy_read: can be patched", &executed],
    )?;
    context.note(output.out.trim())?;
    drop(sleeper);
    busy.unload()
}

pub fn files_that_are_no_live_patch_are_refused(_: &mut Context<'_>) -> Result<()> {
    check(module::LIBRARY, 1, &["tackle is no live patch"])?;
    let output = tackle::output("patch check /no/such.ko")?;
    ensure!(
        output.code == 1 && output.err.contains("/no/such.ko"),
        "{output:?}"
    );
    Ok(())
}
