// SPDX-License-Identifier: GPL-2.0

//! `tackle numa off`, `on`, `prefer` and `status`: the module `numa_control`; for `status` also the
//! policy that is registered.
//!
//! Without rules the kernel balances all tasks. The most specific rule wins: that of a task over
//! that of its process, that over the one of its cgroup (the deepest first), that over the one
//! for all.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use anyhow::{bail, ensure, Error, Result};
use clap::Args;
use serde::Serialize;

use super::cgroup::Cgroups;
use super::interface::{CONTROL, ERROR, POLICY, PREFER, SWITCH};
use super::kernel::Kernel;
use super::nodes::nodes;
use super::process;
use crate::files;
use crate::roots::Roots;
use crate::table::{json, say};

/// What a switch is for.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct Target {
    /// This task
    #[arg(long, value_name = "TID")]
    pid: Option<u32>,
    /// This process
    #[arg(long, value_name = "PID")]
    tgid: Option<u32>,
    /// This cgroup and those below it
    #[arg(long, value_name = "PATH")]
    cgroup: Option<String>,
    /// All tasks
    #[arg(long)]
    all: bool,
}

impl Target {
    /// Checks that there is such a thing, and returns what the module calls it.
    ///
    /// # Errors
    /// When there is none.
    fn word(&self, roots: &Roots) -> Result<String> {
        if let Some(pid) = self.pid {
            process::task(roots, pid)?;
            return Ok(format!("pid={pid}"));
        }
        if let Some(tgid) = self.tgid {
            process::process(roots, tgid)?;
            return Ok(format!("tgid={tgid}"));
        }
        match &self.cgroup {
            Some(path) => Ok(format!("cgroup={}", Cgroups::new(roots).path(path)?)),
            None => Ok("all".into()),
        }
    }
}

/// The node that a task is to prefer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preferred {
    /// This one.
    Node(u32),
    /// The one that the kernel finds.
    None,
}

/// Reads a node's number or `none`.
///
/// # Errors
/// When it is neither.
pub fn preferred(text: &str) -> Result<Preferred, String> {
    if text == "none" {
        return Ok(Preferred::None);
    }
    let node = text.parse().map(Preferred::Node);
    node.map_err(|_| "neither a node nor none".into())
}

/// The files of the module.
#[derive(Debug)]
pub struct Control<'a> {
    folder: PathBuf,
    roots: &'a Roots,
}

impl<'a> Control<'a> {
    /// Those of the kernel that is at `roots`.
    ///
    /// # Errors
    /// When debugfs is not mounted or only root may read it, or the module is not loaded.
    pub fn open(roots: &'a Roots) -> Result<Self> {
        Ok(Self {
            folder: CONTROL.open(roots)?,
            roots,
        })
    }

    /// Switches balancing on or off.
    ///
    /// # Errors
    /// When there is no such task, process or cgroup, or nothing to balance. The module's own.
    pub fn switch(&self, on: bool, target: &Target) -> Result<()> {
        Kernel::read(self.roots)?.check()?;
        let word = target.word(self.roots)?;
        self.write(SWITCH, &format!("{} {word}", if on { "on" } else { "off" }))
    }

    /// Sets the preferred node of a task.
    ///
    /// # Errors
    /// When there is no such task or node, when the node has no CPU or the task may run on none
    /// of them, or when there is nothing to balance. The module's own.
    pub fn prefer(&self, pid: u32, preferred: Preferred) -> Result<()> {
        Kernel::read(self.roots)?.check()?;
        let status = process::task(self.roots, pid)?;
        let Preferred::Node(number) = preferred else {
            return self.write(PREFER, &format!("{pid} none"));
        };
        let nodes = nodes(self.roots)?;
        let Some(node) = nodes.iter().find(|node| node.node == number) else {
            let numbers = nodes.iter().map(|node| node.node.to_string());
            bail!(
                "no node {number}; there are: {}",
                numbers.collect::<Vec<_>>().join(", ")
            );
        };
        let cpus = node.cpu_numbers()?;
        ensure!(!cpus.is_empty(), "node {number} has no CPU");
        let comm = &status.comm;
        ensure!(
            !cpus.is_disjoint(&status.cpus),
            "{comm} ({pid}) may not run on node {number}: its affinity or its cpuset has none of \
             the CPUs {}",
            node.cpus
        );
        self.write(PREFER, &format!("{pid} {number}"))
    }

