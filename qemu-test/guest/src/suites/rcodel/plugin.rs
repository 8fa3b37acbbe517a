// SPDX-License-Identifier: GPL-2.0

//! `tc` and its plug-in for `rcodel`: what it sends, and that it prints as `tc` itself
//! prints for `codel`.

use std::sync::LazyLock;

use anyhow::{ensure, Context as _, Result};
use regex::Regex;

use super::options::expect_options;
use super::{Bench, CODEL, KIND, MODULE};
use crate::suite::Context;
use crate::sys::cmd::{self, Output};
use crate::sys::codel::Options;
use crate::sys::module;
use crate::sys::netns::Dummy;

/// How `tc` can be asked to show qdiscs.
const SHOW: &[&str] = &[
    "",
    "-s",
    "-d",
    "-s -d",
    "-r",
    "-o",
    "-s -o",
    "-j",
    "-j -s",
    "-j -p -s -d",
    "-color=always -s",
];

pub(super) fn tc_sets_options(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let line = "limit 1000 target 5ms interval 100ms ecn ce_threshold 1ms";
    cmd::run(&format!("tc qdisc add dev tkd0 root rcodel {line}"))?;
    let asked = Options {
        limit: Some(1000),
        target: Some(5000),
        interval: Some(100_000),
        ecn: Some(1),
        ce_threshold: Some(1000),
    };
    expect_options(line, bench.options()?, asked.as_shown())?;
    bench.done()
}

pub(super) fn tc_changes_options(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    cmd::run("tc qdisc add dev tkd0 root rcodel ecn")?;
    // The defaults, and what is asked for in addition.
    let mut expected = Options {
        limit: Some(1000),
        target: Some(5000),
        interval: Some(100_000),
        ecn: Some(1),
        ce_threshold: None,
    };
    let mut change = |line: &str, step: fn(&mut Options)| {
        cmd::run(&format!("tc qdisc change dev tkd0 root rcodel {line}"))?;
        step(&mut expected);
        expect_options(line, bench.options()?, expected.as_shown())
    };
    change("limit 7", |options| options.limit = Some(7))?;
    change("noecn", |options| options.ecn = Some(0))?;
    change("target 2500us interval 0.2s", |options| {
        options.target = Some(2500);
        options.interval = Some(200_000);
    })?;
    change("ce_threshold 0", |options| options.ce_threshold = Some(0))?;
    // What means nothing changes nothing.
    change("limit 0 target 0 interval 0", |_| ())?;
    bench.done()
}

pub(super) fn tc_refuses_bad_options(_: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    cmd::run("tc qdisc add dev tkd0 root rcodel limit 17")?;
    let before = bench.options()?;
    for line in [
        "limit few",
        "limit -1",
        "limit 4294967296",
        "target 5parsecs",
        "target -1ms",
        "interval 4295s",
        "ce_threshold nan",
    ] {
        let output = cmd::output(&format!("tc qdisc change dev tkd0 root rcodel ecn {line}"))?;
        let option = line.split_whitespace().next().unwrap_or_default();
        let said = &output.err;
        ensure!(
            output.code == 1
                && said.starts_with(&format!("Illegal \"{option}\""))
                && said.contains("4294967295")
                && said.lines().count() == 1,
            "{line}: expected exit status 1 and a line with the range, got {output:?}"
        );
        expect_options(line, bench.options()?, before)?;
    }
    bench.done()
}

/// Runs `tc` with each of these lines, KIND being a kind's name.
fn session(kind: &str, lines: &[String]) -> Result<Vec<Output>> {
    lines
        .iter()
        .map(|line| cmd::output(&format!("tc {}", line.replace("KIND", kind))))
        .collect()
}

/// Delays are not the same twice.
static DELAY: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"ldelay("?:?) ?[0-9.]+([mu]?s)?"#).expect("a fixed pattern"));

/// Compares what `tc` said of either kind, but for the name and delays, and returns how many
/// bytes that were.
fn expect_same(lines: &[String], theirs: &[Output], ours: &[Output]) -> Result<usize> {
    let plain = |text: &str| {
        let text = text.replace(KIND, CODEL);
        DELAY.replace_all(&text, "ldelay$1 N").into_owned()
    };
    let mut size = 0;
    for ((line, theirs), ours) in lines.iter().zip(theirs).zip(ours) {
        let (theirs, ours) = [theirs, ours]
            .map(|output| (output.code, plain(&output.out), plain(&output.err)))
            .into();
        ensure!(
            ours == theirs,
            "tc {line}: expected {theirs:?}, got {ours:?}"
        );
        size += ours.1.len() + ours.2.len();
    }
    Ok(size)
}

