// SPDX-License-Identifier: GPL-2.0

//! Tests `tackle qdisc watch` on real queues. Most tests are about values that `tc` cannot show, or
//! about systems without parts of `tc`.

use std::path::Path;

use anyhow::{bail, ensure, Context as _, Result};
use serde_json::Value;

use super::{LIMIT, NOBODY};
use crate::suite::Context;
use crate::sys::bench::Bench;
use crate::sys::dummy::Dummy;
use crate::sys::tackle::{expect_refusal, script, PROGRAM};
use crate::sys::{cmd, wait_for};

/// Returns the output of `tackle qdisc watch --json` about the queues on a device.
fn watched(device: &str) -> Result<Vec<Value>> {
    let text = cmd::run(&format!("{PROGRAM} qdisc watch {device} --json"))?;
    serde_json::from_str(&text).with_context(|| format!("no JSON: {text}"))
}

/// Runs a command that must print one queue of this kind, and returns the line.
fn expect_queue(command: &str, kind: &str) -> Result<String> {
    let text = cmd::run(command)?;
    let first = text.lines().next().unwrap_or_default();
    ensure!(
        first.starts_with(&format!("{kind} ")) && text.lines().count() == 1,
        "`{command}`: expected one line about {kind}, got '{text}'"
    );
    Ok(text)
}

/// Returns whether the kernel has `ingress` and `clsact`, which small kernels lack.
fn has_ingress() -> bool {
    cmd::run("modprobe sch_ingress").is_ok()
}

fn tc(words: &str) -> Result<String> {
    cmd::run(&format!("tc {words}"))
}

pub fn queues_are_watched(context: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new("sch_rcodel")?;
    for (parent, class, options) in [
        ("prio", "1:2", "rcodel limit 3 histogram"),
        ("hfsc default 1", "1:1", "rcodel limit 3"),
        ("htb default 1", "1:1", "rcodel limit 3"),
        ("hfsc default 1", "1:1", "codel limit 3"),
        ("hfsc default 1", "1:1", "fq_codel limit 3"),
    ] {
        tc(&format!("qdisc add dev tkd0 root handle 1: {parent}"))?;
        let class_options = match parent.split_once(' ') {
            Some(("hfsc", _)) => Some("hfsc sc rate 1gbit"),
            Some(("htb", _)) => Some("htb rate 1gbit"),
            _ => None,
        };
        if let Some(words) = class_options {
            tc(&format!("class add dev tkd0 parent 1: classid 1:1 {words}"))?;
        }
        tc(&format!(
            "qdisc add dev tkd0 parent {class} handle 10: {options}"
        ))?;
        // Add a qdisc that is not below the root, and must not be shown.
        if has_ingress() {
            tc("qdisc add dev tkd0 clsact")?;
        }
        bench.device.send(9)?;
        let (kind, _) = options.split_once(' ').context("a kind")?;
        let queues = watched("tkd0")?;
        let [queue] = &queues[..] else {
            bail!("expected one queue, got {queues:?}");
        };
        let sent = queue["packets"].as_u64();
        ensure!(
            queue["kind"] == kind && queue["parent"] == class && sent == Some(9),
            "expected {kind} with 9 packets, got {queue}"
        );
        // If stdout is no terminal, the queues are printed once.
        for words in ["qdisc watch tkd0", "qdisc watch tkd0 --once"] {
            let text = cmd::run(&format!("{PROGRAM} {words}"))?;
            let first = text.lines().next().unwrap_or_default();
            ensure!(
                first.starts_with(&format!("{kind} 10: parent {class} "))
                    && first.contains(" packets=9 ")
                    && first.contains(" per-second=- drops=0 marks=0 "),
                "expected {kind} with 9 packets, got '{text}'"
            );
            let is_counted = first.contains(" p50=") && text.lines().count() > 1;
            ensure!(
                is_counted == options.contains("histogram"),
                "expected the histogram where it is on, got '{text}'"
            );
            context.note(first)?;
        }
        if has_ingress() {
            tc("qdisc del dev tkd0 clsact")?;
        }
        tc("qdisc del dev tkd0 root")?;
    }
    bench.done()
}

