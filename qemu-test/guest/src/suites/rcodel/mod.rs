// SPDX-License-Identifier: GPL-2.0

//! Tests `sch_rcodel`: the queueing discipline itself, its options compared with the kernel's
//! `codel`, its use by `tc`, and its behaviour with traffic.

mod options;
mod plugin;
mod traffic;

use anyhow::{ensure, Result};
use nix::errno::Errno;
use serde_json::Value;

use self::options::{
    changes_options_as_codel_does, has_the_defaults_of_codel, limit_zero_drops_everything,
    refuses_what_codel_refuses, shows_xstats, takes_options_as_codel_does,
};
use self::plugin::{
    is_loaded_by_its_alias, tc_changes_options, tc_prints_as_for_codel,
    tc_prints_counts_as_for_codel, tc_refuses_bad_options,
    tc_refuses_what_codel_makes_another_value, tc_sets_options, tc_takes_what_it_takes_for_codel,
};
use self::traffic::{changes_under_traffic, keeps_the_delay_low, replaced_under_traffic};
use super::codel_family as family;
use crate::suite::{list, Context, Suite};
use crate::sys::bench::Bench;
use crate::sys::codel::{attribute, TIMES};
use crate::sys::dummy::Dummy;
use crate::sys::qdisc::{How, Shown, Tc};
use crate::sys::twins::{Twins, BLOCKED};
use crate::sys::{cmd, expect_errno, module, tdc};
use crate::walk::RCODEL;

/// The suite.
pub const SUITE: Suite = Suite {
    name: "rcodel",
    by_name_only: false,
    tests: list![
        is_unknown_before_loading,
        is_loaded_by_its_alias,
        tc_adds_and_lists_it,
        tc_sets_options,
        tc_changes_options,
        tc_refuses_bad_options,
        tc_takes_what_it_takes_for_codel,
        tc_refuses_what_codel_makes_another_value,
        tc_prints_as_for_codel,
        tc_prints_counts_as_for_codel,
        passes_the_kernels_own_cases,
        counts_packets_exactly,
        has_the_defaults_of_codel,
        takes_options_as_codel_does,
        changes_options_as_codel_does,
        shows_xstats,
        limit_zero_drops_everything,
        refuses_what_codel_refuses,
        bad_options_leave_the_old_qdisc,
        deletes,
        cannot_be_unloaded_in_use,
        changes_under_traffic,
        replaced_under_traffic,
        keeps_the_delay_low,
        works_below_others,
        is_the_default_below_mq,
        goes_down_and_up_with_its_device,
        carries_packets_of_all_kinds,
        goes_with_its_name_space,
        counts_how_long_packets_wait,
        tells_why_packets_are_dropped_or_marked,
        counts_drops_of_a_lower_limit,
        tells_of_the_control_law,
        a_bad_histogram_changes_nothing,
        refuses_times_that_are_too_long,
        shown_options_can_be_set_again,
        counts_what_a_change_and_a_reset_drop,
        counts_each_packet_once,
        frees_what_a_change_drops,
    ],
};

const MODULE: &str = "sch_rcodel";
const KIND: &str = "rcodel";
const CODEL: &str = "codel";
const TWINS: Twins = Twins {
    ours: KIND,
    theirs: CODEL,
};

fn is_unknown_before_loading(_: &mut Context<'_>) -> Result<()> {
    let device = Dummy::new("tkd0", 1)?;
    let tc = Tc::open()?;
    let answer = tc.put(How::Replace, device.index, KIND, None)?;
    expect_errno("adding rcodel without the module", answer, Errno::ENOENT)
}

fn tc_adds_and_lists_it(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    cmd::run("tc qdisc add dev tkd0 root rcodel")?;
    bench.device.send(5)?;
    let shown: Value = serde_json::from_str(&cmd::run("tc -s -j qdisc show dev tkd0 root")?)?;
    let root = &shown[0];
    ensure!(
        root["kind"] == KIND && root["packets"] == 5 && root["drops"] == 0,
        "expected rcodel with 5 packets and no drop, got {shown}"
    );
    bench.done()
}

fn passes_the_kernels_own_cases(context: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(MODULE, "")?;
    tdc::run(context, TWINS)?;
    stack.unload()
}

fn counts_packets_exactly(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    bench.fresh(KIND, None)??;
    bench.device.send(1000)?;
    let ours = bench.show()?;
    bench.fresh(CODEL, None)??;
    bench.device.send(1000)?;
    let theirs = bench.show()?;
    let counts = |shown: &Shown| (shown.packets, shown.bytes, shown.drops, shown.qlen);
    ensure!(
        ours.packets == 1000 && counts(&ours) == counts(&theirs),
        "expected packets, bytes, drops, length {:?} as codel has, got {:?}",
        counts(&theirs),
        counts(&ours)
    );
    bench.done()
}

