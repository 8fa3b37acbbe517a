// SPDX-License-Identifier: GPL-2.0

//! Runs the command `tackle`.

use anyhow::{ensure, Context, Result};
use serde_json::Value;

use super::cmd::{self, Output};

/// The path of the program.
pub const PROGRAM: &str = "/tackle/tackle";

/// Runs `tackle WORDS`. A failure of the command is no error.
///
/// # Errors
///
/// See [`cmd::output`].
pub fn output(words: &str) -> Result<Output> {
    cmd::output(&format!("{PROGRAM} {words}"))
}

/// Runs `tackle WORDS`, which must succeed, and returns its standard output.
///
/// # Errors
///
/// The command fails.
pub fn text(words: &str) -> Result<String> {
    cmd::run(&format!("{PROGRAM} {words}"))
}

/// Does the same as [`text`], but returns only the last line.
///
/// # Errors
///
/// See [`text`].
pub fn say(words: &str) -> Result<String> {
    let text = text(words)?;
    Ok(text.lines().last().unwrap_or_default().to_owned())
}

/// Runs `tackle WORDS`, whose last line must be `expected`.
///
/// # Errors
///
/// The command fails, or prints another line.
pub fn expect(words: &str, expected: &str) -> Result<()> {
    let said = say(words)?;
    ensure!(
        said == expected,
        "tackle {words}: expected '{expected}', got '{said}'"
    );
    Ok(())
}

/// Runs `command`, which must fail with an error of one line that contains `part`. Earlier lines
/// may report progress. Returns its standard error.
///
/// # Errors
///
/// The command succeeds, or prints another error.
pub fn expect_refusal(command: &str, part: &str) -> Result<String> {
    let Output { code, out, err } = cmd::output(command)?;
    let last = err.lines().last().unwrap_or_default();
    ensure!(
        code == 1 && out.is_empty() && last.starts_with("tackle: ") && last.contains(part),
        "`{command}`: expected an error with '{part}', got {code}, '{out}', '{err}'"
    );
    Ok(err)
}

/// Writes a shell script, and returns the command line that runs it by the command `runner`, such
/// as `unshare --net`. The script ends at the first command that fails.
///
/// # Errors
///
/// The file cannot be written.
pub fn script(runner: &str, lines: &str) -> Result<String> {
    let path = "/tmp/tackle-test.sh";
    std::fs::write(path, format!("set -e\n{lines}\n")).context("cannot write a script")?;
    Ok(format!("{runner} sh {path}"))
}

/// Returns the live patches in the output of `tackle patch list --json`.
///
/// # Errors
///
/// The command fails, or does not print JSON.
pub fn patches() -> Result<Vec<Value>> {
    let text = text("patch list --json")?;
    serde_json::from_str(&text).with_context(|| format!("no list: {text}"))
}
