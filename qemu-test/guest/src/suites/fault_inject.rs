// SPDX-License-Identifier: GPL-2.0

//! Tests the fault injector on the sites of `fault_rig.ko`: which points it finds, and which calls
//! fail in each mode.

mod bios;
mod planted;
mod refusals;

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use anyhow::{ensure, Context as _, Result};
use nix::errno::Errno;

use crate::suite::{list, Context, Suite};
use crate::sys::bpf::has_btf;
use crate::sys::injector::{Injector, Words};
use crate::sys::module::{self, Stack};
use crate::sys::{debugfs, expect_errno, wait_for, Answer};
use bios::{bios_complete_with_an_error, bios_fail_when_they_are_submitted};
use planted::repaired_operations_take_every_fault;
use refusals::{
    a_redirected_function_is_named, commands_are_refused, one_campaign_at_a_time,
    only_root_may_open,
};

/// The suite.
pub const SUITE: Suite = Suite {
    name: "fault_inject",
    by_name_only: false,
    tests: list![
        discover_finds_exactly_the_sites,
        one_fails_exactly_that_call,
        one_fails_at_its_hit,
        from_fails_all_later_calls,
        nth_fails_one_call,
        random_follows_from_its_seed,
        a_site_can_have_several_stacks,
        a_point_is_the_same_when_loaded_again,
        init_can_fail,
        nofail_never_fails,
        kernel_threads_count,
        a_tree_and_a_system_call_limit_it,
        other_modules_do_not_count,
        a_named_function_fails,
        closing_disarms,
        killing_the_tool_disarms,
        bios_fail_when_they_are_submitted,
        bios_complete_with_an_error,
        repaired_operations_take_every_fault,
        commands_are_refused,
        a_redirected_function_is_named,
        one_campaign_at_a_time,
        only_root_may_open,
    ],
};

/// The sites of the rig: the text that runs the site, the function that fails, and the site's
/// function.
const SITES: [(&str, &str, &str); 6] = [
    ("slab", "slab", "rig_slab"),
    ("pages", "pages", "rig_pages"),
    ("vmalloc", "vmalloc", "rig_vmalloc"),
    ("percpu", "percpu", "rig_percpu"),
    ("skb", "skb", "rig_skb"),
    ("string", "slab", "rig_string"),
];

/// Loads the injector.
fn modules() -> Result<Stack> {
    module::stack("fault_inject", "")
}

/// Runs a site of the rig.
fn run(site: &str) -> Result<Answer> {
    debugfs::write("/sys/kernel/debug/fault_rig/run", site)
}

/// Runs a site, and returns a bit mask of the calls that failed.
fn failures(site: &str) -> Result<u64> {
    let answer = run(site)?;
    let failures: u64 = debugfs::value("/sys/kernel/debug/fault_rig/failures")?;
    ensure!(
        answer.is_err() == (failures != 0),
        "{site} answered {answer:?}, but its failures are {failures:#x}"
    );
    Ok(failures)
}

fn run_all() -> Result<()> {
    for (site, _, _) in SITES {
        run(site)?.with_context(|| format!("{site} fails"))?;
    }
    Ok(())
}

/// Returns the function of a point's site.
fn site_of(point: &Words) -> Result<String> {
    let site = point.text("site")?;
    Ok(site.split('+').next().unwrap_or_default().to_string())
}

fn discover_finds_exactly_the_sites(context: &mut Context<'_>) -> Result<()> {
    with_rig("module=fault_rig", |injector| {
        run_all()?;
        run_all()?;
        let mut found = BTreeSet::new();
        for point in injector.points()? {
            context.note(format!(
                "fault_inject: {} {} at {}",
                point.text("class")?,
                point.text("function")?,
                point.text("site")?
            ))?;
            ensure!(point.number::<u64>("hits")? == 2, "{point:?}");
            ensure!(point.number::<u64>("failed")? == 0, "{point:?}");
            ensure!(point.text("context")? == "task", "{point:?}");
            ensure!(!point.text("stack")?.contains("unknown"), "{point:?}");
            let order = if point.text("class")? == "pages" {
                "2"
            } else {
                "none"
            };
            ensure!(point.text("order")? == order, "{point:?}");
            let class = point.text("class")?.to_string();
            ensure!(found.insert((class, site_of(&point)?)), "twice: {point:?}");
        }
        let expected: BTreeSet<_> = SITES
            .iter()
            .map(|(_, class, function)| (class.to_string(), format!("fault_rig:{function}")))
            .collect();
        ensure!(found == expected, "expected {expected:?}, found {found:?}");
        Ok(())
    })
}

