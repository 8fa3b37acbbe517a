// SPDX-License-Identifier: GPL-2.0

//! Tests `sch_rfq_codel`: the queueing discipline itself, its options and packets compared with the
//! kernel's `fq_codel`, its classes and filters, its use below other qdiscs, and its behaviour with
//! traffic.

mod classes;
mod options;
mod traffic;

use anyhow::{ensure, Context as _, Result};
use nix::errno::Errno;

use self::classes::{
    counts_and_classes_are_those_of_fq_codel, filters_pick_the_flow, memory_is_limited,
    sockets_pick_the_flow,
};
use self::options::{
    refuses_what_fq_codel_refuses, tc_prints_as_for_fq_codel, tc_refuses_bad_options,
    tc_refuses_what_fq_codel_makes_another_value, tc_takes_what_it_takes_for_fq_codel,
    tells_why_it_refuses, the_same_number_of_flows_is_no_change,
    the_same_options_give_the_same_dumps,
};
use self::traffic::{changes_under_traffic, marks_and_drops, replaced_under_traffic};
use super::codel_family as family;
use super::fault::expect_steps;
use crate::suite::{list, Context, Suite};
use crate::sys::bench::Bench;
use crate::sys::codel::{attribute, FQ_TIMES};
use crate::sys::dummy::Dummy;
use crate::sys::module::{self, Installed};
use crate::sys::twins::{Twins, BLOCKED};
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
        the_same_number_of_flows_is_no_change,
        tc_prints_as_for_fq_codel,
        tc_refuses_bad_options,
        tc_takes_what_it_takes_for_fq_codel,
        tc_refuses_what_fq_codel_makes_another_value,
        passes_the_kernels_own_cases,
        counts_and_classes_are_those_of_fq_codel,
        memory_is_limited,
        filters_pick_the_flow,
        sockets_pick_the_flow,
        marks_and_drops,
        works_below_others,
        is_the_default_below_mq,
        goes_down_and_up_with_its_device,
        carries_packets_of_all_kinds,
        goes_with_its_name_space,
        changes_under_traffic,
        replaced_under_traffic,
        cannot_be_unloaded_in_use,
        every_fault_of_loading,
        every_fault_of_adding_and_changing,
        counts_how_long_packets_wait,
        tells_why_packets_are_dropped_or_marked,
        counts_drops_of_filters,
        tells_of_the_control_law,
        a_bad_histogram_changes_nothing,
        refuses_times_that_are_too_long,
        shown_options_can_be_set_again,
        counts_what_a_change_and_a_reset_drop,
        counts_each_packet_once,
        frees_what_a_change_drops,
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

fn works_below_others(context: &mut Context<'_>) -> Result<()> {
    family::works_below_others(context, TARGET, "limit 20 drop_batch 4")
}

fn is_the_default_below_mq(_: &mut Context<'_>) -> Result<()> {
    family::is_the_default_below_mq(TARGET)
}

fn goes_down_and_up_with_its_device(context: &mut Context<'_>) -> Result<()> {
    family::goes_down_and_up_with_its_device(context, TARGET, TWINS, "flows 64")
}

fn carries_packets_of_all_kinds(context: &mut Context<'_>) -> Result<()> {
    family::carries_packets_of_all_kinds(context, TARGET, TWINS)
}

fn goes_with_its_name_space(_: &mut Context<'_>) -> Result<()> {
    family::goes_with_its_name_space(TARGET)
}

fn counts_how_long_packets_wait(context: &mut Context<'_>) -> Result<()> {
    family::counts_how_long_packets_wait(context, TARGET)
}

fn tells_why_packets_are_dropped_or_marked(context: &mut Context<'_>) -> Result<()> {
    let overlimit = "limit 20 drop_batch 1";
    family::tells_why_packets_are_dropped_or_marked(context, TARGET, overlimit)
}

/// Returns a device that is down, and a filter's action that drops packets by sending them to this
/// device. `action drop` of `tc` needs the module act_gact, which small kernels lack.
fn dropping() -> Result<(Dummy, String)> {
    let down = Dummy::new("tkd2", 3)?;
    cmd::run(&format!("ip link set {} down", down.name))?;
    let action = format!("action mirred egress redirect dev {}", down.name);
    Ok((down, action))
}

fn counts_drops_of_filters(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let (down, drops) = dropping()?;
    cmd::run(BLOCKED)?;
    cmd::run("tc qdisc add dev tkd0 parent 1:1 handle 10: rfq_codel flows 64")?;
    let add = "tc filter add dev tkd0 parent 10: protocol ip";
    let flower = "flower ip_proto udp src_port";
    cmd::run(&format!("{add} prio 1 {flower} 5001 {drops}"))?;
    cmd::run(&format!("{add} prio 2 {flower} 5002 classid 10:41"))?;
    cmd::run(&format!("{add} prio 3 {flower} 5003 classid 10:2"))?;
    // A filter drops the first packets. The second are classified to a flow that does not exist,
    // and the third to a flow. The last match no filter. Only the third are not dropped.
    for (port, count) in [(5001, 7), (5002, 5), (5003, 3), (5004, 2)] {
        bench.device.send_flow(port, 0, 0, count)?;
    }
    let text = cmd::run("tc -s -d qdisc show dev tkd0 parent 1:1")?;
    ensure!(
        text.contains("(dropped 14, ")
            && text.contains(
                "\n  drops: target 0 overlimit 0 overmemory 0 change 0 reset 0 filter 14\n"
            ),
        "expected 14 drops of filters, got {text}"
    );
    drop(down);
    bench.done()
}

fn tells_of_the_control_law(_: &mut Context<'_>) -> Result<()> {
    family::tells_of_the_control_law(TARGET, "class")
}

fn a_bad_histogram_changes_nothing(context: &mut Context<'_>) -> Result<()> {
    family::a_bad_histogram_changes_nothing(context, TARGET)
}

fn refuses_times_that_are_too_long(_: &mut Context<'_>) -> Result<()> {
    family::refuses_times_that_are_too_long(TARGET, &FQ_TIMES)
}

fn shown_options_can_be_set_again(_: &mut Context<'_>) -> Result<()> {
    family::shown_options_can_be_set_again(TARGET, 1..=9)
}

fn counts_what_a_change_and_a_reset_drop(_: &mut Context<'_>) -> Result<()> {
    family::counts_what_a_change_and_a_reset_drop(TARGET)
}

fn counts_each_packet_once(context: &mut Context<'_>) -> Result<()> {
    let changes = [
        "limit 5",
        "limit 1",
        "limit 0",
        "limit 10240",
        "memory_limit 3kb",
        "memory_limit 32mb",
        "target 1us interval 1us",
        "target 100s interval 100s",
    ];
    family::counts_each_packet_once(context, TARGET, &changes)
}

fn frees_what_a_change_drops(context: &mut Context<'_>) -> Result<()> {
    family::frees_what_a_change_drops(context, TARGET, "fq_codel")
}
