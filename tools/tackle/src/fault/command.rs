// SPDX-License-Identifier: GPL-2.0

//! Runs the commands of a workload, each with a time limit.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{killpg, Signal};
use nix::unistd::Pid;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The command exited with this status.
    Exit(i32),
    /// This signal killed the command. This program did not send it.
    Signal(i32),
    /// This program killed the command after its time limit.
    TimedOut,
    /// The command did not die after SIGKILL, since a system call of it does not return.
    Stuck,
}

/// A command that was run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How it ended.
    pub how: How,
    /// The text that it printed to stdout and stderr.
    pub output: String,
}

impl Ended {
    /// Returns whether the command succeeded.
    pub fn is_ok(&self) -> bool {
        self.how == How::Exit(0)
    }

    /// Returns the last line that the command printed and that is not empty.
    pub fn last_line(&self) -> &str {
        let mut lines = self.output.lines().map(str::trim);
        lines.rfind(|line| !line.is_empty()).unwrap_or("no message")
    }

    /// Returns the last lines that the command printed, at most 20.
    pub fn lines(&self) -> Vec<String> {
        let lines: Vec<_> = self.output.lines().map(str::to_owned).collect();
        lines[lines.len().saturating_sub(20)..].to_vec()
    }
}

/// How long a killed command may take to die.
const DEATH: Duration = Duration::from_secs(10);

/// Runs a command by the shell, with the environment variable `$HERE`.
///
/// # Errors
/// Returns an error if the shell cannot be started, or the output cannot be stored.
pub fn run(command: &str, here: &Path, limit: Duration) -> Result<Ended> {
    // The output goes to a file instead of a pipe, since a process that the command leaves in the
    // background would keep a pipe open.
    let mut output = tempfile::tempfile().context("cannot make a file for a command's output")?;
    let mut child = Command::new("sh")
        .args(["-c", command])
        .env("HERE", here)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output.try_clone()?)
        .process_group(0)
        .spawn()
        .context("cannot run sh")?;
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    let mut killed: Option<Instant> = None;
    let how = loop {
        if let Some(status) = child.try_wait()? {
            break match (killed, status.code(), status.signal()) {
                (Some(_), _, _) => How::TimedOut,
                (None, Some(code), _) => How::Exit(code),
                (None, None, signal) => How::Signal(signal.unwrap_or_default()),
            };
        }
        match killed {
            None if start.elapsed() >= limit => {
                let group = Pid::from_raw(i32::try_from(child.id())?);
                // This fails if the command has ended at this moment.
                let _ = killpg(group, Signal::SIGKILL);
                killed = Some(Instant::now());
            }
            Some(since) if since.elapsed() >= DEATH => break How::Stuck,
            _ => {}
        }
        sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    };
    Ok(Ended {
        how,
        output: text(&mut output)?,
    })
}

fn text(output: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    output.rewind()?;
    output.take(1 << 16).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(command: &str, limit: f64) -> Ended {
        run(command, Path::new("/here"), Duration::from_secs_f64(limit)).unwrap()
    }

    #[test]
    fn ends_are_told_apart() {
        let end = ended("echo $HERE; echo no >&2; exit 3", 60.0);
        assert_eq!((end.how, end.last_line()), (How::Exit(3), "no"));
        assert_eq!(end.lines(), ["/here", "no"]);
        assert!(ended("true", 60.0).is_ok());
        assert_eq!(ended("kill -SEGV $$", 60.0).how, How::Signal(11));
        assert_eq!(ended("sleep 1000", 0.1).how, How::TimedOut);
    }

    #[test]
    fn a_process_in_the_background_is_not_waited_for() {
        assert_eq!(ended("sleep 2 & echo yes", 60.0).last_line(), "yes");
    }
}
