// SPDX-License-Identifier: GPL-2.0

//! Tests the details that `rcodel` and `rfq_codel` show and `codel` and `fq_codel` do not: how long
//! packets waited, the state of the control law, and why packets were dropped or marked.

use std::time::Duration;

use anyhow::{ensure, Context as _, Result};
use nix::errno::Errno;
use serde_json::Value;
use tackle_core::codel::attr::HISTOGRAM;

use super::queue::{self, through_slow_line, PACKETS};
use crate::suite::Context;
use crate::suites::fault::expect_steps;
use crate::sys::bench::Bench;
use crate::sys::cmd;
use crate::sys::codel::attribute;
use crate::sys::dummy::{ECT_0, NOT_ECT};
use crate::sys::kernel::patience;
use crate::sys::{expect_errno, wait_for};
use crate::walk::{self, Target};

/// Returns all entries of this kind in the output of `tc -j -s -d WHAT show`.
fn all_of(what: &str, kind: &str) -> Result<Vec<Value>> {
    let all: Vec<Value> = queue::printed(&format!("-d {what} show dev tkd0"))?;
    // The key differs for classes, and between versions of `tc`.
    let is_of_kind = |value: &Value| {
        let members = value.as_object();
        members.is_some_and(|members| members.values().any(|member| member == kind))
    };
    Ok(all.into_iter().filter(is_of_kind).collect())
}

/// Returns the first entry of this kind in the output of `tc -j -s -d WHAT show` for which `fits`
/// returns true.
fn find(what: &str, kind: &str, fits: impl Fn(&Value) -> bool) -> Result<Option<Value>> {
    Ok(all_of(what, kind)?.into_iter().find(|value| fits(value)))
}

/// Returns how many packets our queues have dropped for this reason.
pub fn dropped_for(kind: &str, reason: &str) -> Result<u32> {
    let of = |queue: &Value| queue["details"]["drops"][reason].as_u64();
    let all = all_of("qdisc", kind)?;
    Ok(u32::try_from(all.iter().filter_map(of).sum::<u64>())?)
}

/// Returns our queue.
pub(super) fn shown(kind: &str) -> Result<Value> {
    let found = find("qdisc", kind, |_| true)?;
    found.with_context(|| format!("no {kind} on tkd0"))
}

/// Waits until all packets have left our queue, and returns it.
pub(super) fn drained(kind: &str) -> Result<Value> {
    queue::drained("tkd0")?;
    shown(kind)
}

/// Returns the sum of the members of an object.
pub(super) fn sum(object: &Value) -> Result<u64> {
    let members = object.as_object().context("an object")?;
    Ok(members.values().filter_map(Value::as_u64).sum())
}

/// Returns how many packets are in the histogram, or [`None`] if it is off.
fn counted(queue: &Value) -> Result<Option<u64>> {
    let Some(buckets) = queue["details"]["sojourn"].as_array() else {
        return Ok(None);
    };
    let mut last = 0;
    let mut packets = 0;
    for bucket in buckets {
        let [low, high, count] = ["low", "high", "count"].map(|key| bucket[key].as_u64());
        let (low, high) = low.zip(high).context("times")?;
        ensure!(
            last <= low && low < high && count > Some(0),
            "expected buckets with packets in order, got {buckets:?}"
        );
        last = high;
        packets += count.unwrap_or_default();
    }
    Ok(Some(packets))
}

pub fn counts_how_long_packets_wait(context: &mut Context<'_>, target: Target) -> Result<()> {
    let Target { module, kind } = target;
    let bench = Bench::new(module)?;
    let lazy = "target 100s interval 100s histogram";
    through_slow_line(&bench, kind, lazy, NOT_ECT, "400kbit")?;
    let queue = drained(kind)?;
    let all = Some(u64::from(PACKETS));
    ensure!(
        queue["options"]["histogram"] == true && counted(&queue)? == all,
        "expected {all:?} packets in the histogram, got {queue}"
    );
    let longest = queue["details"]["sojourn"]
        .as_array()
        .and_then(|all| all.last());
    let longest = longest.context("a bucket")?;
    // More than 100 packets, of a millisecond each, left before the last one.
    ensure!(
        longest["high"].as_u64() > Some(100_000),
        "expected packets that waited for 100 ms and more, got {queue}"
    );
    let text = cmd::run("tc -s -d qdisc show dev tkd0")?;
    ensure!(
        text.contains(&format!("\n  sojourn: {PACKETS} packets\n")) && text.contains(" histogram "),
        "expected the histogram behind -d, got {text}"
    );
    let text = cmd::run("tc -s qdisc show dev tkd0")?;
    ensure!(!text.contains("sojourn"), "expected no details, got {text}");

    let mut steps = Vec::new();
    for (options, expected) in [
        // The histogram keeps its counts if another option changes, or if it is enabled again.
        ("limit 500", all),
        ("histogram", all),
        ("nohistogram", None),
        ("limit 501", None),
        ("histogram", Some(0)),
    ] {
        let line = "tc qdisc change dev tkd0 parent 1:1 handle 10:";
        cmd::run(&format!("{line} {kind} {options}"))?;
        let queue = shown(kind)?;
        let seen = counted(&queue)?;
        let on = queue["options"].get("histogram").is_some();
        ensure!(
            seen == expected && on == expected.is_some(),
            "after {options}: expected {expected:?} packets, got {queue}"
        );
        steps.push(format!("{options} {seen:?}"));
    }
    context.note(format!("longest {longest}; {}", steps.join(", ")))?;
    bench.done()
}

