// SPDX-License-Identifier: GPL-2.0

//! Tests callbacks: which are called, and when. The cases are those of the kernel's
//! `test-callbacks.sh`.

use anyhow::{ensure, Result};
use nix::errno::Errno;

use crate::suite::Context;
use crate::sys::kmsg::Cursor;
use crate::sys::livepatch::Patch;
use crate::sys::module;
use crate::sys::wait_for;

const PATCH: &str = "livepatch_callbacks";
const PATCH2: &str = "livepatch_callbacks2";
const TARGET: &str = "test_klp_callbacks_mod";
const BUSY: &str = super::Busy::NAME;

/// The log lines of the patches' callbacks.
struct Calls(Cursor);

impl Calls {
    fn new() -> Result<Self> {
        Ok(Self(Cursor::now()?))
    }

    /// Checks the callbacks since the last check. Each one is `CALLBACK OBJECT` and the object's
    /// state, after the patch's name if this is not [`PATCH`].
    fn expect(&mut self, expected: &[&str]) -> Result<()> {
        let short = |text: &str| {
            let (patch, call) = text.split_once(": ")?;
            let call = call.replace(TARGET, "target").replace(BUSY, "busy");
            match patch {
                PATCH => Some(call),
                PATCH2 => Some(format!("2: {call}")),
                _ => None,
            }
        };
        let records = self.0.read()?;
        let calls: Vec<_> = records.iter().filter_map(|r| short(&r.text)).collect();
        ensure!(calls == expected, "expected {expected:?}, got {calls:?}");
        Ok(())
    }
}

const PATCHED: [&str; 2] = ["pre_patch vmlinux", "post_patch vmlinux"];
const UNPATCHED: [&str; 2] = ["pre_unpatch vmlinux", "post_unpatch vmlinux"];
const COMING: [&str; 2] = ["pre_patch target Coming", "post_patch target Coming"];
const GOING: [&str; 2] = ["pre_unpatch target Going", "post_unpatch target Going"];
const BOTH_PATCHED: [&str; 4] = [
    "pre_patch vmlinux",
    "pre_patch target Live",
    "post_patch vmlinux",
    "post_patch target Live",
];
const BOTH_UNPATCHED: [&str; 4] = [
    "pre_unpatch vmlinux",
    "pre_unpatch target Live",
    "post_unpatch vmlinux",
    "post_unpatch target Live",
];

pub fn callbacks_with_the_module_before_the_patch(_: &mut Context<'_>) -> Result<()> {
    let mut calls = Calls::new()?;
    let target = module::load(TARGET, "")?;
    let patch = Patch::load_module(PATCH, "")?;
    calls.expect(&BOTH_PATCHED)?;
    patch.unload()?;
    calls.expect(&BOTH_UNPATCHED)?;
    target.unload()
}

pub fn callbacks_with_a_coming_module(_: &mut Context<'_>) -> Result<()> {
    let mut calls = Calls::new()?;
    let patch = Patch::load_module(PATCH, "")?;
    calls.expect(&PATCHED)?;
    let target = module::load(TARGET, "")?;
    calls.expect(&COMING)?;
    patch.unload()?;
    calls.expect(&BOTH_UNPATCHED)?;
    target.unload()
}

pub fn callbacks_with_a_going_module(_: &mut Context<'_>) -> Result<()> {
    let mut calls = Calls::new()?;
    let target = module::load(TARGET, "")?;
    let patch = Patch::load_module(PATCH, "")?;
    calls.expect(&BOTH_PATCHED)?;
    target.unload()?;
    calls.expect(&GOING)?;
    patch.unload()?;
    calls.expect(&UNPATCHED)
}

pub fn callbacks_with_a_coming_and_going_module(_: &mut Context<'_>) -> Result<()> {
    let mut calls = Calls::new()?;
    let patch = Patch::load_module(PATCH, "")?;
    calls.expect(&PATCHED)?;
    for _ in 0..3 {
        let target = module::load(TARGET, "")?;
        calls.expect(&COMING)?;
        target.unload()?;
        calls.expect(&GOING)?;
    }
    patch.unload()?;
    calls.expect(&UNPATCHED)
}

pub fn callbacks_without_the_module(_: &mut Context<'_>) -> Result<()> {
    let mut calls = Calls::new()?;
    let patch = Patch::load_module(PATCH, "")?;
    calls.expect(&PATCHED)?;
    patch.unload()?;
    calls.expect(&UNPATCHED)
}

