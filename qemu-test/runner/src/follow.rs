// SPDX-License-Identifier: GPL-2.0

//! Watching a process through the files it writes, with a limit on everything.

use std::path::Path;
use std::process::{Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::interrupt::Interrupt;
use crate::process::{log_to, Running, POLL};
use crate::tail::Tail;

/// What a guest may take after its kernel has panicked: it reboots at once,
/// which ends QEMU, unless the panic itself is stuck.
const DYING: Duration = Duration::from_secs(10);

/// How long to wait for a process.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Without a byte on either stream.
    pub silence: Duration,
    /// The same while a test runs ([`Mood::Testing`]).
    pub silence_in_test: Duration,
    /// From the start to the end.
    pub total: Duration,
}

/// How the wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The process ended by itself.
    Exited(ExitStatus),
    /// It was killed after this long without output.
    Silent(Duration),
    /// It was killed because it ran for this long.
    TimedOut(Duration),
    /// It was killed because it did not end after a panic.
    Stuck,
    /// The listener has heard all that it wanted ([`Mood::Over`]); the process still runs.
    Over,
}

impl End {
    /// What is wrong with it, in a few words; `None` for a successful exit.
    pub fn fault(self) -> Option<String> {
        match self {
            Self::Exited(status) if status.success() => None,
            Self::Over => None,
            Self::Exited(status) => Some(format!("ended with {status}")),
            Self::Silent(limit) => Some(format!("hang: no output for {} s", limit.as_secs_f64())),
            Self::TimedOut(limit) => {
                Some(format!("limit: took longer than {} s", limit.as_secs_f64()))
            }
            Self::Stuck => Some("did not end after its panic".to_owned()),
        }
    }
}

/// What the listener makes of the output so far; it chooses the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Nothing special.
    Normal,
    /// A test is in progress.
    Testing,
    /// The kernel has panicked.
    Dying,
    /// All that was wanted has been heard.
    Over,
}

impl Mood {
    /// What follows from whether the kernel has panicked, and whether a test runs.
    pub fn of(panicked: bool, testing: bool) -> Self {
        match (panicked, testing) {
            (true, _) => Self::Dying,
            (false, true) => Self::Testing,
            (false, false) => Self::Normal,
        }
    }
}

/// Takes in the two streams.
pub trait Listener {
    /// New bytes, at least one in one of the two. A byte of `console` that was
    /// written before a byte of `second` is never told later than that one.
    ///
    /// # Errors
    /// Whatever the listener cannot go on after; the process is then killed.
    fn heard(&mut self, console: &[u8], second: &[u8]) -> Result<()>;

    /// Asked before each look at the clock.
    fn mood(&self) -> Mood {
        Mood::Normal
    }
}

/// Keeps what the console shows.
#[derive(Debug, Default)]
pub struct Collect(pub Vec<u8>);

impl Listener for Collect {
    fn heard(&mut self, console: &[u8], _second: &[u8]) -> Result<()> {
        self.0.extend_from_slice(console);
        Ok(())
    }
}

/// Follows `child` until it ends, the listener has heard enough, or a limit is reached; in the
/// last case it is killed.
///
/// # Errors
/// [`Interrupted`](crate::interrupt::Interrupted), what reading the files
/// reports, and what the listener reports. The child is killed by its owner
/// then, at the latest when it is dropped.
pub fn follow(
    child: &mut Running,
    console: &Path,
    second: Option<&Path>,
    limits: &Limits,
    interrupt: &Interrupt,
    listener: &mut dyn Listener,
) -> Result<End> {
    let mut streams = Streams {
        console: Tail::new(console),
        second: second.map(Tail::new),
    };
    let start = Instant::now();
    let mut last_heard = start;
    let mut dying = None;
    loop {
        interrupt.check()?;
        // Asked before reading: what was written before the end is then read in full.
        let exited = child.try_wait().context("cannot wait for a child")?;
        while streams.pass_on(listener)? {
            last_heard = Instant::now();
            interrupt.check()?;
            if start.elapsed() >= limits.total {
                break;
            }
        }
        if let Some(status) = exited {
            return Ok(End::Exited(status));
        }
        let mood = listener.mood();
        if mood == Mood::Over {
            return Ok(End::Over);
        }
        if mood == Mood::Dying && dying.is_none() {
            dying = Some(Instant::now());
        }
        let silence = if mood == Mood::Testing {
            limits.silence_in_test
        } else {
            limits.silence
        };
        let end = if dying.is_some_and(|since: Instant| since.elapsed() >= DYING) {
            End::Stuck
        } else if start.elapsed() >= limits.total {
            End::TimedOut(limits.total)
        } else if last_heard.elapsed() >= silence {
            End::Silent(silence)
        } else {
            sleep(POLL);
            continue;
        };
        child.kill();
        streams.pass_on(listener)?;
        return Ok(end);
    }
}

/// Runs a command with all its output in the file `log`, and follows it.
///
/// # Errors
/// As [`follow`], and when the file cannot be made or the command not started.
pub fn run_logged(
    mut command: Command,
    log: &Path,
    limits: &Limits,
    interrupt: &Interrupt,
    listener: &mut dyn Listener,
) -> Result<End> {
    log_to(&mut command, log)?;
    let mut child = Running::start(command)?;
    follow(&mut child, log, None, limits, interrupt, listener)
}

struct Streams {
    console: Tail,
    second: Option<Tail>,
}

impl Streams {
    /// Returns whether there was anything to pass on.
    fn pass_on(&mut self, listener: &mut dyn Listener) -> Result<bool> {
        // In this order, so that a test's result is never known before the
        // warning that the kernel printed while the test ran.
        let second = self.second.as_mut().map(Tail::read).transpose();
        let second = second
            .context("cannot read the second stream")?
            .unwrap_or_default();
        let console = self.console.read().context("cannot read the console")?;
        if console.is_empty() && second.is_empty() {
            return Ok(false);
        }
        listener.heard(&console, &second)?;
        Ok(true)
    }
}
