// SPDX-License-Identifier: GPL-2.0

//! Tests where `numa_balance` places tasks and memory.

use anyhow::{ensure, Result};

use crate::suite::{skip, Context};
use crate::sys::kernel::patience;
use crate::sys::numa::{self, Eager, Sched, Still};
use crate::sys::numa_balance::{self, MODULE};
use crate::sys::worker::{pin, unpin, Worker};
use crate::sys::{cmd, debugfs, module, wait_for};

use super::{await_reason, await_scans, await_together, need_nodes, EAGER, LIMIT};

/// Tests two processes, each on the node of the other one's memory. Each node has one CPU, so the
/// processes have to be swapped, or their memory has to be migrated.
pub fn a_crossed_pair_is_placed(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let stack = module::stack(MODULE, EAGER)?;
    let eager = Eager::new()?;
    let one = Worker::with("--mib 16 --free --memory 0 --run 1")?;
    let other = Worker::with("--mib 16 --free --memory 1 --run 0")?;
    await_together(context, &one)?;
    await_together(context, &other)?;
    // A task that was moved to its memory by chance has no fault, and is not in the plan.
    let plans = numa_balance::number("status", "plans")?;
    ensure!(plans > 0, "expected plans, got none");
    drop((one, other, eager));
    stack.unload()
}

/// Tests that a task is moved to memory that is bound by `numactl --membind`. Such memory never
/// moves, and the kernel alone does not consider it.
pub fn bound_memory_attracts_its_task(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let stack = module::stack(MODULE, EAGER)?;
    let eager = Eager::new()?;
    // The worker is pinned until it has faults, because a task that is moved to its memory by
    // chance has none.
    let worker = Worker::bound(1, "--mib 16 --memory 1 --run 0")?;
    let pid = worker.pid();
    // Pages that are not bound, such as page cache, may have moved.
    let before = Sched::of(pid)?.migrated;
    wait_for("faults on the bound memory", patience(LIMIT), || {
        let faults = Sched::of(pid)?.private;
        Ok((faults.get(1).copied().unwrap_or(0) > 0).then_some(()))
    })?;
    worker.unpin()?;
    wait_for("the task to come to its memory", patience(LIMIT), || {
        Ok((numa::runs_on(pid)? == 1 && Sched::of(pid)?.preferred == Some(1)).then_some(()))
    })?;
    await_reason(context, pid)?;
    let sched = Sched::of(pid)?;
    context.note(format!("{sched:?}"))?;
    let moved = sched.migrated - before;
    ensure!(moved == 0, "expected no page to move, got {moved}");
    drop((worker, eager));
    stack.unload()
}

/// Tests that a task follows its huge pages, which take no hinting faults. [`Still`] keeps the
/// kernel from scanning the task's other memory, so only the module moves the task.
pub(super) fn huge_pages_attract_their_task(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let Some(reserved) = numa::reserve_huge_pages(4)? else {
        return skip("the kernel has no hugetlbfs");
    };
    let stack = module::stack(MODULE, EAGER)?;
    let still = Still::new()?;
    // If this test ran on the worker's CPU, the load balancer would move the worker.
    pin(1)?;
    let worker = Worker::with("--mib 1 --huge-mib 8 --memory 1 --run 0")?;
    worker.unpin()?;
    let moved = wait_for("a move to the huge pages", patience(LIMIT), || {
        let moved = numa_balance::number("status", "moved")?;
        let node = numa::runs_on(worker.pid())?;
        if moved == 0 && node == 1 {
            // It came there by chance, so there is nothing to move. Begin anew.
            worker.pin(0)?;
            worker.unpin()?;
        }
        Ok((moved > 0 && node == 1).then_some(moved))
    })?;
    unpin()?;
    context.note(format!("{moved} moves"))?;
    let process = worker.pid().to_string();
    let all = numa_balance::decisions("decisions")?;
    let about = all.iter().filter(|one| one.word("pid") == process);
    let reasons: Vec<_> = about
        .map(|one| (one.word("target"), one.word("reason")))
        .collect();
    ensure!(
        reasons.contains(&("1", "follows_unmovable")),
        "expected the huge pages as the reason, got {reasons:?}"
    );
    drop((worker, still));
    stack.unload()?;
    drop(reserved);
    Ok(())
}

