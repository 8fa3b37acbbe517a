// SPDX-License-Identifier: GPL-2.0

//! Child processes that never outlive the runner.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{kill, killpg, Signal};
use nix::sys::stat::Mode;
use nix::unistd::{mkfifo, Pid};

/// How often a child and its output are looked at.
pub const POLL: Duration = Duration::from_millis(50);

/// How long a killed child may take to be gone.
const KILL_WAIT: Duration = Duration::from_secs(10);

/// A command whose child dies with the runner, even when the runner is killed
/// with SIGKILL. `setpriv` sets the parent death signal and becomes the program,
/// which spares this crate an unsafe hook between fork and exec.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Makes a named pipe that is open for both: so nobody who opens it waits for the other side.
///
/// # Errors
/// When it cannot be made, for instance because there is a file of this name.
pub fn pipe(path: &Path) -> Result<File> {
    mkfifo(path, Mode::S_IRWXU)
        .map_err(Into::into)
        .and_then(|()| OpenOptions::new().read(true).write(true).open(path))
        .with_context(|| format!("cannot make the pipe {}", path.display()))
}

/// A running child; dropping it kills it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    own_group: bool,
}

impl Running {
    /// Starts `command` in a process group of its own, so that a ctrl-c on the
    /// terminal reaches the runner alone, and grandchildren can be killed too.
    ///
    /// # Errors
    /// What starting reports.
    pub fn start(mut command: Command) -> Result<Self> {
        command.process_group(0);
        Ok(Self {
            child: spawn(command)?,
            own_group: true,
        })
    }

    /// Starts `command` in the runner's own group: the terminal stays the child's.
    ///
    /// # Errors
    /// What starting reports.
    pub fn start_interactive(command: Command) -> Result<Self> {
        Ok(Self {
            child: spawn(command)?,
            own_group: false,
        })
    }

    /// The exit status, once the child has ended.
    ///
    /// # Errors
    /// What `waitpid(2)` reports.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Asks the child and what it started to end (SIGTERM), and waits for at most 10 s: what it
    /// started in groups of their own is for it to end.
    pub fn end(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX));
        let start = Instant::now();
        // An error means that it is gone already.
        let _ = killpg(pid, Signal::SIGTERM);
        while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < KILL_WAIT {
            sleep(Duration::from_millis(5));
        }
        self.kill();
    }

    /// Kills the child and what it started, and waits until it is gone, at most
    /// 10 s: a process stuck in the kernel must not take the runner with it.
    pub fn kill(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX));
        // An error means that it is gone already.
        let _ = if self.own_group {
            killpg(pid, Signal::SIGKILL)
        } else {
            kill(pid, Signal::SIGKILL)
        };
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < KILL_WAIT {
            sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(mut command: Command) -> Result<Child> {
    command
        .spawn()
        .with_context(|| format!("cannot start {:?}", command.get_program()))
}

/// Sends both output streams of `command` to the file `log`, in the order in
/// which they are written, and gives it no input.
///
/// # Errors
/// When the file cannot be made.
pub fn log_to(command: &mut Command, log: &Path) -> Result<()> {
    let file = create(log)?;
    let twin = file.try_clone().context("cannot duplicate a file handle")?;
    command.stdin(Stdio::null()).stdout(file).stderr(twin);
    Ok(())
}

/// Makes an empty file for appending.
///
/// # Errors
/// When that fails; the message names the file.
pub fn create(path: &Path) -> Result<File> {
    // Appending, so that two writers do not overwrite each other.
    File::create(path)
        .and_then(|_| OpenOptions::new().append(true).open(path))
        .with_context(|| format!("cannot write {}", path.display()))
}
