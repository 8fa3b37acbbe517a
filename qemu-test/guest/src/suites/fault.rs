// SPDX-License-Identifier: GPL-2.0

//! Tests fault attributes: every error path of loading `sch_rcodel`, of adding its qdisc and of a
//! live patch, the files of an attribute, and the samples with attributes of their own.

use anyhow::{ensure, Context as _, Result};
use nix::errno::Errno;

use crate::suite::{list, Context, Suite};
use crate::sys::bench::Bench;
use crate::sys::dummy::Dummy;
use crate::sys::meter::Meter;
use crate::sys::qdisc::{How, Tc};
use crate::sys::{debugfs, expect_errno, fault, kmsg, module};
use crate::walk::{self, Step, RCODEL};

mod samples;

use samples::{
    an_attribute_that_is_forgotten_is_removed, fail_nth_is_about_one_task,
    marked_tasks_and_their_children_fail, points_are_selected_by_name,
    ranges_of_the_stack_are_compared, samples_fail_in_both_languages,
};

/// The suite.
pub const SUITE: Suite = Suite {
    name: "fault",
    by_name_only: false,
    tests: list![
        every_fault_of_loading,
        every_fault_of_loading_the_library,
        every_fault_of_a_live_patch,
        every_fault_of_adding,
        starts_with_the_kernels_defaults,
        files_keep_what_is_written,
        files_refuse_what_is_no_number,
        points_cannot_be_written,
        probability_0_never_fails,
        probability_50_fails_sometimes,
        times_counts_down,
        times_minus_1_has_no_end,
        interval_2_fails_every_second,
        task_filter_spares_unmarked_tasks,
        verbose_tells_of_a_fault,
        samples_fail_in_both_languages,
        fail_nth_is_about_one_task,
        marked_tasks_and_their_children_fail,
        ranges_of_the_stack_are_compared,
        points_are_selected_by_name,
        an_attribute_that_is_forgotten_is_removed,
    ],
};

/// The result of several attempts.
#[derive(Debug, PartialEq, Eq)]
struct Tally {
    refused: u64,
    passed: u64,
    failed: u64,
}

/// Adds the qdisc `count` times, and removes it if it was added. Returns how often adding failed,
/// and how many points were passed and failed.
fn add(bench: &Bench, count: u32) -> Result<Tally> {
    let before = fault::totals()?;
    let mut refused = 0;
    for _ in 0..count {
        match bench
            .tc
            .put(How::Add, bench.device.index, RCODEL.kind, None)?
        {
            Ok(()) => bench.tc.delete(bench.device.index)??,
            Err(_) => refused += 1,
        }
    }
    let after = fault::totals()?;
    Ok(Tally {
        refused,
        passed: after.0 - before.0,
        failed: after.1 - before.1,
    })
}

pub(super) fn expect_steps(
    context: &mut Context<'_>,
    steps: &[Step],
    expected: &[&str],
) -> Result<()> {
    let mut names = Vec::new();
    for step in steps {
        context.note(format!(
            "fault {}: {} gives {}",
            step.number,
            step.name(),
            step.seen()
        ))?;
        if let Some(complaint) = step.complaint() {
            anyhow::bail!(complaint);
        }
        names.push(format!("{} {}", step.name(), step.seen()));
    }
    names.sort_unstable();
    ensure!(
        names == expected,
        "expected the points {expected:?}, got {names:?}"
    );
    Ok(())
}

fn every_fault_of_a_live_patch(context: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let target = module::load("livepatch_meter", "")?;
    let mut meter = Meter::open()?;
    let (steps, patch) = walk::patching("livepatch_meter_largest")?;
    expect_steps(
        context,
        &steps,
        &["klp_enable_patch ENOMEM", "klp_shadow_register EBUSY"],
    )?;
    patch.settle()?;
    // The reading is counted even if there is no memory for the field.
    let before = fault::points()?;
    fault::arm(1)?;
    let added = meter.add(80);
    fault::disarm()?;
    added?;
    let hit = fault::hit(&before, &fault::points()?);
    let names: Vec<_> = hit.iter().map(|point| &point.name[..]).collect();
    ensure!(
        names == ["klp_shadow_alloc"],
        "expected klp_shadow_alloc to fail, got {names:?}"
    );
    meter.expect("average 80\n")?;
    meter.add(60)?;
    meter.expect("average 70\nlargest 60\n")?;
    patch.unload()?;
    drop(meter);
    target.unload()?;
    library.unload()
}

