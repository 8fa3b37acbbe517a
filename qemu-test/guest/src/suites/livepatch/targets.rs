// SPDX-License-Identifier: GPL-2.0

//! A function of a module that is patched: that of the kernel's `test_klp_mod_target`.

use anyhow::{ensure, Result};

use super::expect_file;
use crate::suite::Context;
use crate::sys::livepatch::Patch;
use crate::sys::module;

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
