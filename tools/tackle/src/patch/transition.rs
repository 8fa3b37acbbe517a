// SPDX-License-Identifier: GPL-2.0

//! Waiting for the end of a transition.
//!
//! The kernel changes each task over when it can see that the task is in none of the
//! functions that are patched: at once when it sleeps elsewhere, else when it passes the
//! kernel's exit. It looks again once a second, and wakes those that are left every 15 s
//! (`kernel/livepatch/transition.c`).

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::progress::Watcher;
use super::tasks::{Census, Task};
use super::Patches;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// A task that is left for so long holds the transition up: the kernel has looked twice.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a nudge has for its effect.
const NUDGES: Duration = Duration::from_secs(5);

/// How to wait.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    /// Nudge the tasks that hold it up.
    pub signal: bool,
    /// For how long.
    pub timeout: Option<Duration>,
}

/// What came of waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The patch is in force, for all tasks.
    InForce,
    /// The patch is out of force, and gone.
    OutOfForce,
    /// The time is over, and these tasks are left: who and where.
    TimedOut(Vec<String>),
}

/// Waits until `name` is in transition no more. One that the kernel does not know is out
/// of force.
///
/// # Errors
/// When the kernel's files cannot be read, or a signal not sent.
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
            // It is out of force; the kernel is about to take its folder away.
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
        // Where there are very many tasks a look takes long: no more than half of the time.
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
