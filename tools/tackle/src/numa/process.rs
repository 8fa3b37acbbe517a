// SPDX-License-Identifier: GPL-2.0

//! Checks the tasks and processes that a user names, in procfs.

use std::path::PathBuf;

use anyhow::{bail, ensure, Context, Result};

use super::nodes::{list, Numbers};
use crate::files;
use crate::roots::Roots;
use crate::table::printable;

/// What `/proc/PID/status` says of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The process.
    pub tgid: u32,
    /// The task's name.
    pub comm: String,
    /// How many tasks the process has.
    pub threads: u32,
    /// The CPUs on which the task may run.
    pub cpus: Numbers,
    /// The nodes of which the task may have memory.
    pub memory: Numbers,
}

/// The folder of a task.
pub fn folder(roots: &Roots, pid: u32) -> PathBuf {
    roots.proc.join(pid.to_string())
}

/// Reads the status of a task: of any thread.
///
/// # Errors
/// When there is no such task.
pub fn task(roots: &Roots, pid: u32) -> Result<Status> {
    let Some(text) = files::read(&folder(roots, pid).join("status"))? else {
        bail!("no task {pid}");
    };
    let value = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(key, _)| *key == name);
        found.map(|(_, value)| value.trim())
    };
    let number = |name: &str| {
        let number = value(name).and_then(|value| value.parse().ok());
        number.with_context(|| format!("the status of task {pid} has no {name}"))
    };
    Ok(Status {
        tgid: number("Tgid")?,
        comm: printable(value("Name").unwrap_or_default()),
        threads: number("Threads")?,
        cpus: list(value("Cpus_allowed_list").unwrap_or_default())?,
        memory: list(value("Mems_allowed_list").unwrap_or_default())?,
    })
}

/// Checks that there is a process of this number.
///
/// # Errors
/// When there is none. The error names the process if the number is that of a thread.
pub fn process(roots: &Roots, tgid: u32) -> Result<Status> {
    let status = task(roots, tgid)?;
    let of = status.tgid;
    ensure!(
        of == tgid,
        "{tgid} is no process: it is a thread of process {of}"
    );
    Ok(status)
}