/// Returns a value of a queue that differs between `tackle` and `tc`, if there is one.
fn difference(ours: &Value, theirs: &Value) -> Option<String> {
    let is_same = |key: &str| match &theirs[key] {
        // `tc` prints such a value only if it is not 0.
        Value::Null if key.ends_with("_mark") => ours[key] == 0,
        expected => ours[key] == *expected,
    };
    let details = |key: &&str| {
        let (ours, theirs) = (&ours["details"][key], &theirs["details"][key]);
        !theirs.is_null() && ours != theirs
    };
    let mut keys = ours.as_object()?.keys().map(String::as_str);
    let key = keys.find(|key| *key != "details" && !is_same(key));
    let key = key.or_else(|| ["drops", "marks", "sojourn"].into_iter().find(details));
    key.map(|key| format!("{key}: expected {theirs}, got {ours}"))
}

pub fn the_numbers_are_those_of_tc(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new("sch_rcodel")?;
    for options in [
        "rcodel limit 3 histogram",
        "codel limit 3",
        "fq_codel limit 3",
    ] {
        // Packets are sent faster than they leave, so some are dropped.
        tc("qdisc add dev tkd0 root handle 1: tbf rate 8kbit burst 1600 limit 100000")?;
        tc(&format!(
            "qdisc add dev tkd0 parent 1:1 handle 10: {options}"
        ))?;
        bench.device.send(90)?;
        // While packets leave, the second reading has larger counts than the first.
        wait_for("the queue to be empty", LIMIT, || {
            let queue = watched("tkd0")?.pop().context("no queue")?;
            Ok((queue["qlen"] == 0).then_some(()))
        })?;
        let ours = watched("tkd0")?.pop().context("no queue")?;
        let text = tc("-j -s -d qdisc show dev tkd0")?;
        let all: Vec<Value> = serde_json::from_str(&text).context(text)?;
        let ten = |queue: &Value| queue["handle"] == "10:";
        let theirs = all.into_iter().find(ten).context("tc shows no queue")?;
        ensure!(
            theirs["drops"].as_u64() > Some(0) && theirs["packets"].as_u64() > Some(0),
            "expected packets and drops, got {theirs}"
        );
        if let Some(difference) = difference(&ours, &theirs) {
            bail!("{options}, {difference}");
        }
        tc("qdisc del dev tkd0 root")?;
    }
    bench.done()
}

pub fn a_queue_needs_no_plug_in(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new("sch_rcodel")?;
    let without = "env -u TC_LIB_DIR";
    let refused = cmd::output(&format!(
        "{without} tc qdisc add dev tkd0 root rcodel limit 3"
    ))?;
    ensure!(
        refused.code != 0,
        "expected tc without its plug-in, got {refused:?}"
    );
    tc("qdisc add dev tkd0 root rcodel")?;
    expect_queue(
        &format!("{without} {PROGRAM} qdisc watch tkd0 --once"),
        "rcodel",
    )?;
    bench.done()
}

/// Tests that the command works without `tc` and without sysfs.
pub fn a_queue_needs_neither_tc_nor_sysfs(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new("sch_rcodel")?;
    tc("qdisc add dev tkd0 root rcodel")?;
    let lines = format!(
        "mount -t tmpfs none /usr/sbin\nmount -t tmpfs none /sys\n\
         ! command -v tc && ! test -e /sys/class || exit 3\n\
         exec {PROGRAM} qdisc watch tkd0 --once"
    );
    expect_queue(&script("unshare --mount", &lines)?, "rcodel")?;
    bench.done()
}

