// SPDX-License-Identifier: GPL-2.0

//! Lists the tasks that a transition waits for, and wakes them.

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

/// A task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The thread ID.
    pub tid: i32,
    /// The name of the thread.
    pub comm: String,
    /// Whether it is a kernel thread.
    pub is_kthread: bool,
    /// The state, as the letter in the output of `ps`.
    pub state: char,
    /// The functions on its stack, innermost first: `NAME+OFFSET/SIZE [MODULE]`. Empty while the
    /// task runs.
    pub stack: Vec<String>,
}

/// The progress of a transition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// The number of all tasks.
    pub total: usize,
    /// The tasks that have not changed to the new state yet.
    pub left: Vec<Task>,
}

impl Census {
    /// Reads the states of all tasks, in a transition to (`enabled`) or from a patch. The idle
    /// tasks of the CPUs are not included, although a transition waits for them as well.
    ///
    /// # Errors
    /// Returns an error if procfs cannot be read, which only root can.
    pub fn take(roots: &Roots, enabled: bool) -> Result<Self> {
        let mut census = Self::default();
        each(roots, |tid, folder| {
            census.total += 1;
            // The value is -1 if the transition has ended.
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
    // The file does not exist in a kernel that is built without stack traces.
    let stack = files::read(&folder.join("stack"))?.unwrap_or_default();
    // A task that has ended now does not hold the transition up.
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

/// Returns all tasks.
///
/// # Errors
/// Returns an error if procfs cannot be read, which only root can.
pub fn all(roots: &Roots) -> Result<Vec<Task>> {
    let mut found = Vec::new();
    each(roots, |tid, folder| {
        found.extend(task(tid, folder)?);
        Ok(())
    })?;
    Ok(found)
}

/// Returns a line such as `[<0>] do_wait+0x5d/0x110` without the address.
fn frame(line: &str) -> String {
    let frame = line.split_once("] ").map_or(line, |(_, frame)| frame);
    frame.trim().to_owned()
}

impl Task {
    /// Returns whether a function of this name is on the task's stack. Returns false for a task
    /// that runs, since the kernel does not show its stack.
    pub fn is_executing(&self, function: &str) -> bool {
        self.stack.iter().any(|frame| name(frame) == function)
    }

    /// Describes the task and its place: the function of the patch on its stack and its callers,
    /// or the function in which it sleeps.
    pub fn tell(&self, patch: &Patch) -> String {
        let patched = self.stack.iter().position(|frame| is_in(frame, patch));
        // The callers show which of many calls of a patched function it is.
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

    /// Sends SIGSTOP to the task, and at once SIGCONT, which cancels it. The effect is that the
    /// task wakes and passes the exit to user space, where it can change to the new state. Returns
    /// whether the signals were sent.
    ///
    /// Kernel threads do not get them, since they handle no signals. Stopped tasks do not get them
    /// either, since SIGCONT would continue them.
    ///
    /// # Errors
    /// Returns the errno of `kill()`, such as `EPERM`.
    pub fn nudge(&self) -> Result<bool, Errno> {
        if self.is_kthread || matches!(self.state, 'T' | 't') {
            return Ok(false);
        }
        let tid = Pid::from_raw(self.tid);
        // ESRCH means that the task has ended.
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

/// Returns the function's name without the offset.
fn name(frame: &str) -> &str {
    frame.split('+').next().unwrap_or(frame)
}

/// Returns whether a frame is in a function that the patch replaces, or in the patch's own code.
fn is_in(frame: &str, patch: &Patch) -> bool {
    patch.patches(name(frame)) || frame.ends_with(&format!(" [{}]", patch.name))
}
