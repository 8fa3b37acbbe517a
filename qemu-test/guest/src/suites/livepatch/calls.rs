// SPDX-License-Identifier: GPL-2.0

//! Tests replacements that call the functions that they replace.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{ensure, Result};

use crate::suite::Context;
use crate::sys::livepatch::Patch;
use crate::sys::module;

const FILE: &str = "/proc/livepatch_target";

/// Returns the text with the expected results of the functions. `notes` counts up from 1.
fn text(depth: u32, mix: i64, flag: u8, notes: u32, other: u32) -> String {
    format!(
        "depth {depth}\nmix {mix}\nflag {flag}\npointer 1\nnotes {notes}\ntwin 1\nother {other}"
    )
}

pub fn calls_reach_what_they_replace(_: &mut Context<'_>) -> Result<()> {
    // 200 - 300 + 4,000,000,000 - 5,000,000,000 + true + 'A'
    let sum = -1_000_000_034;
    let target = module::load("livepatch_target", "")?;
    super::expect_file(FILE, &text(10, sum, 0, 1, 2))?;
    let patch = Patch::load_module("livepatch_calls", "")?;
    // `calls` is 111. The replaced recursive function runs 11 times and counts 1 each time. The
    // notes function runs once and counts 100.
    let patched = text(10, -sum, 1, 2, 20) + "\ncalls 111";
    super::expect_file(FILE, &patched)?;
    super::expect_file(FILE, &patched.replace("notes 2", "notes 3"))?;
    patch.unload()?;
    super::expect_file(FILE, &text(10, sum, 0, 4, 2))?;
    target.unload()
}

/// Tests that the patch is not unloaded while a task sleeps in the original, since the task returns
/// to the patch's code.
pub fn calls_keep_the_patch_while_they_last(_: &mut Context<'_>) -> Result<()> {
    let patch = Patch::load_module("livepatch_callbacks", "call_original=1")?;
    let busy = super::Busy::load()?;
    patch.begin_disabling()?;
    // The transition must not end before the task does. In this time the livepatch core checks all
    // tasks twice.
    for _ in 0..30 {
        ensure!(
            matches!(patch.state("transition"), Ok(1)),
            "the patch went while a task was in it"
        );
        sleep(Duration::from_millis(100));
    }
    busy.release()?;
    patch.unload()?;
    busy.unload()
}
