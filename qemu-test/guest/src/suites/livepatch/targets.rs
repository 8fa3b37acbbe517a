// SPDX-License-Identifier: GPL-2.0

//! Tests patches of functions in modules: the function of the kernel's `test_klp_mod_target`, and
//! two functions of `livepatch_target` with the same name.

use anyhow::{ensure, Result};
use nix::errno::Errno;

use super::expect_file;
use crate::suite::Context;
use crate::sys::livepatch::Patch;
use crate::sys::{kmsg, module};

const TARGET: &str = "test_klp_mod_target";
const FILE: &str = "/proc/test_klp_mod_target";
const ORIGINAL: &str = "test_klp_mod_target: original output";
const PATCH: &str = "livepatch_module";
const PATCHED: &str = "livepatch_module: this has been live patched";

pub fn a_module_is_patched(_: &mut Context<'_>) -> Result<()> {
    let target = module::load(TARGET, "")?;
    expect_file(FILE, ORIGINAL)?;
    let patch = Patch::load_module(PATCH, "")?;
    expect_file(FILE, PATCHED)?;
    patch.unload()?;
    expect_file(FILE, ORIGINAL)?;
    target.unload()
}

pub fn a_module_that_comes_later_is_patched(_: &mut Context<'_>) -> Result<()> {
    let patch = Patch::load_module(PATCH, "")?;
    for _ in 0..2 {
        let object = format!("{TARGET}/patched");
        ensure!(patch.state(&object)? == 0, "patched without the module");
        let target = module::load(TARGET, "")?;
        ensure!(patch.state(&object)? == 1, "expected {object} to be 1");
        expect_file(FILE, PATCHED)?;
        target.unload()?;
    }
    let target = module::load(TARGET, "")?;
    patch.unload()?;
    expect_file(FILE, ORIGINAL)?;
    target.unload()
}

/// Tests that a function whose name occurs twice is not patched without a position.
/// `livepatch_calls` patches such a function with a position.
pub fn a_name_that_stands_twice_needs_a_position(_: &mut Context<'_>) -> Result<()> {
    const PATCH: &str = "livepatch_twin";
    const TARGET: &str = "livepatch_target";
    let library = module::library()?;
    let refused = |name| -> Result<()> {
        let mut log = kmsg::Cursor::now()?;
        module::expect_refusal(name, "", Errno::EINVAL)?;
        let lines = log.read()?;
        let text = format!("ambiguity for symbol '{TARGET}_twin' in object '{TARGET}'");
        kmsg::expect(&lines, &text)
    };
    let target = module::load(TARGET, "")?;
    refused(PATCH)?;
    target.unload()?;
    // The patch may be loaded before its target. Then the target is refused.
    let patch = Patch::load_module(PATCH, "")?;
    refused(TARGET)?;
    patch.unload()?;
    let target = module::load(TARGET, "")?;
    target.unload()?;
    library.unload()
}
