// SPDX-License-Identifier: GPL-2.0

//! Follows a process by the files that it writes. The silence and the total time are limited.

use std::path::Path;
use std::process::{Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::interrupt::Interrupt;
use crate::process::{log_to, Running, POLL};
use crate::tail::Tail;

/// The time limit of a guest after its kernel has panicked. The guest reboots at once, which ends
/// QEMU, unless the panic itself hangs.
const DYING: Duration = Duration::from_secs(10);

/// How long to wait for a process.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The limit without a byte on either stream.
    pub silence: Duration,
    /// The same limit while a test runs ([`Mood::Testing`]).
    pub silence_in_test: Duration,
    /// The limit from the start to the end.
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
    /// The listener needs no more output ([`Mood::Over`]). The process still runs.
    Over,
}

impl End {
    /// Describes a bad end in a few words. Returns `None` for a successful exit.
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

/// The state of the process according to the listener. It selects the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// No test runs, and the kernel has not panicked.
    Normal,
    /// A test is in progress.
    Testing,
    /// The kernel has panicked.
    Dying,
    /// The listener needs no more output.
    Over,
}

impl Mood {
    /// Returns the mood for a kernel that has or has not panicked, while a test runs or does not.
    pub fn of(panicked: bool, testing: bool) -> Self {
        match (panicked, testing) {
            (true, _) => Self::Dying,
            (false, true) => Self::Testing,
            (false, false) => Self::Normal,
        }
    }
}

/// Receives the two output streams.
pub trait Listener {
    /// Receives new bytes, at least one of either stream. If a byte of `console` was written before
    /// a byte of `second`, it is not passed on after that byte.
    ///
    /// # Errors
    /// Fails when the listener cannot continue. The process is then killed.
    fn heard(&mut self, console: &[u8], second: &[u8]) -> Result<()>;

    /// Returns the current mood. It is read before each check of the limits.
    fn mood(&self) -> Mood {
        Mood::Normal
    }
}

/// Keeps the output of the console.
#[derive(Debug, Default)]
pub struct Collect(pub Vec<u8>);

impl Listener for Collect {
    fn heard(&mut self, console: &[u8], _second: &[u8]) -> Result<()> {
        self.0.extend_from_slice(console);
        Ok(())
    }
}

/// Follows `child` until it ends, the listener needs no more output, or a limit is reached. The
/// child is killed if a limit is reached.
///
/// # Errors
/// Fails with [`Interrupted`](crate::interrupt::Interrupted) when the user interrupts, when a file
/// cannot be read, and when the listener fails. The owner of the child then kills it, at the latest
/// by dropping it.
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
        // Check this before reading, so that everything written before the exit is read.
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

/// Runs a command with all its output in the file `log`, and follows the process.
///
/// # Errors
/// The errors are those of [`follow`]. This also fails when the file cannot be made or the command
/// not started.
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
        // Read the second stream first. So a test's result is never passed on before a warning that
        // the kernel printed while the test ran.
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
