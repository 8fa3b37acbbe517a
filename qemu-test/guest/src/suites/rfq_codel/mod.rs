// SPDX-License-Identifier: GPL-2.0

//! `sch_rfq_codel`: the queueing discipline by itself, option by option and packet by packet
//! beside the kernel's `fq_codel`, its classes and filters, below others, and under traffic.

mod classes;
mod options;
mod parents;
mod traffic;

use anyhow::{ensure, Context as _, Result};
use nix::errno::Errno;

use self::classes::{
    counts_and_classes_are_those_of_fq_codel, filters_pick_the_flow, memory_is_limited,
    sockets_pick_the_flow,
};
use self::options::{
    refuses_what_fq_codel_refuses, tc_prints_as_for_fq_codel, tc_refuses_bad_options,
    tells_why_it_refuses, the_same_options_give_the_same_dumps,
};
use self::parents::{is_the_default_below_mq, works_below_others};
use self::traffic::{
    changes_under_traffic, goes_down_and_up_with_its_device, marks_and_drops,
    replaced_under_traffic,
};
use super::fault::expect_steps;
use crate::suite::{list, Context, Suite};
use crate::sys::bench::Bench;
use crate::sys::codel::attribute;
use crate::sys::module::{self, Installed};
use crate::sys::netns::Dummy;
use crate::sys::twins::Twins;
use crate::sys::{cmd, expect_errno, tdc};
use crate::walk::{self, Target};

/// The suite.
pub const SUITE: Suite = Suite {
    name: "rfq_codel",
    by_name_only: false,
    tests: list![
        is_loaded_by_its_alias,
        the_same_options_give_the_same_dumps,
        refuses_what_fq_codel_refuses,
        tells_why_it_refuses,
        tc_prints_as_for_fq_codel,
        tc_refuses_bad_options,
        passes_the_kernels_own_cases,
        counts_and_classes_are_those_of_fq_codel,
        memory_is_limited,
        filters_pick_the_flow,
        sockets_pick_the_flow,
        marks_and_drops,
        works_below_others,
        is_the_default_below_mq,
        goes_down_and_up_with_its_device,
        changes_under_traffic,
        replaced_under_traffic,
        cannot_be_unloaded_in_use,
        every_fault_of_loading,
        every_fault_of_adding_and_changing,
    ],
};

const MODULE: &str = "sch_rfq_codel";
const KIND: &str = "rfq_codel";
const TWINS: Twins = Twins {
    ours: KIND,
    theirs: "fq_codel",
};
const TARGET: Target = Target {
    module: MODULE,
    kind: KIND,
};

fn is_loaded_by_its_alias(_: &mut Context<'_>) -> Result<()> {
    let device = Dummy::new("tkd0", 1)?;
    let installed = Installed::new(&[module::LIBRARY, MODULE])?;
    cmd::run("tc qdisc add dev tkd0 root rfq_codel limit 3")?;
    let shown = cmd::run("tc qdisc show dev tkd0")?;
    ensure!(
        shown.starts_with("qdisc rfq_codel ") && shown.contains(" limit 3p "),
        "expected rfq_codel with limit 3p, got {shown}"
    );
    drop((installed, device));
    for name in [MODULE, module::LIBRARY] {
        module::rmmod(name).with_context(|| format!("cannot unload {name}"))?;
    }
    Ok(())
}

fn passes_the_kernels_own_cases(context: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(MODULE, "")?;
    tdc::run(context, TWINS)?;
    stack.unload()
}

fn cannot_be_unloaded_in_use(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    bench.fresh(KIND, None)??;
    let answer = module::rmmod_once(MODULE);
    expect_errno("unloading a qdisc in use", answer, Errno::EWOULDBLOCK)?;
    bench.device.send(1)?;
    let packets = bench.show()?.packets;
    ensure!(packets == 1, "expected 1 packet through it, got {packets}");
    bench.done()
}

fn every_fault_of_loading(context: &mut Context<'_>) -> Result<()> {
    let library = module::load(module::LIBRARY, "")?;
    let device = Dummy::new("tkd0", 1)?;
    let (steps, module) = walk::loading(TARGET, &device)?;
    expect_steps(
        context,
        &steps,
        &["qdisc_ops_alloc ENOMEM", "register_qdisc EBUSY"],
    )?;
    drop(device);
    module.unload()?;
    library.unload()
}

fn every_fault_of_adding_and_changing(context: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let steps = walk::adding(TARGET, &bench.device)?;
    expect_steps(
        context,
        &steps,
        &[
            "qdisc_backlogs_alloc ENOMEM",
            "qdisc_flows_alloc ENOMEM",
            "qdisc_init_data ENOMEM",
            "qdisc_init_options EINVAL",
            "tcf_block_get ENOMEM",
        ],
    )?;
    let limit = attribute(options::LIMIT, &9u32.to_ne_bytes());
    let steps = walk::changing(KIND, &bench.device, &limit)?;
    expect_steps(context, &steps, &["qdisc_change_options EINVAL"])?;
    bench.device.send(4)?;
    let packets = bench.show()?.packets;
    ensure!(packets == 4, "expected 4 packets after it, got {packets}");
    bench.done()
}
