// SPDX-License-Identifier: GPL-2.0

//! Runs the programs of the distribution, each with a time limit.

use std::io::Write;
use std::process::{self, Child, Command, Stdio};
use std::str::SplitWhitespace;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{bail, Context, Result};
use process_control::{ChildExt, Control};

use super::kernel::patience;

/// The time limit of a command that should be quick. With KASAN it is longer ([`patience`]).
/// Emulated processors are slow, so the limit only ends a test that hangs.
const LIMIT: Duration = Duration::from_secs(60);

static UNLIMITED: AtomicBool = AtomicBool::new(false);

/// Removes the time limit of commands. A clock that counts instructions jumps ahead while the guest
/// waits for its disk.
pub fn lift_limit() {
    UNLIMITED.store(true, Ordering::Relaxed);
}

/// A child process that is killed when this is dropped.
pub struct Kept(pub Child);

impl Drop for Kept {
    fn drop(&mut self) {
        // The process may have ended by itself, so ignore the error.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a command line of words separated by blanks, and returns its standard output.
///
/// # Errors
///
/// The command cannot be started, ran longer than the limit, or failed. The message has its
/// standard error.
pub fn run(line: &str) -> Result<String> {
    feed(line, "")
}

/// Runs a command line with `input` as its standard input.
///
/// # Errors
///
/// See [`run`].
pub fn feed(line: &str, input: &str) -> Result<String> {
    let output = finish(line, input)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    bail!("`{line}`: {}: {}", output.status, said.trim())
}

/// The result of a command that may fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its exit status.
    pub code: i32,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

/// Runs a command line of words separated by blanks. A failure of the command is no error.
///
/// # Errors
///
/// The command cannot be started, was killed or ran longer than the limit.
pub fn output(line: &str) -> Result<Output> {
    let output = finish(line, "")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.code() {
        Some(code) => Ok(Output {
            code,
            out: text(&output.stdout),
            err: text(&output.stderr),
        }),
        None => bail!("`{line}`: {}", output.status),
    }
}

fn split(line: &str) -> Result<(&str, SplitWhitespace<'_>)> {
    let mut words = line.split_whitespace();
    Ok((words.next().context("an empty command line")?, words))
}

fn finish(line: &str, input: &str) -> Result<process::Output> {
    let (program, words) = split(line)?;
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{line}`"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read its input may have ended.
        let _ = stdin.write_all(input.as_bytes());
    }
    let mut control = child.controlled_with_output().terminate_for_timeout();
    if !UNLIMITED.load(Ordering::Relaxed) {
        control = control.time_limit(patience(LIMIT));
    }
    control
        .wait()
        .with_context(|| format!("cannot wait for `{line}`"))?
        .map(process_control::Output::into_std_lossy)
        .with_context(|| format!("`{line}`: not done in {} s", patience(LIMIT).as_secs()))
}

/// Starts a command line in the background. Its standard output is a pipe.
///
/// # Errors
///
/// The command cannot be started.
pub fn start(line: &str) -> Result<Kept> {
    let (program, words) = split(line)?;
    Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map(Kept)
        .with_context(|| format!("cannot start `{line}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_and_input_go_through() {
        assert_eq!(run("echo one two").unwrap(), "one two\n");
        assert_eq!(feed("cat", "hello\n").unwrap(), "hello\n");
    }

    #[test]
    fn a_failure_may_be_looked_at() {
        let output = output("ls /no/such/file").unwrap();
        assert_eq!((output.code, output.out.as_str()), (2, ""));
        assert!(output.err.contains("/no/such/file"), "{output:?}");
    }

    #[test]
    fn a_failure_names_the_command_and_what_it_said() {
        let error = run("ls /no/such/file").unwrap_err().to_string();
        assert!(error.contains("`ls /no/such/file`"), "{error}");
        assert!(error.contains("/no/such/file'"), "{error}");
    }
}
