// SPDX-License-Identifier: GPL-2.0

//! A network name space without a name.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::process::{self, Command, Stdio};
use std::thread;

use anyhow::{bail, Context, Result};
use nix::sched::{setns, unshare, CloneFlags};

/// A name space. It is there as long as this is, or a socket that was opened in it.
#[derive(Debug)]
pub struct Space(File);

impl Space {
    /// Makes one. Only root may.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn new() -> Result<Self> {
        // A thread of its own leaves, so that nobody has to find the way back.
        on_a_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).context("cannot make a network name space")?;
            let file = File::open("/proc/thread-self/ns/net");
            file.map(Self).context("cannot open a network name space")
        })
    }

    /// A path that `ip` takes for a name space, as long as this process is there.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.0.as_raw_fd())
    }

    /// Does `work` inside.
    ///
    /// # Errors
    /// Those of `work`, or when it cannot be entered.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        on_a_thread(|| {
            setns(&self.0, CloneFlags::CLONE_NEWNET)
                .context("cannot enter a network name space")?;
            work()
        })
    }

    /// Runs `ip` or `tc` inside with a batch of commands.
    ///
    /// # Errors
    /// When the program is not there, or fails: with what it said.
    pub fn batch(&self, program: &str, lines: &[String]) -> Result<()> {
        self.enter(|| batch(program, lines))
    }

    /// Writes a file below `/proc/sys/net` of this name space.
    ///
    /// # Errors
    /// When that fails.
    pub fn set(&self, path: &str, value: &str) -> Result<()> {
        self.enter(|| fs::write(path, value).with_context(|| format!("cannot write {path}")))
    }
}

fn on_a_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| scope.spawn(work).join().expect("it does not panic"))
}

fn batch(program: &str, lines: &[String]) -> Result<()> {
    let started = Command::new(program)
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match started {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("there is no program '{program}' here: install iproute2");
        }
        started => started.with_context(|| format!("cannot start {program}"))?,
    };
    if let Some(mut stdin) = child.stdin.take() {
        // It may have given up at an earlier line.
        let _ = stdin.write_all((lines.join("\n") + "\n").as_bytes());
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<_> = said.split_whitespace().collect();
    bail!("{program} {}: {}", lines.join("; "), said.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named() {
        let error = batch("no-such-program", &[]).unwrap_err().to_string();
        assert!(error.contains("'no-such-program'"), "{error}");
    }

    #[test]
    fn a_failure_has_what_was_said() {
        let error = batch("ls", &["a".into()]).unwrap_err().to_string();
        assert!(
            error.starts_with("ls a: ls: ") && !error.contains('\n'),
            "{error}"
        );
    }
}
