// SPDX-License-Identifier: GPL-2.0

//! Implements `tackle numa off`, `on`, `prefer` and `status`, which use the module `numa_control`.
//! `status` also shows the registered policy.
//!
//! Without rules the kernel balances all tasks. The most specific rule wins: first the rule of the
//! task, then that of its process, then that of its cgroup (the deepest first), and last the rule
//! for all tasks.

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
    /// Checks that the target exists, and returns its name for the module.
    ///
    /// # Errors
    /// Returns an error if the target does not exist.
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

/// The preferred node of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preferred {
    /// The node with this number.
    Node(u32),
    /// The node that the kernel selects.
    None,
}

/// Parses a node's number or `none`.
///
/// # Errors
/// Returns an error if `text` is neither.
pub fn preferred(text: &str) -> Result<Preferred, String> {
    if text == "none" {
        return Ok(Preferred::None);
    }
    let node = text.parse().map(Preferred::Node);
    node.map_err(|_| "neither a node nor none".into())
}

/// The files of the module `numa_control`.
#[derive(Debug)]
pub struct Control<'a> {
    folder: PathBuf,
    roots: &'a Roots,
}

impl<'a> Control<'a> {
    /// Opens the module's folder below `roots`.
    ///
    /// # Errors
    /// Returns an error if debugfs is not mounted, only root may read it, or the module is not
    /// loaded.
    pub fn open(roots: &'a Roots) -> Result<Self> {
        Ok(Self {
            folder: CONTROL.open(roots)?,
            roots,
        })
    }

    /// Switches balancing on or off.
    ///
    /// # Errors
    /// Returns an error if there is no such task, process or cgroup, or if the kernel cannot
    /// balance. Also returns the module's errors.
    pub fn switch(&self, on: bool, target: &Target) -> Result<()> {
        Kernel::read(self.roots)?.check()?;
        let word = target.word(self.roots)?;
        self.write(SWITCH, &format!("{} {word}", if on { "on" } else { "off" }))
    }

    /// Sets the preferred node of a task.
    ///
    /// # Errors
    /// Returns an error if there is no such task or node, if the node has no CPU or the task may
    /// run on none of its CPUs, or if the kernel cannot balance. Also returns the module's errors.
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

    /// Returns the module's message about the refused write, or the kernel's error number.
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

/// The state of NUMA balancing.
#[derive(Debug, Serialize)]
struct Status {
    #[serde(flatten)]
    kernel: Kernel,
    /// The rules; [`None`] if the module's files cannot be read.
    rules: Option<Vec<String>>,
    preferred: Option<BTreeMap<u32, u32>>,
    /// Why the module's files cannot be read.
    without: Option<String>,
    /// The registered policy; [`None`] if the kernel's own policy decides, or if it cannot be
    /// read.
    policy: Option<Policy>,
    /// Whether the policy cannot be read.
    #[serde(skip)]
    is_hidden: bool,
}

/// The policy that a module has registered.
#[derive(Debug, Serialize)]
struct Policy {
    /// The module's name.
    module: String,
    /// How the policy is called: by `hooks`, or by `ops` of the kernel.
    mechanism: String,
}

impl Policy {
    /// Reads the registered policy.
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

/// Prints the state of NUMA balancing: that of the kernel, and the module's rules.
///
/// # Errors
/// Returns an error if the state cannot be read. A module that is not loaded is no error.
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

/// Parses `pid=N node=M`.
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
