// SPDX-License-Identifier: GPL-2.0

//! Tests policies of NUMA balancing on two nodes: `numa_balance`, and the samples.

mod advise;
mod place;
mod register;

use anyhow::{ensure, Result};

use crate::suite::{list, Context, Suite};
use crate::sys::kernel::patience;
use crate::sys::numa;
use crate::sys::numa_balance::{self, MODULE};
use crate::sys::worker::Worker;
use crate::sys::{ftrace, wait_for};

use super::numa::{await_a_scan, await_scans, need_balancing, LIMIT};
use advise::{advice_changes_nothing, the_command_advises};
use place::{
    a_changed_phase_is_scanned_faster, a_kept_node_is_kept, a_window_decides_between_two_plans,
    huge_pages_attract_their_task,
};
pub use place::{a_crossed_pair_is_placed, bound_memory_attracts_its_task};
use register::{
    a_policy_in_c_that_is_forgotten_is_removed, a_second_policy_is_refused,
    comes_and_goes_under_faults, refuses_bad_parameters, samples_decide,
};

/// The suite.
pub const SUITE: Suite = Suite {
    name: "numa_policy",
    by_name_only: false,
    tests: list![
        a_crossed_pair_is_placed,
        bound_memory_attracts_its_task,
        huge_pages_attract_their_task,
        a_changed_phase_is_scanned_faster,
        a_window_decides_between_two_plans,
        a_kept_node_is_kept,
        advice_changes_nothing,
        the_command_advises,
        a_second_policy_is_refused,
        samples_decide,
        a_policy_in_c_that_is_forgotten_is_removed,
        refuses_bad_parameters,
        comes_and_goes_under_faults,
    ],
};

/// The functions that a policy overrides or hooks. A kernel with operations for policies has fewer.
const HOOKED: [&str; 5] = [
    "sched_setnuma",
    "should_numa_migrate_memory",
    "task_numa_work",
    "task_scan_max",
    "vma_policy_mof",
];

/// Parameters with which new tasks are placed, too.
const EAGER: &str = "interval_ms=200 runtime_ms=100 settle_ms=500 scan_min_ms=100";

fn need_nodes() -> Result<()> {
    need_balancing()?;
    let nodes = numa::nodes()?;
    ensure!(nodes >= 2, "expected two nodes at least, got {nodes}");
    Ok(())
}

fn expect_no_hooks() -> Result<()> {
    HOOKED.iter().try_for_each(|name| ftrace::expect_bare(name))
}

/// Waits until the plan has an entry with a reason for a task.
fn await_reason(context: &mut Context<'_>, pid: u32) -> Result<()> {
    let planned = wait_for("the task in the plan", patience(LIMIT), || {
        numa_balance::planned(pid)
    })?;
    ensure!(
        !planned.why.is_empty(),
        "expected a reason, got {planned:?}"
    );
    context.note(format!(
        "{MODULE}: {} {}",
        planned.word("action"),
        planned.why
    ))
}

/// Waits until a task runs on the node with most of its pages, and returns the node.
fn await_together(context: &mut Context<'_>, worker: &Worker) -> Result<usize> {
    let mut last = String::new();
    let found = wait_for("a task to be with its memory", patience(LIMIT), || {
        let (node, pages) = (numa::runs_on(worker.pid())?, numa::pages(worker.pid())?);
        last = format!("on node {node}, pages on the nodes: {pages:?}");
        let all: u64 = pages.iter().sum();
        // The other pages are those of the program's file, which other processes map, too.
        Ok((pages[node] * 10 >= all * 6).then_some(node))
    });
    context.note(&last)?;
    found
}
