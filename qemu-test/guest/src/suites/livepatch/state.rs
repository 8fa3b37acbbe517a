// SPDX-License-Identifier: GPL-2.0

//! Tests system states that a cumulative patch takes over from the previous one. The cases are
//! those of the kernel's `test-state.sh`.

use anyhow::{ensure, Result};
use nix::errno::Errno;

use crate::suite::Context;
use crate::sys::kmsg::Cursor;
use crate::sys::livepatch::Patch;
use crate::sys::module;

/// The patches: version 1, and version 2 twice.
const PATCHES: [&str; 3] = ["livepatch_state", "livepatch_state2", "livepatch_state3"];

/// Checks what the patches wrote to the log since the last time.
fn expect(log: &mut Cursor, expected: &[&str]) -> Result<()> {
    let records = log.read()?;
    let texts: Vec<_> = records
        .iter()
        .map(|record| record.text.as_str())
        .filter(|text| text.starts_with("livepatch_state"))
        .collect();
    ensure!(texts == expected, "expected {expected:?}, got {texts:?}");
    Ok(())
}

pub fn state_is_taken_over(_: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let mut log = Cursor::now()?;
    let first = Patch::load_module(PATCHES[0], "")?;
    expect(&mut log, &["livepatch_state: is the first, version 1"])?;
    let second = Patch::load_module(PATCHES[1], "")?;
    expect(
        &mut log,
        &["livepatch_state2: takes over 100 from version 1"],
    )?;
    first.unload()?;
    second.unload()?;
    expect(&mut log, &["livepatch_state2: leaves Some(101)"])?;
    library.unload()
}

pub fn state_goes_with_the_same_version(_: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let mut log = Cursor::now()?;
    let second = Patch::load_module(PATCHES[1], "")?;
    let third = Patch::load_module(PATCHES[2], "")?;
    second.unload()?;
    let second = Patch::load_module(PATCHES[1], "")?;
    third.unload()?;
    second.unload()?;
    expect(
        &mut log,
        &[
            "livepatch_state2: is the first, version 2",
            "livepatch_state3: takes over 100 from version 2",
            "livepatch_state2: takes over 101 from version 2",
            "livepatch_state2: leaves Some(102)",
        ],
    )?;
    library.unload()
}

pub fn state_refuses_an_older_version(_: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let second = Patch::load_module(PATCHES[1], "")?;
    module::expect_refusal(PATCHES[0], "", Errno::EINVAL)?;
    // A cumulative patch must support all states of the patches that it replaces.
    module::expect_refusal("livepatch_meminfo", "replace=1", Errno::EINVAL)?;
    second.unload()?;
    library.unload()
}