fn one_fails_exactly_that_call(_: &mut Context<'_>) -> Result<()> {
    with_rig("module=fault_rig", |injector| {
        run_all()?;
        for point in injector.points()? {
            let id = point.text("id")?;
            let function = site_of(&point)?;
            injector.set(&format!("arm one {id}"))?;
            for (site, _, name) in SITES {
                let expected = if function == format!("fault_rig:{name}") {
                    Err(Errno::ENOMEM)
                } else {
                    Ok(())
                };
                let answer = run(site)?;
                ensure!(
                    answer == expected,
                    "{id} in {function}: {site} answered {answer:?}"
                );
                run(site)?.with_context(|| format!("{site} fails again"))?;
            }
            let status = injector.status()?;
            ensure!(status.number::<u64>("failed")? == 1, "{status:?}");
            ensure!(
                status.text("last")? == id && status.text("mode")? == "one",
                "{status:?}"
            );
        }
        Ok(())
    })
}

/// Returns the id of the only point that a site of the rig has.
fn id_of(injector: &Injector, site: &str) -> Result<String> {
    injector.set("arm discover")?;
    run(site)?.with_context(|| format!("{site} fails"))?;
    for point in injector.points()? {
        if point.number::<u64>("hits")? > 0 {
            return Ok(point.text("id")?.to_string());
        }
    }
    anyhow::bail!("{site} has no point")
}

fn one_fails_at_its_hit(_: &mut Context<'_>) -> Result<()> {
    with_rig("module=fault_rig", |injector| {
        let id = id_of(injector, "slab")?;
        for hit in 1..=10 {
            injector.set(&format!("arm one {id} hit={hit}"))?;
            expect_failures("loop", 1 << (hit - 1))?;
        }
        injector.set(&format!("arm one {id} hit=11"))?;
        expect_failures("loop", 0)
    })
}

/// Runs `test` with the rig loaded and hooks placed.
fn with_rig(place: &str, test: impl FnOnce(&Injector) -> Result<()>) -> Result<()> {
    let modules = modules()?;
    let rig = module::load("fault_rig", "")?;
    let injector = Injector::armed(place, "discover")?;
    test(&injector)?;
    drop(injector);
    rig.unload()?;
    modules.unload()
}

fn expect_failures(site: &str, expected: u64) -> Result<()> {
    let failures = failures(site)?;
    ensure!(
        failures == expected,
        "{site}: expected the failures {expected:#b}, got {failures:#b}"
    );
    Ok(())
}

fn from_fails_all_later_calls(_: &mut Context<'_>) -> Result<()> {
    with_rig("module=fault_rig", |injector| {
        let id = id_of(injector, "slab")?;
        injector.set(&format!("arm from {id} hit=4"))?;
        expect_failures("pages", 0)?;
        expect_failures("loop", 0b11_1111_1000)?;
        expect_failures("pages", 1)?;
        injector.set(&format!("arm from {id} hit=2 limit=3"))?;
        expect_failures("loop", 0b1110)?;
        expect_failures("string", 1)?;
        let status = injector.status()?;
        ensure!(status.number::<u64>("retries")? == 1, "{status:?}");
        let points = injector.points()?;
        let gave_up: Result<Vec<_>> = points.iter().map(|point| point.text("retries")).collect();
        ensure!(
            gave_up?.iter().filter(|text| **text == "1").count() == 1,
            "{points:?}"
        );
        Ok(())
    })
}

