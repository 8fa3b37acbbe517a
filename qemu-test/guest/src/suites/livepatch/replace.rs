// SPDX-License-Identifier: GPL-2.0

//! Tests patches on top of other patches, and patches that replace others. One patch is in C (the
//! kernel's own) and one in Rust, in both orders.

use anyhow::{ensure, Context as _, Result};

use super::{expect_patched, expect_text};
use crate::suite::Context;
use crate::sys::livepatch::{self, cmdline, Patch, NAME};
use crate::sys::{debugfs, module};

/// The kernel's patch of `cmdline_proc_show`.
const C_CMDLINE: &str = "test_klp_livepatch";
/// The kernel's patch of `meminfo_proc_show`.
const C_MEMINFO: &str = "test_klp_atomic_replace";
/// Our patch of `meminfo_proc_show`.
const RUST_MEMINFO: &str = "livepatch_meminfo";

/// Returns the text of a patch of the rig or of the kernel.
fn said_by(name: &str) -> String {
    format!("{name}: this has been live patched")
}

fn expect_meminfo(patch: Option<&str>) -> Result<()> {
    let text = debugfs::read("/proc/meminfo")?;
    let expected = patch.map_or("MemTotal:".into(), said_by);
    ensure!(
        text.starts_with(&expected),
        "expected /proc/meminfo to begin with '{expected}', got '{}'",
        text.lines().next().unwrap_or_default()
    );
    Ok(())
}

/// Returns the patches that the kernel knows.
fn known() -> Result<Vec<String>> {
    let folder = std::fs::read_dir(livepatch::ROOT).context("cannot read the patches")?;
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        Ok(entry?.file_name().to_string_lossy().into_owned())
    };
    folder.map(name).collect()
}

fn expect_known(expected: &[&str]) -> Result<()> {
    let mut names = known()?;
    names.sort();
    ensure!(
        names == expected,
        "expected the patches {expected:?}, got {names:?}"
    );
    Ok(())
}

pub fn replace_stacks_on_another_function(_: &mut Context<'_>) -> Result<()> {
    let original = cmdline()?;
    for (lower, upper, text) in [
        (NAME, C_MEMINFO, livepatch::TEXT.into()),
        (C_CMDLINE, RUST_MEMINFO, said_by(C_CMDLINE)),
        (NAME, RUST_MEMINFO, livepatch::TEXT.into()),
    ] {
        let library = module::library()?;
        expect_meminfo(None)?;
        let first = Patch::load_module(lower, "")?;
        expect_text(&text)?;
        expect_meminfo(None)?;
        let second = Patch::load_module(upper, "replace=0")?;
        expect_text(&text)?;
        expect_meminfo(Some(upper))?;
        second.unload()?;
        expect_text(&text)?;
        expect_meminfo(None)?;
        first.unload()?;
        expect_text(&original)?;
        library.unload()?;
    }
    Ok(())
}

pub fn replace_stacks_on_the_same_function(_: &mut Context<'_>) -> Result<()> {
    let original = cmdline()?;
    for [lower, upper] in [[NAME, C_CMDLINE], [C_CMDLINE, NAME]] {
        let text = |name| {
            if name == NAME {
                livepatch::TEXT.into()
            } else {
                said_by(name)
            }
        };
        let library = module::library()?;
        let first = Patch::load_module(lower, "")?;
        expect_text(&text(lower))?;
        let second = Patch::load_module(upper, "")?;
        expect_text(&text(upper))?;
        second.unload()?;
        expect_text(&text(lower))?;
        // The first patch is unloaded before the second one.
        let second = Patch::load_module(upper, "")?;
        first.unload()?;
        expect_text(&text(upper))?;
        second.unload()?;
        expect_text(&original)?;
        library.unload()?;
    }
    Ok(())
}

/// Checks that `new`, a patch of `/proc/meminfo`, replaces `old`, a patch of `/proc/cmdline`.
fn replaced(old: &'static str, new: &'static str) -> Result<()> {
    let original = cmdline()?;
    let library = module::library()?;
    let first = Patch::load_module(old, "")?;
    ensure!(cmdline()? != original, "{old} is not in force");
    let second = Patch::load_module(new, "replace=1")?;
    first.await_out_of_force()?;
    expect_known(&[new])?;
    expect_text(&original)?;
    expect_meminfo(Some(new))?;
    first.unload()?;
    expect_meminfo(Some(new))?;
    second.unload()?;
    expect_meminfo(None)?;
    expect_known(&[])?;
    library.unload()
}

pub fn replace_c_by_rust(_: &mut Context<'_>) -> Result<()> {
    replaced(C_CMDLINE, RUST_MEMINFO)
}

pub fn replace_rust_by_c(_: &mut Context<'_>) -> Result<()> {
    replaced(NAME, C_MEMINFO)?;
    replaced(NAME, RUST_MEMINFO)
}

pub fn replace_three_by_one(_: &mut Context<'_>) -> Result<()> {
    let original = cmdline()?;
    let library = module::library()?;
    let older = [
        Patch::load()?,
        Patch::load_module("livepatch_syscall", "")?,
        Patch::load_module("livepatch_callbacks", "")?,
    ];
    expect_patched()?;
    expect_known(&["livepatch_callbacks", NAME, "livepatch_syscall"])?;
    let new = Patch::load_module(RUST_MEMINFO, "replace=1")?;
    for patch in older {
        patch.unload()?;
    }
    expect_known(&[RUST_MEMINFO])?;
    expect_text(&original)?;
    expect_meminfo(Some(RUST_MEMINFO))?;
    new.unload()?;
    expect_meminfo(None)?;
    library.unload()
}
