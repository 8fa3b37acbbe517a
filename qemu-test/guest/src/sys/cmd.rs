// SPDX-License-Identifier: GPL-2.0

//! Runs the programs of the distribution, each with a time limit.

use std::io::Write;
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{bail, Context, Result};

/// How long a command that should be quick may take, in seconds. Emulated
/// processors are slow; the limit is there to end a test that hangs.
const LIMIT: &str = "60";

/// The exit status of timeout(1) when the time is over.
const TIMED_OUT: i32 = 124;

static UNLIMITED: AtomicBool = AtomicBool::new(false);

/// Lets commands take as long as they like from now on: where the clock counts
/// instructions, it leaps ahead while the guest waits for its disk.
pub fn lift_limit() {
    UNLIMITED.store(true, Ordering::Relaxed);
}

fn limit() -> &'static str {
    if UNLIMITED.load(Ordering::Relaxed) {
        // What timeout(1) takes for no limit.
        "0"
    } else {
        LIMIT
    }
}

/// A child process that is killed when its owner is done with it.
pub struct Kept(pub Child);

impl Drop for Kept {
    fn drop(&mut self) {
        // It may have ended by itself: there is nothing to report then.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a command line, words separated by blanks, and returns what it wrote
/// to standard output.
///
/// # Errors
///
/// It cannot be started, ran longer than the limit, or failed; the message
/// has what it wrote to standard error.
pub fn run(line: &str) -> Result<String> {
    feed(line, "")
}

/// Runs a command line with `input` as its standard input.
///
/// # Errors
///
/// See [`run`].
pub fn feed(line: &str, input: &str) -> Result<String> {
    let output = finish(line, spawn(line)?, input)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    bail!("`{line}`: {}: {}", output.status, said.trim())
}

/// What a command did that may fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its exit status.
    pub code: i32,
    /// What it wrote to standard output.
    pub out: String,
    /// What it wrote to standard error.
    pub err: String,
}

/// Runs a command line, words separated by blanks, whatever comes of it.
///
/// # Errors
///
/// It cannot be started, was killed or ran longer than the limit.
pub fn output(line: &str) -> Result<Output> {
    let output = finish(line, spawn(line)?, "")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.code() {
        Some(code) if code != TIMED_OUT => Ok(Output {
            code,
            out: text(&output.stdout),
            err: text(&output.stderr),
        }),
        _ => bail!("`{line}`: {}", output.status),
    }
}

fn spawn(line: &str) -> Result<Child> {
    Command::new("timeout")
        .arg(limit())
        .args(line.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{line}`"))
}

fn finish(line: &str, mut child: Child, input: &str) -> Result<process::Output> {
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read its input may be gone already.
        let _ = stdin.write_all(input.as_bytes());
    }
    child
        .wait_with_output()
        .with_context(|| format!("cannot wait for `{line}`"))
}

/// Starts a command line in the background, its standard output piped.
///
/// # Errors
///
/// It cannot be started.
pub fn start(line: &str) -> Result<Kept> {
    let mut words = line.split_whitespace();
    let program = words.next().context("an empty command line")?;
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