fn nth_fails_one_call(_: &mut Context<'_>) -> Result<()> {
    with_rig("module=fault_rig", |injector| {
        for n in 1..=11 {
            injector.set(&format!("arm nth {n}"))?;
            expect_failures("loop", if n <= 10 { 1 << (n - 1) } else { 0 })?;
            expect_failures("slab", u64::from(n == 11))?;
        }
        Ok(())
    })
}

fn random_follows_from_its_seed(_: &mut Context<'_>) -> Result<()> {
    with_rig("module=fault_rig", |injector| {
        let mut seen = BTreeSet::new();
        for seed in 1..=10 {
            let mut runs = Vec::new();
            for _ in 0..2 {
                injector.set(&format!("arm random 50 seed={seed}"))?;
                runs.push(failures("loop")?);
            }
            ensure!(runs[0] == runs[1], "seed {seed}: {runs:?}");
            seen.insert(runs[0]);
        }
        ensure!(seen.len() > 2, "ten seeds have the failures {seen:?}");
        injector.set("arm random 100 seed=1 times=3")?;
        expect_failures("loop", 0b111)
    })
}

fn a_site_can_have_several_stacks(_: &mut Context<'_>) -> Result<()> {
    with_rig("module=fault_rig", |injector| {
        run("twice")??;
        ensure!(injector.points()?.len() == 1, "{:?}", injector.points()?);
        injector.set("place module=fault_rig context=stack")?;
        injector.set("arm discover")?;
        run("twice")??;
        run("twice")??;
        let points = injector.points()?;
        ensure!(points.len() == 2, "{points:?}");
        for (point, caller) in points.iter().zip(["rig_left", "rig_right"]) {
            ensure!(
                point
                    .text("stack")?
                    .contains(&format!("fault_rig:{caller}+")),
                "{point:?}"
            );
            ensure!(point.number::<u64>("hits")? == 2, "{point:?}");
        }
        injector.set(&format!("arm one {}", points[1].text("id")?))?;
        expect_failures("twice", 0b10)
    })
}

fn a_point_is_the_same_when_loaded_again(_: &mut Context<'_>) -> Result<()> {
    let modules = modules()?;
    for place in ["module=fault_rig", "module=fault_rig context=stack"] {
        let injector = Injector::armed(place, "discover")?;
        let mut rounds = Vec::new();
        for _ in 0..2 {
            let rig = module::load("fault_rig", "")?;
            // This module occupies memory, so that the rig is loaded at another address in the next
            // round.
            let between = module::load("rig_twin_a", "")?;
            run_all()?;
            rig.unload()?;
            between.unload()?;
            let mut points = Vec::new();
            for point in injector.points()? {
                ensure!(!point.text("stack")?.contains("unknown"), "{point:?}");
                // The init function creates files, too. Its calls depend on what the kernel has
                // cached.
                let function = site_of(&point)?;
                let is_known = SITES.iter().any(|(_, _, name)| function.ends_with(name));
                if points.is_empty() || is_known {
                    points.push((
                        point.text("id")?.to_string(),
                        point.text("site")?.to_string(),
                    ));
                }
            }
            rounds.push(points);
            injector.set("disarm")?;
            injector.set("forget")?;
            ensure!(injector.points()?.is_empty(), "points are left");
            injector.set("arm discover")?;
        }
        ensure!(rounds[0] == rounds[1], "{rounds:?}");
        // The first point is in the init function, whose name has `init`.
        let has_init = rounds[0][0].1.contains("init");
        ensure!(rounds[0].len() == SITES.len() + 1 && has_init, "{rounds:?}");
    }
    modules.unload()
}

fn init_can_fail(_: &mut Context<'_>) -> Result<()> {
    let modules = modules()?;
    let injector = Injector::armed("module=fault-rig", "nth 1")?;
    module::expect_refusal("fault_rig", "", Errno::ENOMEM)?;
    let points = injector.points()?;
    ensure!(
        points.len() == 1 && points[0].text("failed")? == "1",
        "{points:?}"
    );
    ensure!(site_of(&points[0])?.starts_with("fault_rig:"), "{points:?}");
    module::load("fault_rig", "")?.unload()?;
    drop(injector);
    modules.unload()
}

