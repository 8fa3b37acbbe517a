// SPDX-License-Identifier: GPL-2.0

//! Tests adding and removing modules, qdiscs, patches and hooks repeatedly, while every processor
//! calls the functions that they change.
//!
//! The environment variable `TACKLE_ROUNDS` sets the number of rounds of the last test, in which
//! all kinds run in parallel. Each kind alone has a twentieth of it, to show which kind causes a
//! failure.

mod crowd;
mod hooks;
mod meters;
mod modules;
mod patches;
mod qdiscs;

use std::time::Duration;

use anyhow::{Context as _, Result};

use self::crowd::{run, Kind};
use self::hooks::Hooks;
use self::modules::Modules;
use self::patches::Patches;
use self::qdiscs::Qdiscs;
use crate::suite::{list, Context, Suite};
use crate::sys::{module, wait_often};

/// The suite.
pub const SUITE: Suite = Suite {
    name: "stress",
    by_name_only: true,
    tests: list![
        modules_in_and_out,
        qdiscs_under_traffic,
        patches_reversed,
        hooks_from_many_cpus,
        all_at_once,
    ],
};

/// The default number of rounds.
const ROUNDS: u32 = 12;

/// The time limit for each event in a round. Emulated processors that are all busy are slow.
const LIMIT: Duration = Duration::from_secs(100);

/// Returns the number of rounds that the runner sets.
pub(super) fn rounds() -> Result<u32> {
    crate::sys::rounds::or(ROUNDS)
}

/// Returns the seed in the environment variable `TACKLE_SEED`, or a random seed.
pub(super) fn seed() -> Result<u64> {
    match std::env::var("TACKLE_SEED") {
        Ok(seed) => seed.parse().context("TACKLE_SEED is no number"),
        Err(_) => Ok(fastrand::u64(..)),
    }
}

/// Runs the rounds of one kind alone.
fn alone(context: &mut Context<'_>, kind: Result<impl Kind>) -> Result<()> {
    let kind = kind?;
    run(context, rounds()?.div_ceil(20), &[&kind])?;
    kind.finish()
}

fn modules_in_and_out(context: &mut Context<'_>) -> Result<()> {
    alone(context, Modules::new())
}

fn qdiscs_under_traffic(context: &mut Context<'_>) -> Result<()> {
    alone(context, Qdiscs::new())
}

fn patches_reversed(context: &mut Context<'_>) -> Result<()> {
    alone(context, Patches::new())
}

fn hooks_from_many_cpus(context: &mut Context<'_>) -> Result<()> {
    alone(context, Hooks::new())
}

fn all_at_once(context: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let modules = Modules::new()?;
    let qdiscs = Qdiscs::new()?;
    let patches = Patches::new()?;
    let hooks = Hooks::new()?;
    run(context, rounds()?, &[&modules, &qdiscs, &patches, &hooks])?;
    hooks.finish()?;
    patches.finish()?;
    qdiscs.finish()?;
    modules.finish()?;
    library.unload()
}

/// Waits until `count` has grown by `more`, to have that many calls of the changed functions.
fn await_more(what: &str, more: u64, count: impl Fn() -> Result<u64>) -> Result<()> {
    let first = count()?;
    wait_often(what, Duration::from_millis(1), LIMIT, || {
        Ok((count()? >= first + more).then_some(()))
    })
}
