// SPDX-License-Identifier: GPL-2.0

//! Coming and going under load: modules, qdiscs, patches and hooks, each again
//! and again while every processor calls what they change.
//!
//! The number of rounds is in the environment (`TACKLE_ROUNDS`). It is that of the last
//! test, in which all kinds run side by side. Each kind alone has a twentieth of it: this
//! tells whose fault a failure is.

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

/// Rounds where the environment does not say.
const ROUNDS: u32 = 12;

/// How long anything in a round may take to happen. Emulated processors that
/// are all busy are slow.
const LIMIT: Duration = Duration::from_secs(100);

/// The rounds that the runner asks for.
pub(super) fn rounds() -> Result<u32> {
    crate::sys::rounds::or(ROUNDS)
}

/// The seed that the environment asks for (`TACKLE_SEED`), or a random one.
pub(super) fn seed() -> Result<u64> {
    match std::env::var("TACKLE_SEED") {
        Ok(seed) => seed.parse().context("TACKLE_SEED is no number"),
        Err(_) => Ok(fastrand::u64(..)),
    }
}

/// Rounds of one kind by itself.
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

/// Waits until `count` is `more` than it is now: until what is being stressed
/// has been passed through that often.
fn await_more(what: &str, more: u64, count: impl Fn() -> Result<u64>) -> Result<()> {
    let first = count()?;
    wait_often(what, Duration::from_millis(1), LIMIT, || {
        Ok((count()? >= first + more).then_some(()))
    })
}
