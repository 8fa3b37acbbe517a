// SPDX-License-Identifier: GPL-2.0

//! Tests `advise=1`, and the command `tackle numa advise`.

use anyhow::{ensure, Context as _, Result};
use serde_json::Value;

use crate::suite::Context;
use crate::sys::kernel::patience;
use crate::sys::numa::Eager;
use crate::sys::numa_balance::{self, MODULE};
use crate::sys::worker::Worker;
use crate::sys::{debugfs, module, tackle, wait_for};

use super::{expect_no_hooks, need_nodes, EAGER, LIMIT};

pub(super) fn advice_changes_nothing(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let stack = module::stack(MODULE, &format!("advise=1 {EAGER}"))?;
    expect_no_hooks()?;
    let file = debugfs::tackle("numa_policy");
    ensure!(!file.exists(), "a policy is registered");
    let eager = Eager::new()?;
    let worker = Worker::with("--threads 2 --mib 16 --free --memory 1 --run 0")?;
    let pid = worker.pid();
    let line = wait_for("the task in the plan", patience(LIMIT), || {
        numa_balance::planned(pid)
    })?;
    context.note(format!("{} {}", line.word("action"), line.why))?;
    let preferred = numa_balance::number("status", "preferred")?;
    ensure!(preferred == 0, "expected no change, got {preferred}");
    drop((worker, eager));
    stack.unload()
}

pub(super) fn the_command_advises(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    tackle::expect_refusal(&format!("{} numa advise", tackle::PROGRAM), MODULE)?;
    let library = module::library()?;
    let module = module::load(MODULE, EAGER)?;
    let eager = Eager::new()?;
    let worker = Worker::with("--threads 2 --mib 16 --free --memory 1 --run 0")?;
    let pid = worker.pid();
    let json = wait_for("the task in the advice", patience(LIMIT), || {
        let json: Value = serde_json::from_str(&tackle::text("numa advise --all --json")?)?;
        let rows = json.as_array().context("no list")?;
        Ok(rows.iter().find(|row| row["pid"] == pid).cloned())
    })?;
    ensure!(
        json["why"].as_str().is_some_and(|why| !why.is_empty()),
        "expected a reason, got {json}"
    );
    context.note(&json)?;
    let text = tackle::text("numa advise --all")?;
    ensure!(text.contains("WHY"), "expected a table, got {text}");
    let status = tackle::text("numa status")?;
    ensure!(
        status.contains("policy: numa_balance"),
        "expected the policy, got {status}"
    );
    drop((worker, eager));
    module.unload()?;
    let status = tackle::text("numa status")?;
    ensure!(
        status.contains("policy: the kernel's"),
        "expected the kernel's policy, got {status}"
    );
    library.unload()
}