pub(super) fn tc_prints_as_for_codel(context: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let mut lines = Vec::new();
    for options in [
        "add KIND",
        "change KIND limit 10 target 2ms interval 50ms ecn ce_threshold 1ms",
        "replace KIND noecn ce_threshold 80us limit 0x20 interval 1.5s target 3",
        "change KIND ce_threshold 0 limit 0 target 4294967295us",
        "change KIND limit 4294967295 interval 1us",
        "change KIND",
    ] {
        let (verb, options) = options.split_once(' ').context("a verb and a kind")?;
        lines.push(format!("qdisc {verb} dev tkd0 root handle 1: {options}"));
        lines.extend(SHOW.iter().map(|how| format!("{how} qdisc show dev tkd0")));
    }
    lines.extend(
        [
            "qdisc add dev tkd0 root KIND help",
            "qdisc add dev tkd0 root KIND limit 3 help ecn",
            "qdisc add dev tkd0 root KIND limit",
            "qdisc add dev tkd0 root KIND ecn target",
            "qdisc add dev tkd0 root KIND limit 3 foo",
            "qdisc add dev tkd0 root KIND Limit 3",
            "qdisc add dev tkd0 root KIND limit 3",
            "qdisc add dev tkd0 parent 1:1 KIND limit 3",
            "-s class show dev tkd0",
            "class add dev tkd0 parent 1: classid 1:1 KIND limit 3",
            "qdisc del dev tkd0 root KIND",
            "qdisc change dev tkd0 root KIND limit 3",
        ]
        .map(str::to_owned),
    );
    let theirs = session(CODEL, &lines)?;
    let ours = session(KIND, &lines)?;
    let size = expect_same(&lines, &theirs, &ours)?;
    for (line, output) in lines.iter().zip(&ours) {
        if line.starts_with("-j") {
            let parsed: Result<serde_json::Value, _> = serde_json::from_str(&output.out);
            parsed.with_context(|| format!("tc {line}: not JSON: {}", output.out))?;
        }
    }
    context.note(format!("{} commands, {size} bytes the same", lines.len()))?;
    bench.done()
}

pub(super) fn tc_prints_counts_as_for_codel(context: &mut Context<'_>) -> Result<()> {
    let bench = Bench::new(MODULE)?;
    let shows: Vec<_> = SHOW
        .iter()
        .map(|how| format!("{how} qdisc show dev tkd0"))
        .collect();
    let run = |kind: &str| -> Result<Vec<Output>> {
        // Two of our packets, of 48 bytes, and no third for 44 s: the rest has to wait.
        cmd::run("tc qdisc replace dev tkd0 root handle 1: tbf rate 8bit burst 100 limit 5000")?;
        let child = "qdisc add dev tkd0 parent 1:1 handle 10:";
        cmd::run(&format!("tc {child} {kind} limit 5 ecn ce_threshold 1ms"))?;
        bench.device.send(50)?;
        let shown = session(kind, &shows)?;
        cmd::run("tc qdisc del dev tkd0 root")?;
        Ok(shown)
    };
    let (theirs, ours) = (run(CODEL)?, run(KIND)?);
    let size = expect_same(&shows, &theirs, &ours)?;
    let counted = Regex::new(r"maxpacket 48 ecn_mark 0 drop_overlimit [1-9]")?;
    ensure!(
        ours.iter().any(|output| counted.is_match(&output.out)),
        "expected packets and drops, got {}",
        ours[1].out
    );
    context.note(format!("{} commands, {size} bytes the same", shows.len()))?;
    bench.done()
}

/// A folder with our modules alone that `modprobe` takes for the kernel's.
struct Installed(String);

impl Installed {
    fn new(modules: &[&str]) -> Result<Self> {
        let release = cmd::run("uname -r")?;
        let (from, to) = (
            "/run/tk-modules",
            format!("/lib/modules/{}", release.trim()),
        );
        std::fs::create_dir_all(from)?;
        for name in modules {
            std::fs::copy(module::file(name), format!("{from}/{name}.ko"))?;
        }
        // depmod(8) looks for them.
        for list in [
            "modules.order",
            "modules.builtin",
            "modules.builtin.modinfo",
        ] {
            std::fs::write(format!("{from}/{list}"), "")?;
        }
        cmd::run(&format!("mount --bind {from} {to}"))?;
        let installed = Self(to);
        cmd::run("depmod")?;
        Ok(installed)
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        if let Err(error) = cmd::run(&format!("umount {}", self.0)) {
            eprintln!("{error:#}");
        }
    }
}

pub(super) fn is_loaded_by_its_alias(_: &mut Context<'_>) -> Result<()> {
    let device = Dummy::new("tkd0", 1)?;
    let installed = Installed::new(&[module::LIBRARY, MODULE])?;
    cmd::run("tc qdisc add dev tkd0 root rcodel limit 3")?;
    let shown = cmd::run("tc qdisc show dev tkd0")?;
    ensure!(
        shown.starts_with("qdisc rcodel ") && shown.contains(" limit 3p "),
        "expected rcodel with limit 3p, got {shown}"
    );
    drop((installed, device));
    for name in [MODULE, module::LIBRARY] {
        module::rmmod(name).with_context(|| format!("cannot unload {name}"))?;
    }
    Ok(())
}