fn bad_options_leave_the_old_qdisc(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let answer = bench.fresh(KIND, Some(&attribute(1, &[1, 2])))?;
    ensure!(answer.is_err(), "expected a refusal of a short target");
    let shown = bench.show()?;
    ensure!(
        shown.kind == "pfifo",
        "expected the old pfifo, got {}",
        shown.kind
    );
    bench.device.send(3)?;
    let sent = bench.show()?.packets - shown.packets;
    ensure!(sent == 3, "expected 3 packets through it, got {sent}");
    bench.done()
}

fn deletes(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    for _ in 0..20 {
        bench.tc.put(How::Add, bench.device.index, KIND, None)??;
        bench.device.send(2)?;
        bench.tc.delete(bench.device.index)??;
    }
    let again = bench.tc.delete(bench.device.index)?;
    ensure!(again.is_err(), "expected no qdisc to delete");
    bench.done()
}

fn cannot_be_unloaded_in_use(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    bench.fresh(KIND, None)??;
    let answer = module::rmmod_once(MODULE);
    expect_errno("unloading a qdisc in use", answer, Errno::EWOULDBLOCK)?;
    let answer = module::rmmod_once(module::LIBRARY);
    expect_errno("unloading the library in use", answer, Errno::EWOULDBLOCK)?;
    bench.device.send(1)?;
    let packets = bench.show()?.packets;
    ensure!(packets == 1, "expected 1 packet through it, got {packets}");
    bench.done()
}

fn works_below_others(context: &mut Context<'_>) -> Result<()> {
    family::works_below_others(context, RCODEL, "limit 20")
}

fn is_the_default_below_mq(_: &mut Context<'_>) -> Result<()> {
    family::is_the_default_below_mq(RCODEL)
}

fn goes_down_and_up_with_its_device(context: &mut Context<'_>) -> Result<()> {
    family::goes_down_and_up_with_its_device(context, RCODEL, TWINS, "")
}

fn carries_packets_of_all_kinds(context: &mut Context<'_>) -> Result<()> {
    family::carries_packets_of_all_kinds(context, RCODEL, TWINS)
}

fn goes_with_its_name_space(_: &mut Context<'_>) -> Result<()> {
    family::goes_with_its_name_space(RCODEL)
}

fn counts_how_long_packets_wait(context: &mut Context<'_>) -> Result<()> {
    family::counts_how_long_packets_wait(context, RCODEL)
}

fn tells_why_packets_are_dropped_or_marked(context: &mut Context<'_>) -> Result<()> {
    family::tells_why_packets_are_dropped_or_marked(context, RCODEL, "limit 20")
}

fn counts_drops_of_a_lower_limit(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    cmd::run(BLOCKED)?;
    cmd::run("tc qdisc add dev tkd0 parent 1:1 handle 10: rcodel")?;
    // Two packets leave at once.
    bench.device.send(52)?;
    cmd::run("tc qdisc change dev tkd0 parent 1:1 handle 10: rcodel limit 10")?;
    let text = cmd::run("tc -s -d qdisc show dev tkd0 parent 1:1")?;
    ensure!(
        text.contains("(dropped 40, ")
            && text.contains("\n  drops: target 0 overlimit 0 change 40 reset 0\n"),
        "expected 40 drops for the lower limit, got {text}"
    );
    bench.done()
}

fn tells_of_the_control_law(_: &mut Context<'_>) -> Result<()> {
    family::tells_of_the_control_law(RCODEL, "qdisc")
}

fn a_bad_histogram_changes_nothing(context: &mut Context<'_>) -> Result<()> {
    family::a_bad_histogram_changes_nothing(context, RCODEL)
}

fn refuses_times_that_are_too_long(_: &mut Context<'_>) -> Result<()> {
    family::refuses_times_that_are_too_long(RCODEL, &TIMES)
}

fn shown_options_can_be_set_again(_: &mut Context<'_>) -> Result<()> {
    family::shown_options_can_be_set_again(RCODEL, 1..=5)
}

fn counts_what_a_change_and_a_reset_drop(_: &mut Context<'_>) -> Result<()> {
    family::counts_what_a_change_and_a_reset_drop(RCODEL)
}

fn counts_each_packet_once(context: &mut Context<'_>) -> Result<()> {
    let changes = [
        "limit 5",
        "limit 1",
        "limit 0",
        "limit 1000",
        "target 1us interval 1us",
        "target 100s interval 100s",
    ];
    family::counts_each_packet_once(context, RCODEL, &changes)
}

fn frees_what_a_change_drops(context: &mut Context<'_>) -> Result<()> {
    family::frees_what_a_change_drops(context, RCODEL, "codel")
}