    fn write(&self, file: &str, line: &str) -> Result<()> {
        files::write(&self.folder.join(file), line).map_err(|error| self.refusal(error, file))
    }

    /// The module's line for the write that it refused, or the kernel's error number.
    fn refusal(&self, error: io::Error, file: &str) -> Error {
        match files::read(&self.folder.join(ERROR)) {
            Ok(Some(line)) if !line.is_empty() => Error::msg(line),
            _ => Error::new(error).context(format!("{}/{file} refuses it", CONTROL.module)),
        }
    }

    fn lines(&self, file: &str) -> Result<Vec<String>> {
        let text = files::read(&self.folder.join(file))?.unwrap_or_default();
        Ok(text.lines().map(str::to_owned).collect())
    }
}

/// What is switched off, and what is preferred.
#[derive(Debug, Serialize)]
struct Status {
    #[serde(flatten)]
    kernel: Kernel,
    /// [`None`] when the module cannot be read.
    rules: Option<Vec<String>>,
    preferred: Option<BTreeMap<u32, u32>>,
    /// Why it cannot.
    without: Option<String>,
    /// [`None`] if the kernel's own rules decide, or if it cannot be read.
    policy: Option<Policy>,
    /// Whether it cannot.
    #[serde(skip)]
    is_hidden: bool,
}

/// A policy that a module has registered.
#[derive(Debug, Serialize)]
struct Policy {
    /// The module.
    module: String,
    /// How it is asked: `hooks`, or `ops` of the kernel.
    mechanism: String,
}

impl Policy {
    /// Reads which policy is registered.
    fn read(roots: &Roots) -> Result<Option<Self>> {
        let Some(line) = files::read(&roots.debugfs().join(POLICY))? else {
            return Ok(None);
        };
        let value = |key: &str| {
            let mut words = line.split_whitespace();
            let value = words.find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
            value.map(str::to_owned)
        };
        let pair = value("module").zip(value("mechanism"));
        Ok(pair.map(|(module, mechanism)| Self { module, mechanism }))
    }
}

/// Prints the state of NUMA balancing: of the kernel, and the module's rules.
///
/// # Errors
/// When the state cannot be read. That the module is not loaded is part of the state.
pub fn status(roots: &Roots, as_json: bool) -> Result<()> {
    let kernel = Kernel::read(roots)?;
    kernel.warn();
    let policy = Policy::read(roots);
    let mut status = Status {
        kernel,
        rules: None,
        preferred: None,
        without: None,
        is_hidden: policy.is_err(),
        policy: policy.unwrap_or_default(),
    };
    match Control::open(roots) {
        Ok(control) => {
            status.rules = Some(control.lines(SWITCH)?);
            let preferred = control.lines(PREFER)?;
            status.preferred = Some(preferred.iter().filter_map(|line| pair(line)).collect());
        }
        Err(error) => status.without = Some(error.to_string()),
    }
    if as_json {
        return json(&status);
    }
    say(&text(&status));
    Ok(())
}

/// Reads `pid=N node=M`.
fn pair(line: &str) -> Option<(u32, u32)> {
    let value = |key: &str| {
        let mut words = line.split_whitespace();
        words.find_map(|word| word.strip_prefix(key)?.parse().ok())
    };
    Some((value("pid=")?, value("node=")?))
}

fn text(status: &Status) -> String {
    let mut lines = vec![
        format!("nodes: {}", status.kernel.nodes),
        format!("balancing: {}", status.kernel.mode()),
    ];
    lines.push(match &status.policy {
        Some(Policy { module, mechanism }) => format!("policy: {module}, by {mechanism}"),
        None if status.is_hidden => "policy: only root may read it".into(),
        None => "policy: the kernel's".into(),
    });
    match (&status.rules, &status.without) {
        (Some(rules), _) if rules.is_empty() => lines.push("rules: none".into()),
        (Some(rules), _) => lines.extend(rules.iter().map(|rule| format!("rule: {rule}"))),
        (None, without) => lines.extend(without.iter().map(|why| format!("rules: {why}"))),
    }
    let preferred = status.preferred.iter().flatten();
    lines.extend(preferred.map(|(pid, node)| format!("preferred: task {pid}, node {node}")));
    lines.join("\n")
}