fn every_fault_of_loading(context: &mut Context<'_>) -> Result<()> {
    let library = module::load(module::LIBRARY, "")?;
    let device = Dummy::new("tkd0", 1)?;
    let (steps, module) = walk::loading(RCODEL, &device)?;
    expect_steps(
        context,
        &steps,
        &["qdisc_ops_alloc ENOMEM", "register_qdisc EBUSY"],
    )?;
    let answer = Tc::open()?.put(How::Replace, device.index, RCODEL.kind, None)?;
    answer.context("adding the qdisc after the faults")?;
    drop(device);
    module.unload()?;
    library.unload()
}

/// Tests every fault of loading the part of the library that hooks and live patches need.
fn every_fault_of_loading_the_library(context: &mut Context<'_>) -> Result<()> {
    let library = module::load(module::LIBRARY, "")?;
    let (steps, module) = walk::loading_library(module::FTRACE)?;
    expect_steps(
        context,
        &steps,
        &[
            "register_kprobe ENOMEM",
            "register_kprobe ENOMEM",
            "register_kprobe ENOMEM",
            "register_kprobe ENOMEM",
            "register_module_notifier ENOMEM",
            "register_module_notifier ENOMEM",
        ],
    )?;
    let hook = module::load("hook_count", "function=vfs_read")?;
    hook.unload()?;
    module.unload()?;
    library.unload()
}

fn every_fault_of_adding(context: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(RCODEL.module)?;
    let steps = walk::adding(RCODEL, &bench.device)?;
    expect_steps(
        context,
        &steps,
        &["qdisc_init_data ENOMEM", "qdisc_init_options EINVAL"],
    )?;
    bench.device.send(4)?;
    let packets = bench.tc.show(bench.device.index)?.packets;
    ensure!(packets == 4, "expected 4 packets after it, got {packets}");
    bench.done()
}

fn starts_with_the_kernels_defaults(_: &mut Context<'_>) -> Result<()> {
    let library = module::load(module::LIBRARY, "")?;
    // These are the defaults of FAULT_ATTR_INITIALIZER in include/linux/fault-inject.h.
    for (file, expected) in [
        ("probability", "0"),
        ("interval", "1"),
        ("times", "1"),
        ("space", "0"),
        ("verbose", "2"),
        ("verbose_ratelimit_interval_ms", "0"),
        ("verbose_ratelimit_burst", "10"),
        ("task-filter", "N"),
    ] {
        let seen = fault::read(file)?;
        ensure!(seen == expected, "{file}: expected {expected}, got {seen}");
    }
    library.unload()
}

fn files_keep_what_is_written(_: &mut Context<'_>) -> Result<()> {
    let library = module::load(module::LIBRARY, "")?;
    for (file, text, expected) in [
        ("probability", "37", "37"),
        // A probability above 100 means always. The kernel's own attributes accept it, too.
        ("probability", "250", "250"),
        ("interval", "1000", "1000"),
        ("times", "-1", "-1"),
        ("times", "5\n", "5"),
        ("space", "4096", "4096"),
        ("verbose", "0", "0"),
        ("verbose_ratelimit_interval_ms", "500", "500"),
        ("verbose_ratelimit_burst", "3", "3"),
        ("task-filter", "1", "Y"),
        ("task-filter", "n", "N"),
    ] {
        fault::set(&[(file, text)])?;
        let seen = fault::read(file)?;
        ensure!(
            seen == expected,
            "{file} after '{}': expected {expected}, got {seen}",
            text.trim()
        );
    }
    library.unload()?;
    // A new attribute has the default settings.
    starts_with_defaults_after_reload()
}

fn starts_with_defaults_after_reload() -> Result<()> {
    let library = module::load(module::LIBRARY, "")?;
    let seen = fault::read("probability")?;
    ensure!(seen == "0", "after loading again: expected 0, got {seen}");
    library.unload()
}

fn files_refuse_what_is_no_number(_: &mut Context<'_>) -> Result<()> {
    let library = module::load(module::LIBRARY, "")?;
    for file in [
        "probability",
        "interval",
        "times",
        "space",
        "verbose",
        "verbose_ratelimit_interval_ms",
        "verbose_ratelimit_burst",
    ] {
        let before = fault::read(file)?;
        for text in ["many", "1 2", "\n", "99999999999999999999999"] {
            let what = format!("writing '{}' to {file}", text.trim());
            let answer = fault::write(file, text)?;
            ensure!(
                matches!(answer, Err(Errno::EINVAL | Errno::ERANGE)),
                "{what}: expected EINVAL, got {answer:?}"
            );
        }
        let after = fault::read(file)?;
        ensure!(after == before, "{file} went from {before} to {after}");
    }
    // The kernel's own file accepts any text here, but an invalid one changes nothing.
    let _ = fault::write("task-filter", "perhaps")?;
    let seen = fault::read("task-filter")?;
    ensure!(seen == "N", "task-filter after 'perhaps' is {seen}");
    library.unload()
}

