// SPDX-License-Identifier: GPL-2.0

//! Implements network namespaces without names.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::process::{self, Stdio};
use std::thread;

use anyhow::{bail, Context, Result};
use nix::sched::{setns, unshare, CloneFlags};

use crate::program::program as find;

/// A network namespace. The kernel removes it with this value and the last socket in it.
#[derive(Debug)]
pub struct Space(File);

impl Space {
    /// Creates a network namespace.
    ///
    /// # Errors
    /// Returns `EPERM` if the user is not root, and any other error of the kernel.
    pub fn new() -> Result<Self> {
        // Only a new thread enters the namespace, so that no thread has to leave it again.
        on_a_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).context("cannot make a network namespace")?;
            let file = File::open("/proc/thread-self/ns/net");
            file.map(Self).context("cannot open a network namespace")
        })
    }

    /// Returns a path that `ip` accepts for the namespace. It is valid as long as this value
    /// exists.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.0.as_raw_fd())
    }

    /// Runs `work` in the namespace.
    ///
    /// # Errors
    /// Returns the errors of `work`, and an error if the namespace cannot be entered.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        on_a_thread(|| {
            setns(&self.0, CloneFlags::CLONE_NEWNET).context("cannot enter a network namespace")?;
            work()
        })
    }

    /// Runs `ip` or `tc` in the namespace with a batch of commands.
    ///
    /// # Errors
    /// Returns an error if the program is not installed, or if it fails. The latter has the
    /// program's output.
    pub fn batch(&self, program: &str, lines: &[String]) -> Result<()> {
        self.enter(|| batch(program, lines))
    }

    /// Writes a file below `/proc/sys/net` of this namespace.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn set(&self, path: &str, value: &str) -> Result<()> {
        self.enter(|| fs::write(path, value).with_context(|| format!("cannot write {path}")))
    }
}

fn on_a_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| scope.spawn(work).join().expect("it does not panic"))
}

fn batch(program: &str, lines: &[String]) -> Result<()> {
    let started = find(program)
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
        // The write fails if the program has ended at an earlier line. Its status is checked
        // below.
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
