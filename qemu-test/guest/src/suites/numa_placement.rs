// SPDX-License-Identifier: GPL-2.0

//! Tests that NUMA balancing moves tasks and memory of workloads nearer to each other. Also tests
//! that both measures of the local share agree: the counts of QEMU's plug-in, and samples of the
//! workload.
//!
//! The guest's clock counts instructions, so the results do not depend on the host.

use std::time::Duration;

use anyhow::{ensure, Context as _, Result};

use super::numa::need_balancing;
use crate::suite::{list, skip, Context, Suite};
use crate::sys::counts::Counter;
use crate::sys::kernel::has_kasan;
use crate::sys::placement::cases::{self, Machine};
use crate::sys::placement::policy::Policy;
use crate::sys::placement::run::{run, Outcome};

/// The suite.
pub const SUITE: Suite = Suite {
    name: "numa_placement",
    by_name_only: false,
    tests: list![
        accesses_are_counted,
        pinned_is_local,
        the_kernel_places_a_process,
        the_kernel_places_crossed_processes,
        the_kernel_moves_memory_to_pinned_tasks,
        ours_places_a_process,
        ours_places_crossed_processes,
        ours_moves_memory_to_pinned_tasks,
    ],
};

/// How long a workload runs.
const TIME: Duration = Duration::from_secs(3);

/// The maximum difference between the two measures of the local share.
const APART: f64 = 0.02;

/// Runs a workload under a policy, and checks conditions that hold for each run.
fn placed(context: &mut Context<'_>, case: &str, policy: Policy) -> Result<Outcome> {
    need_balancing()?;
    if has_kasan() {
        return skip("with KASAN a workload has too few accesses in its time");
    }
    let Some(mut counter) = Counter::open()? else {
        return skip("QEMU runs without the plug-in that counts accesses");
    };
    let case = cases::find(case).context("no such workload")?;
    let outcome = run(&mut counter, Machine::here()?, case, policy, TIME)?;
    let (counted, sampled) = (outcome.share(), outcome.sampled_share());
    context.note(format!(
        "numa_placement: {} under {}: {:.1} % local at first, {:.1} % at last; in all {:.1} % of {} \
         accesses, {:.1} % of {} samples; {} pages and {} tasks moved",
        case.name,
        policy.name(),
        outcome.first_share() * 100.0,
        outcome.final_share() * 100.0,
        counted * 100.0,
        outcome.counts.accesses(),
        sampled * 100.0,
        outcome.sampled.samples,
        outcome.pages_moved,
        outcome.sampled.moves
    ))?;
    let nodes = Machine::here()?.nodes;
    let mut rows = outcome.counts.rows.iter();
    let lost = rows.find(|row| row.memory >= nodes || row.cpu >= nodes);
    ensure!(lost.is_none(), "accesses of no CPU or no node: {lost:?}");
    ensure!(
        (counted - sampled).abs() <= APART,
        "the plug-in counts {counted:.3} local, the samples say {sampled:.3}"
    );
    Ok(outcome)
}

/// How much lower the final local share may be than the first one. The load balancer may have moved
/// a task to its memory before the first mark. A few pages that are then moved away lower the
/// share.
const WORSE: f64 = 0.05;

/// Checks that the final local share is not lower than the first one, apart from [`WORSE`].
fn expect_nearer(context: &mut Context<'_>, case: &str, policy: Policy) -> Result<()> {
    let outcome = placed(context, case, policy)?;
    let (first, last) = (outcome.first_share(), outcome.final_share());
    ensure!(
        last >= first - WORSE,
        "the local share was {first:.3} at first and {last:.3} at last"
    );
    Ok(())
}

/// Tests that memory on another node is never counted as local if nothing moves.
fn accesses_are_counted(context: &mut Context<'_>) -> Result<()> {
    let outcome = placed(context, "pinned-tasks", Policy::None)?;
    ensure!(
        outcome.counts.local() == 0,
        "expected no local access, got {}",
        outcome.counts
    );
    let nodes = Machine::here()?.nodes;
    let arenas: Vec<_> = outcome.counts.rows.iter().map(|row| row.arena).collect();
    ensure!(
        arenas == (0..nodes).collect::<Vec<_>>(),
        "expected accesses in {nodes} arenas, got {}",
        outcome.counts
    );
    // Each visit of a page makes 64 accesses, and each 257th visit is sampled.
    let (accesses, samples) = (outcome.counts.accesses(), outcome.sampled.samples);
    let least = samples * 257 * 64;
    let most = (samples + nodes as u64) * 257 * 64;
    ensure!(
        (least..=most).contains(&accesses),
        "expected {least} to {most} accesses for {samples} samples, got {accesses}"
    );
    Ok(())
}

fn pinned_is_local(context: &mut Context<'_>) -> Result<()> {
    let outcome = placed(context, "crossed", Policy::Pinned)?;
    ensure!(
        outcome.counts.local() == outcome.counts.accesses(),
        "expected local accesses only, got {}",
        outcome.counts
    );
    Ok(())
}

fn the_kernel_places_a_process(context: &mut Context<'_>) -> Result<()> {
    expect_nearer(context, "misplaced", Policy::Kernel)
}

fn the_kernel_places_crossed_processes(context: &mut Context<'_>) -> Result<()> {
    expect_nearer(context, "crossed", Policy::Kernel)
}

fn the_kernel_moves_memory_to_pinned_tasks(context: &mut Context<'_>) -> Result<()> {
    expect_nearer(context, "pinned-tasks", Policy::Kernel)
}

fn ours_places_a_process(context: &mut Context<'_>) -> Result<()> {
    expect_nearer(context, "misplaced", Policy::Ours)
}

fn ours_places_crossed_processes(context: &mut Context<'_>) -> Result<()> {
    expect_nearer(context, "crossed", Policy::Ours)
}

fn ours_moves_memory_to_pinned_tasks(context: &mut Context<'_>) -> Result<()> {
    expect_nearer(context, "pinned-tasks", Policy::Ours)
}