fn points_cannot_be_written(_: &mut Context<'_>) -> Result<()> {
    let library = module::load(module::LIBRARY, "")?;
    let answer = fault::write("points", "0")?;
    ensure!(answer.is_err(), "expected a refusal to write points");
    library.unload()
}

fn expect_tally(what: &str, seen: &Tally, good: bool, expected: &str) -> Result<()> {
    ensure!(good, "{what}: expected {expected}, got {seen:?}");
    Ok(())
}

fn probability_0_never_fails(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(RCODEL.module)?;
    fault::set(&[("probability", "0"), ("times", "-1")])?;
    let seen = add(&bench, 20)?;
    let good = seen.refused == 0 && seen.failed == 0;
    expect_tally("probability 0", &seen, good, "no failure")?;
    bench.done()
}

fn probability_50_fails_sometimes(context: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(RCODEL.module)?;
    fault::set(&[("verbose", "0"), ("times", "-1"), ("probability", "50")])?;
    let seen = add(&bench, 64)?;
    fault::disarm()?;
    context.note(format!("{seen:?}"))?;
    // By chance, none or all of 64 attempts fail about once in 2^63 runs.
    let good = (1..64).contains(&seen.refused) && seen.failed == seen.refused;
    expect_tally("probability 50", &seen, good, "some failures of 64")?;
    bench.done()
}

fn times_counts_down(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(RCODEL.module)?;
    fault::set(&[("verbose", "0"), ("times", "3"), ("probability", "100")])?;
    let seen = add(&bench, 5)?;
    let left = fault::read("times")?;
    fault::disarm()?;
    let good = seen.refused == 3 && seen.failed == 3 && left == "0";
    expect_tally("times 3", &seen, good, "3 failures of 5 and no times left")?;
    bench.done()
}

fn times_minus_1_has_no_end(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(RCODEL.module)?;
    fault::set(&[("verbose", "0"), ("times", "-1"), ("probability", "100")])?;
    let seen = add(&bench, 20)?;
    let left = fault::read("times")?;
    fault::disarm()?;
    let good = seen.refused == 20 && seen.failed == 20 && left == "-1";
    expect_tally("times -1", &seen, good, "20 failures of 20")?;
    let after = add(&bench, 1)?;
    expect_tally("disarmed", &after, after.refused == 0, "no failure")?;
    bench.done()
}

fn interval_2_fails_every_second(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(RCODEL.module)?;
    fault::set(&[
        ("verbose", "0"),
        ("times", "-1"),
        ("interval", "2"),
        ("probability", "100"),
    ])?;
    let seen = add(&bench, 21)?;
    fault::disarm()?;
    fault::set(&[("interval", "1")])?;
    // The first failure of the interval is not specified.
    let halves = [seen.passed / 2, seen.passed.div_ceil(2)];
    let good = seen.passed >= 21 && halves.contains(&seen.failed);
    expect_tally("interval 2", &seen, good, "half of the points to fail")?;
    bench.done()
}

fn task_filter_spares_unmarked_tasks(_: &mut Context<'_>) -> Result<()> {
    let mark = "/proc/self/make-it-fail";
    let bench = Bench::new(RCODEL.module)?;
    fault::set(&[
        ("verbose", "0"),
        ("times", "-1"),
        ("task-filter", "1"),
        ("probability", "100"),
    ])?;
    // On a kernel without fault injection no task can be marked for it.
    let seen = add(&bench, 10)?;
    let good = seen.refused == 0 && seen.failed == 0;
    expect_tally("an unmarked task", &seen, good, "no failure")?;
    if std::path::Path::new(mark).exists() {
        debugfs::set(mark, "1")?;
        let seen = add(&bench, 10);
        debugfs::set(mark, "0")?;
        let seen = seen?;
        expect_tally("a marked task", &seen, seen.refused == 10, "10 failures")?;
    }
    fault::disarm()?;
    bench.done()
}

fn verbose_tells_of_a_fault(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(RCODEL.module)?;
    for (verbose, expected) in [("0", 0), ("1", 1)] {
        fault::arm(1)?;
        fault::set(&[("verbose", verbose)])?;
        let mut log = kmsg::Cursor::now()?;
        let answer = bench
            .tc
            .put(How::Add, bench.device.index, RCODEL.kind, None)?;
        fault::disarm()?;
        ensure!(answer.is_err(), "expected the first point to fail");
        let records = log.read()?;
        let told = records
            .iter()
            .filter(|record| record.text.contains("forcing a failure"))
            .count();
        ensure!(
            told == expected,
            "verbose {verbose}: expected {expected} messages, got {told} of {records:?}"
        );
    }
    expect_errno(
        "writing a verbose that is no number",
        fault::write("verbose", "loud")?,
        Errno::EINVAL,
    )?;
    bench.done()
}