pub fn callbacks_refuse_the_patch(_: &mut Context<'_>) -> Result<()> {
    let mut calls = Calls::new()?;
    let library = module::library()?;
    let target = module::load(TARGET, "")?;
    for errno in [Errno::ENODEV, Errno::EPERM] {
        let parameter = format!("pre_patch_errno={}", errno as i32);
        module::expect_refusal(PATCH, &parameter, errno)?;
        calls.expect(&["pre_patch vmlinux"])?;
    }
    target.unload()?;
    library.unload()
}

pub fn callbacks_refuse_a_coming_module(_: &mut Context<'_>) -> Result<()> {
    let mut calls = Calls::new()?;
    let parameter = format!("pre_patch_module_errno={}", Errno::ENODEV as i32);
    let patch = Patch::load_module(PATCH, &parameter)?;
    calls.expect(&PATCHED)?;
    module::expect_refusal(TARGET, "", Errno::ENODEV)?;
    calls.expect(&COMING[..1])?;
    patch.unload()?;
    calls.expect(&UNPATCHED)
}

pub fn callbacks_with_several_modules(_: &mut Context<'_>) -> Result<()> {
    let mut calls = Calls::new()?;
    let busy = module::load(BUSY, "block_transition=N")?;
    let patch = Patch::load_module(PATCH, "")?;
    calls.expect(&[
        "pre_patch vmlinux",
        "pre_patch busy Live",
        "post_patch vmlinux",
        "post_patch busy Live",
    ])?;
    let target = module::load(TARGET, "")?;
    calls.expect(&COMING)?;
    target.unload()?;
    calls.expect(&GOING)?;
    patch.unload()?;
    calls.expect(&[
        "pre_unpatch vmlinux",
        "pre_unpatch busy Live",
        "post_unpatch vmlinux",
        "post_unpatch busy Live",
    ])?;
    busy.unload()
}

/// Tests a transition that cannot end, because a task executes a function that is replaced. So no
/// `post_patch` is called, and no `pre_unpatch` for an object that was not patched.
pub fn callbacks_with_a_busy_module(_: &mut Context<'_>) -> Result<()> {
    let mut calls = Calls::new()?;
    let busy = super::Busy::load()?;
    let patch = Patch::begin_module(PATCH, "")?;
    let limit = std::time::Duration::from_secs(10);
    wait_for("the transition to be held up", limit, || {
        Ok((patch.state("transition")? == 1).then_some(()))
    })?;
    calls.expect(&["pre_patch vmlinux", "pre_patch busy Live"])?;
    let target = module::load(TARGET, "")?;
    calls.expect(&COMING[..1])?;
    target.unload()?;
    calls.expect(&GOING[1..])?;
    ensure!(
        patch.state("transition")? == 1,
        "the transition went on while a task was in the function"
    );
    // This reverses the transition of all tasks except the one that never made it.
    patch.unload()?;
    calls.expect(&["post_unpatch vmlinux", "post_unpatch busy Live"])?;
    busy.unload()
}

pub fn callbacks_of_two_patches(_: &mut Context<'_>) -> Result<()> {
    let mut calls = Calls::new()?;
    let first = Patch::load_module(PATCH, "")?;
    calls.expect(&PATCHED)?;
    let second = Patch::load_module(PATCH2, "")?;
    calls.expect(&["2: pre_patch vmlinux", "2: post_patch vmlinux"])?;
    second.unload()?;
    calls.expect(&["2: pre_unpatch vmlinux", "2: post_unpatch vmlinux"])?;
    first.unload()?;
    calls.expect(&UNPATCHED)
}

pub fn callbacks_of_a_patch_that_replaces_another(_: &mut Context<'_>) -> Result<()> {
    let mut calls = Calls::new()?;
    let library = module::library()?;
    let first = Patch::load_module(PATCH, "")?;
    calls.expect(&PATCHED)?;
    let second = Patch::load_module(PATCH2, "replace=1")?;
    calls.expect(&["2: pre_patch vmlinux", "2: post_patch vmlinux"])?;
    first.unload()?;
    calls.expect(&[])?;
    second.unload()?;
    calls.expect(&["2: pre_unpatch vmlinux", "2: post_unpatch vmlinux"])?;
    library.unload()
}