fn nofail_never_fails(_: &mut Context<'_>) -> Result<()> {
    with_rig("module=fault_rig", |injector| {
        injector.set("arm random 100 seed=1")?;
        expect_failures("nofail", 0)?;
        ensure!(injector.points()?.is_empty(), "{:?}", injector.points()?);
        expect_failures("slab", 1)
    })
}

fn kernel_threads_count(_: &mut Context<'_>) -> Result<()> {
    with_rig("module=fault_rig", |injector| {
        run("queue")??;
        let points = injector.points()?;
        ensure!(points.len() == 1, "{points:?}");
        ensure!(points[0].text("comm")?.starts_with("kworker"), "{points:?}");
        ensure!(points[0].text("stack")?.contains("rig_work+"), "{points:?}");
        injector.set("arm nth 1")?;
        expect_failures("queue", 1)
    })
}

fn a_tree_and_a_system_call_limit_it(_: &mut Context<'_>) -> Result<()> {
    let own = std::process::id();
    with_rig(&format!("module=fault_rig tree={own}"), |injector| {
        run("queue")??;
        ensure!(injector.points()?.is_empty(), "{:?}", injector.points()?);
        injector.set("arm nth 1")?;
        expect_failures("slab", 1)?;
        // The system call `write` has the number 1, and `openat` has 257.
        injector.set("place module=fault_rig syscall=257")?;
        injector.set("arm random 100 seed=1")?;
        expect_failures("slab", 0)?;
        injector.set("place module=fault_rig syscall=1")?;
        injector.set("arm random 100 seed=1")?;
        expect_failures("queue", 0)?;
        expect_failures("slab", 1)
    })
}

fn other_modules_do_not_count(_: &mut Context<'_>) -> Result<()> {
    with_rig("module=fault_rig_2,rig_twin_a", |injector| {
        injector.set("arm random 100 seed=1")?;
        run_all()?;
        ensure!(injector.points()?.is_empty(), "{:?}", injector.points()?);
        Ok(())
    })
}

fn a_named_function_fails(_: &mut Context<'_>) -> Result<()> {
    if !has_btf("vmlinux") {
        return crate::suite::skip("the kernel has no type information");
    }
    with_rig(
        "functions=none return=alloc_workqueue_noprof:null module=fault_rig",
        |injector| {
            expect_failures("workqueue", 0)?;
            let points = injector.points()?;
            ensure!(
                points.len() == 1 && points[0].text("class")? == "named",
                "{points:?}"
            );
            ensure!(points[0].text("value")? == "null", "{points:?}");
            injector.set("arm nth 1")?;
            expect_failures("workqueue", 1)?;
            expect_failures("slab", 0)
        },
    )
}

fn closing_disarms(_: &mut Context<'_>) -> Result<()> {
    let modules = modules()?;
    let rig = module::load("fault_rig", "")?;
    let injector = Injector::armed("module=fault_rig", "random 100 seed=1")?;
    expect_errno("a site", run("slab")?, Errno::ENOMEM)?;
    injector.set("disarm")?;
    run("slab")??;
    injector.set("arm nth 1")?;
    drop(injector);
    run("slab")??;
    rig.unload()?;
    modules.unload()
}

/// A tool that arms faults and never closes the file.
const TOOL: &str = "exec 3<>/dev/tackle_fault && echo place module=fault_rig >&3 && \
                    echo arm random 100 seed=1 >&3 && exec sleep 1000";

fn killing_the_tool_disarms(_: &mut Context<'_>) -> Result<()> {
    let modules = modules()?;
    let rig = module::load("fault_rig", "")?;
    let mut tool = Command::new("sh")
        .args(["-c", TOOL])
        .spawn()
        .context("cannot start sh")?;
    let armed = wait_for("the tool to arm", Duration::from_secs(20), || {
        Ok(run("slab")?.is_err().then_some(()))
    });
    tool.kill()?;
    tool.wait()?;
    armed?;
    run("slab")??;
    rig.unload()?;
    modules.unload()
}
