// SPDX-License-Identifier: GPL-2.0

//! Tests `tackle qdisc probe`.

use std::os::unix::process::ExitStatusExt;

use anyhow::{ensure, Context as _, Result};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use serde_json::Value;

use super::{LIMIT, USERS_PATH};
use crate::suite::Context;
use crate::sys::tackle::{expect_refusal, script, PROGRAM};
use crate::sys::{cmd, debugfs, module, wait_for};

/// Arguments for a link that is slow enough for an emulated processor, and for a short measurement.
const PROBE: &str = "qdisc probe --rate 2mbit --rtt 10ms --flows 2";

/// Tests that a short measurement of three queues gives plausible figures, and a picture.
pub fn qdiscs_are_probed(context: &mut Context<'_>) -> Result<()> {
    let modules = module::qdiscs()?;
    let picture = "/tmp/probe.svg";
    // `tackle` must find `tc` even if PATH lacks its folder.
    let probe = format!("{USERS_PATH} {PROGRAM} {PROBE} --time 2s");
    let line = format!("{probe} --json --output {picture} pfifo rcodel rfq_codel");
    let text = cmd::run(&line)?;
    let all: Value = serde_json::from_str(&text)?;
    let all = all.as_array().context("no list")?;
    for (one, kind) in all.iter().zip(["pfifo", "rcodel", "rfq_codel"]) {
        let number = |name: &str| one[name].as_f64().unwrap_or(f64::NAN);
        let (mbit, p50, p99) = (number("mbit"), number("p50_ms"), number("p99_ms"));
        context.note(format!(
            "{kind}: {mbit:.2} Mbit/s, ping {p50:.1}, {p99:.1} ms"
        ))?;
        ensure!(one["qdisc"] == kind, "expected {kind}, got {one}");
        // The rate must not exceed that of the link, and the delay must not be less than its
        // minimum. The comparisons also reject NaN.
        ensure!(
            mbit > 0.0 && mbit < 3.0 && p50 >= 10.0 && p99 >= p50,
            "expected up to 2 Mbit/s and a ping of 10 ms or more, got {one}"
        );
    }
    ensure!(all.len() == 3, "expected three qdiscs, got {}", all.len());
    let svg = debugfs::read(picture)?;
    ensure!(
        svg.starts_with("<svg") && svg.contains("rfq_codel"),
        "expected a picture, got '{svg}'"
    );
    modules.unload()
}

/// Tests that a probe leaves nothing behind, also if it fails or is killed. A remaining qdisc would
/// keep its module from being unloaded.
pub fn a_probe_leaves_nothing_behind(_: &mut Context<'_>) -> Result<()> {
    let modules = module::qdiscs()?;
    let no_file = "/no/such/folder/probe.svg";
    for (words, part) in [
        ("rcodel no_such_kind", "no_such_kind: Error"),
        (&format!("--output {no_file} rcodel"), no_file),
    ] {
        expect_refusal(&format!("{PROGRAM} {PROBE} --time 1s {words}"), part)?;
    }
    // A probe that fails must not change an existing file.
    let picture = "/tmp/old.svg";
    std::fs::write(picture, "old")?;
    let words = format!("{PROGRAM} {PROBE} --time 1s --output {picture} no_such_kind");
    expect_refusal(&words, "no_such_kind: Error")?;
    let left = debugfs::read(picture)?;
    ensure!(left == "old", "expected the old picture, got '{left}'");
    let lines =
        format!("mount -t tmpfs none /usr/sbin\nPATH=/nowhere exec {PROGRAM} {PROBE} rcodel");
    expect_refusal(&script("unshare --mount", &lines)?, "install iproute2")?;
    let uses = || module::uses("sch_rcodel");
    let mut probe = cmd::start(&format!("{PROGRAM} {PROBE} --time 600s rcodel"))?;
    wait_for("the qdisc to come", LIMIT, || {
        Ok((uses()? > 0).then_some(()))
    })?;
    let pid = Pid::from_raw(probe.0.id().try_into()?);
    kill(pid, Signal::SIGINT).context("cannot interrupt it")?;
    let status = probe.0.wait()?;
    ensure!(
        status.signal() == Some(Signal::SIGINT as i32),
        "expected it to be interrupted, got {status}"
    );
    wait_for(
        "the qdisc to go",
        LIMIT,
        || Ok((uses()? == 0).then_some(())),
    )?;
    modules.unload()
}