/// Tests that scans become faster after all memory of a process was moved to the other node. The
/// kernel's rules alone would slow down the scans.
pub(super) fn a_changed_phase_is_scanned_faster(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let stack = module::stack(MODULE, EAGER)?;
    let eager = Eager::new()?;
    // The worker is pinned, so its memory has to be migrated.
    let worker = Worker::with("--mib 16 --memory 0 --run 0")?;
    await_scans(&worker)?;
    let before = numa_balance::number("status", "sped_up")?;
    cmd::run(&format!("migratepages {} all 1", worker.pid()))?;
    let faster = wait_for("faster scans", patience(LIMIT), || {
        let now = numa_balance::number("status", "sped_up")?;
        Ok((now > before).then_some(now - before))
    })?;
    context.note(format!("{faster} periods were shortened"))?;
    let node = await_together(context, &worker)?;
    ensure!(node == 0, "expected node 0, got {node}");
    drop((worker, eager));
    stack.unload()
}

/// Tests a decision about a task that is in no plan yet. The next plan follows in a minute.
pub(super) fn a_window_decides_between_two_plans(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let stack = module::stack(MODULE, "interval_ms=60000 runtime_ms=100 scan_min_ms=100")?;
    let eager = Eager::new()?;
    // The memory is bound, so that it stays on another node than the second thread, which is
    // pinned. So both threads have faults, whichever node the first one runs on.
    let worker = Worker::bound(1, "--threads 2 --mib 16 --memory 1 --run 0")?;
    worker.unpin()?;
    let process = worker.pid().to_string();
    let decision = wait_for("a decision about the process", patience(LIMIT), || {
        let mut all = numa_balance::decisions("decisions")?.into_iter();
        Ok(all.find(|one| one.word("tgid") == process && one.word("target") == "1"))
    })?;
    context.note(format!("{} {}", decision.word("action"), decision.why))?;
    // In a slow guest, a second plan may have made the decision.
    let is_of_plan = numa_balance::number("status", "plans")? > 1;
    ensure!(
        (is_of_plan || decision.word("action") == "prefer") && !decision.why.is_empty(),
        "expected a preference with a reason, got {decision:?}"
    );
    let lost = numa_balance::number("status", "decisions_lost")?;
    ensure!(
        lost == 0,
        "expected room for each decision, {lost} had none"
    );
    drop((worker, eager));
    stack.unload()
}

/// Tests that `numa_control` keeps a preferred node against the plan of the policy.
pub(super) fn a_kept_node_is_kept(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    let library = module::library()?;
    let eager = Eager::new()?;
    for order in [["numa_control", MODULE], [MODULE, "numa_control"]] {
        let load = |name: &'static str| {
            let parameters = if name == MODULE { EAGER } else { "" };
            module::load(name, parameters)
        };
        let modules = [load(order[0])?, load(order[1])?];
        // The memory is bound, so it cannot follow the task, and policy and controller always
        // disagree. There are two threads, so that local memory is scanned, too.
        let worker = Worker::bound(0, "--threads 2 --mib 16 --free --memory 0 --run 0")?;
        let pid = worker.pid();
        debugfs::set(debugfs::tackle("numa_control/prefer"), &format!("{pid} 1"))?;
        for _ in 0..3 {
            await_scans(&worker)?;
            let now = Sched::of(pid)?.preferred;
            ensure!(now == Some(1), "expected node 1 to be kept, got {now:?}");
        }
        debugfs::set(
            debugfs::tackle("numa_control/prefer"),
            &format!("{pid} none"),
        )?;
        wait_for("the policy's node", patience(LIMIT), || {
            Ok((Sched::of(pid)?.preferred == Some(0)).then_some(()))
        })?;
        context.note(format!("{order:?}: kept until it was released"))?;
        drop(worker);
        for module in modules {
            module.unload()?;
        }
    }
    drop(eager);
    super::expect_no_hooks()?;
    library.unload()
}
