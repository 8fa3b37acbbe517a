// SPDX-License-Identifier: GPL-2.0

//! The command `tackle`.

use anyhow::{ensure, Context, Result};
use serde_json::Value;

use super::cmd::{self, Output};

/// The program.
pub const PROGRAM: &str = "/tackle/tackle";

/// Runs `tackle WORDS`, whatever comes of it.
///
/// # Errors
///
/// See [`cmd::output`].
pub fn output(words: &str) -> Result<Output> {
    cmd::output(&format!("{PROGRAM} {words}"))
}

/// Runs `tackle WORDS`, which has to work, and returns what it wrote to standard output.
///
/// # Errors
///
/// It fails.
pub fn text(words: &str) -> Result<String> {
    cmd::run(&format!("{PROGRAM} {words}"))
}

/// As [`text`], of which it returns the last line.
///
/// # Errors
///
/// See [`text`].
pub fn say(words: &str) -> Result<String> {
    let text = text(words)?;
    Ok(text.lines().last().unwrap_or_default().to_owned())
}

/// Runs `tackle WORDS`, which has to answer with this line.
///
/// # Errors
///
/// It fails, or says something else.
pub fn expect(words: &str, expected: &str) -> Result<()> {
    let said = say(words)?;
    ensure!(
        said == expected,
        "tackle {words}: expected '{expected}', got '{said}'"
    );
    Ok(())
}

/// Runs `command`, which has to fail with an error of one line that has `part` in it;
/// lines before it are about what went on. Returns all that it wrote to standard error.
///
/// # Errors
///
/// It works, or says something else.
pub fn expect_refusal(command: &str, part: &str) -> Result<String> {
    let Output { code, out, err } = cmd::output(command)?;
    let last = err.lines().last().unwrap_or_default();
    ensure!(
        code == 1 && out.is_empty() && last.starts_with("tackle: ") && last.contains(part),
        "`{command}`: expected an error with '{part}', got {code}, '{out}', '{err}'"
    );
    Ok(err)
}

/// Writes a shell script, and returns the command line that runs it, by `runner` such as
/// `unshare --net`. The script ends at the first command that fails.
///
/// # Errors
///
/// The file cannot be written.
pub fn script(runner: &str, lines: &str) -> Result<String> {
    let path = "/tmp/tackle-test.sh";
    std::fs::write(path, format!("set -e\n{lines}\n")).context("cannot write a script")?;
    Ok(format!("{runner} sh {path}"))
}

/// The live patches, as `tackle patch list --json` has them.
///
/// # Errors
///
/// It fails, or prints no JSON.
pub fn patches() -> Result<Vec<Value>> {
    let text = text("patch list --json")?;
    serde_json::from_str(&text).with_context(|| format!("no list: {text}"))
}