pub fn a_queue_is_of_the_callers_namespace(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new("sch_rcodel")?;
    let lines = format!(
        "ip link add x0 type dummy\nip link set x0 up\ntc qdisc add dev x0 root rcodel\n\
         exec {PROGRAM} qdisc watch x0 --once"
    );
    expect_queue(&script("unshare --net", &lines)?, "rcodel")?;
    // tkd0 does not exist in this namespace, so it must not be in the list.
    tc("qdisc add dev tkd0 root rcodel")?;
    let lines = format!("exec {PROGRAM} qdisc watch tkd0 --once");
    let said = expect_refusal(&script("unshare --net", &lines)?, "no device tkd0")?;
    ensure!(
        said.trim_end().ends_with("; there are: lo"),
        "expected lo alone, got '{said}'"
    );
    bench.done()
}

pub fn a_device_has_alternative_names(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new("sch_rcodel")?;
    tc("qdisc add dev tkd0 root handle 10: rcodel limit 3")?;
    bench.device.send(3)?;
    let expected = watched("tkd0")?;
    for name in ["wan0", "a-name-of-more-than-15-bytes"] {
        cmd::run(&format!("ip link property add dev tkd0 altname {name}"))?;
        let got = watched(name)?;
        ensure!(
            got == expected && expected.len() == 1,
            "{name}: expected {expected:?}, got {got:?}"
        );
        cmd::run(&format!("ip link property del dev tkd0 altname {name}"))?;
        expect_refusal(
            &format!("{PROGRAM} qdisc watch {name}"),
            &format!("no device {name}; there are: "),
        )?;
    }
    bench.done()
}

pub fn anybody_may_watch_a_queue(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new("sch_rcodel")?;
    tc("qdisc add dev tkd0 root rcodel")?;
    let path = "/usr/local/bin:/usr/bin:/bin";
    // If `tc` were in /usr/bin, the search for it would not be tested.
    ensure!(!Path::new("/usr/bin/tc").exists(), "tc is in /usr/bin");
    let command = format!("env PATH={path} {NOBODY} {PROGRAM} qdisc watch tkd0 --once");
    expect_queue(&command, "rcodel")?;
    bench.done()
}

/// Tests queues below `multiq` and `mq`. iproute2 prints no JSON for the options of `multiq`.
pub fn queues_below_multiq_and_mq_are_watched(context: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new("sch_rfq_codel")?;
    let device = Dummy::with_queues("tkd1", 2, 2)?;
    for root in ["multiq", "mq"] {
        tc(&format!("qdisc add dev tkd1 root handle 1: {root}"))?;
        tc("qdisc replace dev tkd1 parent 1:1 rfq_codel")?;
        let text = tc("-j -s -d qdisc show dev tkd1")?;
        let is_json = serde_json::from_str::<Value>(&text).is_ok();
        context.note(format!("JSON of tc for {root} is valid: {is_json}"))?;
        let text = cmd::run(&format!("{PROGRAM} qdisc watch tkd1 --once"))?;
        let ours: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("rfq_codel ") && line.contains(" parent 1:1 "))
            .collect();
        ensure!(
            ours.len() == 1,
            "{root}: expected rfq_codel below 1:1, got '{text}'"
        );
        tc("qdisc del dev tkd1 root")?;
    }
    drop(device);
    bench.done()
}

pub fn devices_without_codel_are_refused(_: &mut Context<'_>) -> Result<()> {
    let device = Dummy::new("tkd0", 1)?;
    let mut none = "tkd0 has none of rcodel, rfq_codel, codel, fq_codel; it has noqueue: ";
    if has_ingress() {
        tc("qdisc add dev tkd0 ingress")?;
        none = "tkd0 has none of rcodel, rfq_codel, codel, fq_codel; it has noqueue, ingress: ";
    }
    for (words, part) in [
        ("watch tkd1", "no device tkd1; there are: "),
        ("watch tkd0 --json", none),
    ] {
        expect_refusal(&format!("{PROGRAM} qdisc {words}"), part)?;
    }
    drop(device);
    cmd::run("ip link add tkd0 type dummy")?;
    let down = "tkd0 has no queueing discipline because it is down: ip link set tkd0 up";
    let outcome = expect_refusal(&format!("{PROGRAM} qdisc watch tkd0 --once"), down);
    cmd::run("ip link del tkd0")?;
    outcome.map(drop)
}