pub fn tells_why_packets_are_dropped_or_marked(
    context: &mut Context<'_>,
    target: Target,
    overlimit: &str,
) -> Result<()> {
    let Target { module, kind } = target;
    let bench = Bench::new(module)?;
    let eager = "target 1us interval 1us";
    let lazy = "target 100s interval 100s";
    for (options, dsfield, drops, marks) in [
        (format!("{eager} noecn"), ECT_0, "target", ""),
        (format!("{eager} ecn"), ECT_0, "", "target"),
        (
            format!("{lazy} ce_threshold 1ms"),
            ECT_0,
            "",
            "ce_threshold",
        ),
        (format!("{lazy} {overlimit}"), NOT_ECT, "overlimit", ""),
    ] {
        through_slow_line(&bench, kind, &options, dsfield, "400kbit")?;
        let queue = drained(kind)?;
        for (what, reason) in [("drops", drops), ("marks", marks)] {
            let seen = &queue["details"][what];
            let of_reason = seen[reason].as_u64().unwrap_or_default();
            ensure!(
                sum(seen)? == of_reason && (of_reason == 0) == reason.is_empty(),
                "{options}: expected {what} for '{reason}' alone, got {queue}"
            );
        }
        ensure!(
            sum(&queue["details"]["drops"])? == queue["drops"].as_u64().context("drops")?,
            "{options}: expected a reason for each drop, got {queue}"
        );
        context.note(format!("{options}: {}", queue["details"]))?;
        cmd::run("tc qdisc del dev tkd0 root")?;
    }
    bench.done()
}

/// Tests that `what`, a qdisc or a class, shows the state of the control law.
pub fn tells_of_the_control_law(target: Target, what: &str) -> Result<()> {
    let Target { module, kind } = target;
    let bench = Bench::new(module)?;
    // A packet takes half a second, which leaves time to read the state.
    through_slow_line(&bench, kind, "target 1ms interval 100s", NOT_ECT, "800bit")?;
    let limit = patience(Duration::from_secs(5));
    // For a class, `tc` prints the statistics of the kind among the general ones.
    let first_above = |value: &Value| {
        let place = if what == "class" { "/stats" } else { "" };
        let member = value.pointer(&format!("{place}/details/first_above"));
        member.and_then(Value::as_i64)
    };
    let seen = wait_for("the queue to be above its target", limit, || {
        find(what, kind, |value| first_above(value).is_some())
    });
    let seen = seen.with_context(|| {
        let text = cmd::run(&format!("tc -j -s -d {what} show dev tkd0"));
        format!("of {text:?}")
    })?;
    ensure!(
        (1..100_000_000).contains(&first_above(&seen).unwrap_or_default()),
        "expected less than the interval of 100 s to go, got {seen}"
    );
    let text = cmd::run(&format!("tc -s -d {what} show dev tkd0"))?;
    ensure!(
        text.contains("\n  first_above "),
        "expected the time behind -d, got {text}"
    );
    if what == "class" {
        let queue = shown(kind)?;
        let flows = ["flows_above", "flows_dropping"].map(|key| queue["details"][key].as_u64());
        ensure!(
            flows == [Some(1), Some(0)],
            "expected one flow above the target, got {queue}"
        );
    }
    bench.done()
}

pub fn a_bad_histogram_changes_nothing(context: &mut Context<'_>, target: Target) -> Result<()> {
    let Target { module, kind } = target;
    let bench = Bench::new(module)?;
    let limit = attribute(2, &17u32.to_ne_bytes());
    for (value, expected) in [(&[2][..], Errno::EINVAL), (&[], Errno::ERANGE)] {
        let options = [&limit[..], &attribute(HISTOGRAM, value)].concat();
        let answer = bench.fresh(kind, Some(&options))?;
        expect_errno("adding", answer, expected)?;
        bench.fresh(kind, None)??;
        let before = bench.show()?.options;
        let answer = bench.change(kind, &options)?;
        expect_errno("changing", answer, expected)?;
        ensure!(bench.show()?.options == before, "{value:?} changed options");
    }
    let steps = walk::changing(kind, &bench.device, &attribute(HISTOGRAM, &[1]))?;
    let expected = [
        "qdisc_change_options EINVAL",
        "qdisc_histogram_alloc ENOMEM",
    ];
    expect_steps(context, &steps, &expected)?;
    bench.done()
}
