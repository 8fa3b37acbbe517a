// SPDX-License-Identifier: GPL-2.0

//! Waits for the end of a transition.
//!
//! The kernel switches each task to the new state when it can see that none of the patched
//! functions is on the task's stack. It does so at once for a task that sleeps elsewhere, and
//! otherwise when the task leaves the kernel. It checks the remaining tasks again once a second,
//! and wakes them every 15 s (`kernel/livepatch/transition.c`).

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::progress::Watcher;
use super::tasks::{Census, Task};
use super::Patches;

/// The pause between two checks of the tasks.
const PAUSE: Duration = Duration::from_millis(100);

/// A task that remains for this time holds the transition up: the kernel has checked it twice.
const PATIENCE: Duration = Duration::from_secs(2);

/// The time between two rounds of signals.
const NUDGES: Duration = Duration::from_secs(5);

/// The limits of a wait.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    /// Whether to send signals to the tasks that hold the transition up.
    pub signal: bool,
    /// The time limit.
    pub timeout: Option<Duration>,
}

/// The result of a wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The patch is enabled for all tasks.
    InForce,
    /// The patch is disabled for all tasks, and not in the kernel's list any more.
    OutOfForce,
    /// The time limit has passed. The value describes the tasks that remain.
    TimedOut(Vec<String>),
}

/// Waits until `name` is not in transition. A patch that the kernel does not list is disabled.
///
/// # Errors
/// Returns an error if the kernel's files cannot be read, or if a signal cannot be sent.
pub fn wait(patches: &Patches<'_>, name: &str, wishes: Wishes, watch: &dyn Watcher) -> Result<End> {
    let start = Instant::now();
    let mut named = BTreeSet::new();
    let mut nudged: Option<Instant> = None;
    loop {
        let look = Instant::now();
        let Some(patch) = patches.find(name)? else {
            return Ok(End::OutOfForce);
        };
        match (patch.transition, patch.enabled) {
            (false, true) => return Ok(End::InForce),
            // The patch is disabled, and the kernel is about to remove its folder.
            (false, false) => {}
            (true, _) => {
                let census = Census::take(patches.roots, patch.enabled)?;
                watch.seen(&patch, &census);
                if wishes.timeout.is_some_and(|limit| start.elapsed() >= limit) {
                    let tell = |task: &Task| task.tell(&patch);
                    return Ok(End::TimedOut(census.left.iter().map(tell).collect()));
                }
                if start.elapsed() >= PATIENCE {
                    for task in census.left.iter().filter(|task| named.insert(task.tid)) {
                        watch.note(&format!("{name}: held up by {}", task.tell(&patch)));
                    }
                    if wishes.signal && nudged.is_none_or(|last| last.elapsed() >= NUDGES) {
                        nudge(&census.left, watch)?;
                        nudged = Some(Instant::now());
                    }
                }
            }
        }
        // With very many tasks a check takes long. Checks must not take more than half of the
        // time.
        sleep(PAUSE.max(look.elapsed()));
    }
}

fn nudge(tasks: &[Task], watch: &dyn Watcher) -> Result<()> {
    for task in tasks {
        if task
            .nudge()
            .with_context(|| format!("cannot signal {task}"))?
        {
            watch.note(&format!("sent SIGSTOP and SIGCONT to {task}"));
        }
    }
    Ok(())
}
