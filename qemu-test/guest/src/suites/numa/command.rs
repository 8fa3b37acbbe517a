// SPDX-License-Identifier: GPL-2.0

//! Tests the command `tackle numa` with the modules.

use anyhow::{ensure, Context as _, Result};
use serde_json::Value;

use crate::suite::Context;
use crate::sys::numa::Eager;
use crate::sys::numa_stat::MODULE;
use crate::sys::worker::Worker;
use crate::sys::{debugfs, module, tackle};

use super::{migrations_of, need_nodes, PLENTY};

fn switch() -> Result<String> {
    debugfs::read(debugfs::tackle("numa_control/switch"))
}

fn expect_refusal(words: &str, part: &str) -> Result<()> {
    tackle::expect_refusal(&format!("{} {words}", tackle::PROGRAM), part).map(|_| ())
}

/// Tests statistics, the switch and preferred nodes by the command.
pub(super) fn the_command_shows_and_switches(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    expect_refusal("numa stat --task", "numa_stat")?;
    expect_refusal("numa off --all", "numa_control")?;
    let library = module::library()?;
    let modules = [module::load(MODULE, "")?, module::load("numa_control", "")?];
    let eager = Eager::new()?;
    let worker = Worker::start(2)?;
    let pid = worker.pid();
    let row = migrations_of(context, &worker, PLENTY)?;

    let text = tackle::text("numa stat --task")?;
    ensure!(
        text.lines().any(|line| line.contains(&pid.to_string())),
        "no line of the worker {pid}: {text}"
    );
    let json: Value = serde_json::from_str(&tackle::text("numa stat --task --json")?)?;
    let found = json.to_string();
    ensure!(
        found.contains(&row.get("migrated").to_string()),
        "expected {row:?}, got {found}"
    );
    for kind in ["--process", "--group", "--cgroup", "--node"] {
        tackle::text(&format!("numa stat {kind}")).context(kind)?;
    }
    let topology = tackle::text("numa topology")?;
    ensure!(topology.contains("20"), "no distances: {topology}");
    let unseen = tackle::text(&format!("numa unseen --pid {pid}"))?;
    context.note(unseen.lines().count())?;

    tackle::text(&format!("numa off --tgid {pid}"))?;
    let rules = switch()?;
    ensure!(
        rules == format!("off tgid={pid}"),
        "got the rules {rules:?}"
    );
    let status = tackle::text("numa status")?;
    ensure!(
        status.contains(&pid.to_string()),
        "the status lacks the rule: {status}"
    );
    tackle::text(&format!("numa on --tgid {pid}"))?;
    ensure!(switch()?.is_empty(), "a rule stays: {}", switch()?);
    tackle::text(&format!("numa prefer {pid} 0"))?;
    tackle::text(&format!("numa prefer {pid} none"))?;
    for (line, part) in [
        ("numa off --pid 4000000", "4000000"),
        ("numa off --cgroup /none", "/none"),
        (&*format!("numa prefer {pid} 9"), "9"),
        (&*format!("numa prefer {pid} 1"), "1"),
    ] {
        expect_refusal(line, part)?;
    }
    ensure!(switch()?.is_empty(), "a rule was made: {}", switch()?);
    drop((worker, eager));
    for module in modules {
        module.unload()?;
    }
    library.unload()
}
