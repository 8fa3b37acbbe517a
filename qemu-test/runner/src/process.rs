// SPDX-License-Identifier: GPL-2.0

//! Starts child processes that end with the runner.

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

/// The interval between checks of a child and its output.
pub const POLL: Duration = Duration::from_millis(50);

/// How long to wait for the end of a killed child.
const KILL_WAIT: Duration = Duration::from_secs(10);

/// Returns a command whose child is killed when the runner ends, even if the runner is killed with
/// SIGKILL. `setpriv` sets the parent death signal and then executes the program. So this crate
/// needs no unsafe hook between fork and exec.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Makes a named pipe and opens it for reading and writing. So `open()` on the pipe never waits for
/// the other side.
///
/// # Errors
/// Fails when the pipe cannot be made, for instance because a file of this name exists.
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
    /// Starts `command` in a process group of its own. So a ctrl-c on the terminal reaches only the
    /// runner, and the child's own children can be killed, too.
    ///
    /// # Errors
    /// Fails when the program cannot be started.
    pub fn start(mut command: Command) -> Result<Self> {
        command.process_group(0);
        Ok(Self {
            child: spawn(command)?,
            own_group: true,
        })
    }

    /// Starts `command` in the runner's process group, so that the child can use the terminal.
    ///
    /// # Errors
    /// Fails when the program cannot be started.
    pub fn start_interactive(command: Command) -> Result<Self> {
        Ok(Self {
            child: spawn(command)?,
            own_group: false,
        })
    }

    /// Returns the exit status, once the child has ended.
    ///
    /// # Errors
    /// Fails when `waitpid(2)` fails.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Sends SIGTERM to the child's process group, and waits up to 10 s before it kills the group.
    /// The child itself has to end processes that it started in other groups.
    pub fn end(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX));
        let start = Instant::now();
        // An error means that the process has ended already.
        let _ = killpg(pid, Signal::SIGTERM);
        while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < KILL_WAIT {
            sleep(Duration::from_millis(5));
        }
        self.kill();
    }

    /// Kills the child and its process group, and waits up to 10 s until the child is gone. The
    /// limit prevents that a process stuck in the kernel blocks the runner.
    pub fn kill(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX));
        // An error means that the process has ended already.
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

/// Redirects stdout and stderr of `command` to the file `log`, in the order of the writes, and
/// stdin to `/dev/null`.
///
/// # Errors
/// Fails when the file cannot be made.
pub fn log_to(command: &mut Command, log: &Path) -> Result<()> {
    let file = create(log)?;
    let twin = file.try_clone().context("cannot duplicate a file handle")?;
    command.stdin(Stdio::null()).stdout(file).stderr(twin);
    Ok(())
}

/// Makes an empty file for appending.
///
/// # Errors
/// Fails when the file cannot be written; the message names the file.
pub fn create(path: &Path) -> Result<File> {
    // The file is opened for appending, so that two writers do not overwrite each other's output.
    File::create(path)
        .and_then(|_| OpenOptions::new().append(true).open(path))
        .with_context(|| format!("cannot write {}", path.display()))
}
