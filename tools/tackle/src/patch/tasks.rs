// SPDX-License-Identifier: GPL-2.0

//! The tasks that a transition waits for.

use std::fmt;
use std::path::Path;

use anyhow::Result;
use nix::errno::Errno;
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use procfs_core::process::{Stat, StatFlags};
use procfs_core::FromRead;

use super::Patch;
use crate::files;
use crate::roots::Roots;
use crate::table::printable;

/// A task that has not changed over yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its thread ID.
    pub tid: i32,
    /// Its name.
    pub comm: String,
    /// Whether it is a thread of the kernel.
    pub is_kthread: bool,
    /// Its state, a letter as `ps` has it.
    pub state: char,
    /// The functions that it is in, the innermost first: `NAME+OFFSET/SIZE [MODULE]`.
    /// Empty while it runs.
    pub stack: Vec<String>,
}

/// How far a transition has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// The tasks that there are.
    pub total: usize,
    /// Those that have not changed over.
    pub left: Vec<Task>,
}

impl Census {
    /// Looks at all tasks, in a transition to (`enabled`) or from a patch. The idle tasks
    /// of the processors, which a transition waits for as well, are not among them.
    ///
    /// # Errors
    /// When procfs cannot be read: only root may.
    pub fn take(roots: &Roots, enabled: bool) -> Result<Self> {
        let mut census = Self::default();
        each(roots, |tid, folder| {
            census.total += 1;
            // -1 when there is no transition any more.
            let state: Option<i8> = files::value(&folder.join("patch_state"))?;
            if state == Some(i8::from(!enabled)) {
                census.left.extend(task(tid, folder)?);
            }
            Ok(())
        })?;
        Ok(census)
    }
}

/// Calls `visit` with the thread ID and the folder of each task.
fn each(roots: &Roots, mut visit: impl FnMut(i32, &Path) -> Result<()>) -> Result<()> {
    for pid in numbers(&roots.proc)? {
        let threads = roots.proc.join(pid.to_string()).join("task");
        for tid in numbers(&threads)? {
            visit(tid, &threads.join(tid.to_string()))?;
        }
    }
    Ok(())
}

fn numbers(folder: &Path) -> Result<Vec<i32>> {
    let names = files::names(folder)?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

fn task(tid: i32, folder: &Path) -> Result<Option<Task>> {
    // A kernel may have been built without it.
    let stack = files::read(&folder.join("stack"))?.unwrap_or_default();
    // A task that ends meanwhile is no task that is left.
    let Ok(stat) = Stat::from_file(folder.join("stat")) else {
        return Ok(None);
    };
    let flags = StatFlags::from_bits_truncate(stat.flags);
    Ok(Some(Task {
        tid,
        comm: printable(&stat.comm),
        is_kthread: flags.contains(StatFlags::PF_KTHREAD),
        state: stat.state,
        stack: stack
            .lines()
            .map(frame)
            .filter(|name| !name.is_empty())
            .collect(),
    }))
}

/// All tasks.
///
/// # Errors
/// When procfs cannot be read: only root may.
pub fn all(roots: &Roots) -> Result<Vec<Task>> {
    let mut found = Vec::new();
    each(roots, |tid, folder| {
        found.extend(task(tid, folder)?);
        Ok(())
    })?;
    Ok(found)
}

/// A line such as `[<0>] do_wait+0x5d/0x110`, without the address.
fn frame(line: &str) -> String {
    let frame = line.split_once("] ").map_or(line, |(_, frame)| frame);
    frame.trim().to_owned()
}

impl Task {
    /// Whether the task is in a function of this name. Always false for a task that runs: the kernel
    /// does not show its stack.
    pub fn is_executing(&self, function: &str) -> bool {
        self.stack.iter().any(|frame| name(frame) == function)
    }

    /// Who it is, and where: in which function of the patch, or what it waits in.
    pub fn tell(&self, patch: &Patch) -> String {
        let patched = self.stack.iter().position(|frame| is_in(frame, patch));
        // What calls a patched function says which of many calls it is.
        let from = patched.unwrap_or_default();
        let frames = self.stack.iter().skip(from).take(3);
        let frames: Vec<_> = frames.map(|frame| name(frame)).collect();
        match (&frames[..], self.state) {
            ([], 'R') => format!("{self}, which runs"),
            ([], state) => format!("{self}, in state {state}"),
            ([one], _) => format!("{self} in {one}"),
            ([one, callers @ ..], _) => format!("{self} in {one}, from {}", callers.join(", ")),
        }
    }

    /// Sends it SIGSTOP and at once SIGCONT, which takes the former back: all that is left
    /// is that the task was woken, and passes the kernel's exit. Tells whether it did.
    ///
    /// Kernel threads have no signals, and a stopped task would go on.
    ///
    /// # Errors
    /// When the kernel does not let us.
    pub fn nudge(&self) -> Result<bool, Errno> {
        if self.is_kthread || matches!(self.state, 'T' | 't') {
            return Ok(false);
        }
        let tid = Pid::from_raw(self.tid);
        // It may end at any moment.
        let send = |signal| match kill(tid, signal) {
            Err(Errno::ESRCH) => Ok(false),
            answer => answer.map(|()| true),
        };
        send(Signal::SIGSTOP)?;
        send(Signal::SIGCONT)
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_kthread {
            true => write!(f, "[{}] ({})", self.comm, self.tid),
            false => write!(f, "{} ({})", self.comm, self.tid),
        }
    }
}

/// The function's name alone.
fn name(frame: &str) -> &str {
    frame.split('+').next().unwrap_or(frame)
}

/// Whether the patch holds a task in this function: the old one, or its own.
fn is_in(frame: &str, patch: &Patch) -> bool {
    patch.patches(name(frame)) || frame.ends_with(&format!(" [{}]", patch.name))
}
