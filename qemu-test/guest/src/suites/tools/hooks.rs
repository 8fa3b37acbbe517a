// SPDX-License-Identifier: GPL-2.0

//! Tests `tackle hook add`, `del`, `list` and `watch` on the module `tackle_hooks`.

use std::collections::BTreeSet;

use anyhow::{ensure, Result};
use serde_json::Value;

use crate::suite::{skip, Context};
use crate::sys::livepatch::cmdline;
use crate::sys::tackle::{expect, expect_refusal, PROGRAM};
use crate::sys::{cmd, ftrace, module};

/// The module for hooks, and a function that this program calls.
const HOOKS: &str = "tackle_hooks";
const READ: &str = "cmdline_proc_show";

pub fn hooks_come_and_go(_: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(HOOKS, "")?;
    expect(&format!("hook add {READ} count"), "cmdline_proc_show_count")?;
    expect(
        &format!("hook add {READ} latency --name slow --cpu 0-1"),
        "slow",
    )?;
    let text = cmd::run(&format!("{PROGRAM} hook list --json"))?;
    let all: Value = serde_json::from_str(&text)?;
    ensure!(
        all[0]["name"] == "cmdline_proc_show_count"
            && all[0]["function"] == READ
            && all[1]["kind"] == "latency"
            && all[1]["filters"]["cpu"] == "0-1",
        "expected the two hooks, got {all}"
    );
    cmd::run(&format!("{PROGRAM} hook del slow cmdline_proc_show_count"))?;
    expect("hook list --json", "[]")?;
    stack.unload()
}

/// Tests a function of which the compiler has kept only clones.
pub fn clones_are_told_and_hooked(context: &mut Context<'_>) -> Result<()> {
    let kallsyms = std::fs::read_to_string("/proc/kallsyms")?;
    let names: BTreeSet<&str> = kallsyms
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2))
        .collect();
    let text = ftrace::traceable()?;
    let clone = text.lines().find_map(|line| {
        let base = line.strip_suffix(".part.0")?;
        let is_lone = !base.contains('.') && !names.contains(base);
        (is_lone && text.lines().filter(|other| *other == line).count() == 1).then_some(base)
    });
    let Some(base) = clone else {
        return skip("the compiler has made no clones that can be hooked");
    };
    let stack = module::stack(HOOKS, "")?;
    let said = expect_refusal(&format!("{PROGRAM} hook add {base} count"), "--clones")?;
    ensure!(said.contains(&format!("{base}.part.0")), "{said}");
    context.note(said.trim())?;
    let added = cmd::run(&format!("{PROGRAM} hook add {base} count --clones"))?;
    let name = format!("{base}.part.0_count");
    ensure!(added.lines().any(|line| line == name), "{added}");
    stack.unload()
}

pub fn hooks_are_watched(context: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(HOOKS, "")?;
    for kind in ["count", "latency", "return"] {
        expect(&format!("hook add {READ} {kind} --name {kind}"), kind)?;
    }
    for _ in 0..7 {
        cmdline()?;
    }
    let text = cmd::run(&format!("{PROGRAM} hook watch --once"))?;
    for line in text.lines() {
        context.note(line)?;
    }
    for kind in ["count", "latency", "return"] {
        let line = format!("{kind} {READ} {kind} calls=7 per-second=- missed=0");
        ensure!(
            text.lines().any(|other| other == line),
            "expected '{line}', got '{text}'"
        );
    }
    // The function returns 0 each time, so this is the only value.
    let last = text.lines().last().unwrap_or_default();
    let words: Vec<_> = last.split_whitespace().collect();
    ensure!(
        words.starts_with(&["0", "7"]),
        "expected '0 7', got '{last}'"
    );
    stack.unload()
}

pub fn bad_hooks_are_refused(_: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(HOOKS, "")?;
    expect(&format!("hook add {READ} count --name one"), "one")?;
    for (words, part) in [
        ("add no_such_function count", "no_such_function"),
        ("add vfs_read count --name one", "there is a hook 'one'"),
        ("add vfs_read count --name a/b", "letters, digits"),
        ("add vfs_read count --cpu many", "a list of at most"),
        ("del none", "there is no hook 'none'"),
        ("watch none", "no hook none; there are: one"),
    ] {
        expect_refusal(&format!("{PROGRAM} hook {words}"), part)?;
    }
    stack.unload()
}
