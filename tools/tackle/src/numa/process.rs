// SPDX-License-Identifier: GPL-2.0

//! Checks in procfs the tasks and processes that a user names.

use std::path::PathBuf;

use anyhow::{bail, ensure, Context, Result};

use super::nodes::{list, Numbers};
use crate::files;
use crate::roots::Roots;
use crate::table::printable;

/// The values of `/proc/PID/status` for a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The process ID.
    pub tgid: u32,
    /// The task's name.
    pub comm: String,
    /// The number of the process's tasks.
    pub threads: u32,
    /// The CPUs on which the task may run.
    pub cpus: Numbers,
    /// The nodes from which the task may allocate memory.
    pub memory: Numbers,
}

/// Returns the folder of a task.
pub fn folder(roots: &Roots, pid: u32) -> PathBuf {
    roots.proc.join(pid.to_string())
}

/// Reads the status of a task, which may be any thread.
///
/// # Errors
/// Returns an error if there is no such task, or if its status is not valid.
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

/// Reads the status of a process.
///
/// # Errors
/// Returns an error if there is no such process. If the number is that of a thread, the error
/// names its process.
pub fn process(roots: &Roots, tgid: u32) -> Result<Status> {
    let status = task(roots, tgid)?;
    let of = status.tgid;
    ensure!(
        of == tgid,
        "{tgid} is no process: it is a thread of process {of}"
    );
    Ok(status)
}
