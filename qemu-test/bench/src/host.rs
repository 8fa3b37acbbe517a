// SPDX-License-Identifier: GPL-2.0

//! Measures on the host in real time, by the benches of `rust/core`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{bail, Context, Result};
use serde::Deserialize;
use tackle_qemu::follow::{run_logged, Listener};
use tackle_qemu::host::LIMITS;
use tackle_qemu::kernel::Kernel;
use tackle_qemu::process::command;
use tackle_qemu::session::Session;

use crate::origin::Origin;
use crate::record::Key;
use crate::rounds::{alternate, records, MIN_ROUNDS};
use crate::source::{Measured, Source};

/// The number of rounds in which subjects take turns.
const ROUNDS: usize = 31;

/// The seconds of criterion for each curve: to warm up, and to measure.
const CURVE: [&str; 2] = ["1", "2"];

/// The source of figures from the host. The C originals come from the source of a kernel.
pub struct Host<'a> {
    /// The session of the run.
    pub session: &'a Session,
    /// The kernel.
    pub kernel: &'a Kernel,
}

impl Source for Host<'_> {
    /// Lets the subjects of each case take turns, and then lets criterion draw its curves.
    fn measure(&self, suites: &[&str]) -> Result<Measured> {
        let origin = Origin::of_host(self.kernel)?;
        let mut measured = Measured::default();
        for suite in suites {
            let program = self.build()?;
            for line in run(&program, &[])?.lines() {
                let mut words = line.split_whitespace();
                let case = words
                    .next()
                    .with_context(|| format!("a case is {line:?}"))?;
                let subjects: Vec<_> = words.collect();
                self.session.ui.step(&format!("{suite} {case}"));
                let all = alternate(&subjects, ROUNDS, |subject| {
                    self.session.interrupt.check()?;
                    number(&run(&program, &[case, subject])?)
                })?;
                let key = Key {
                    suite: (*suite).to_owned(),
                    case: case.to_owned(),
                    subject: String::new(),
                    metric: "ns_per_call".to_owned(),
                };
                measured
                    .records
                    .extend(records(&key, "ns", &all, MIN_ROUNDS, &origin)?);
            }
            self.session
                .ui
                .step(&format!("{suite}: criterion's curves"));
            let [warm_up, time] = CURVE;
            let words = [
                "curves",
                "--",
                "--warm-up-time",
                warm_up,
                "--measurement-time",
                time,
            ];
            self.cargo("curves", &words)?;
            self.session.ui.clear();
        }
        Ok(measured)
    }
}

impl Host<'_> {
    /// Builds the program that measures a round.
    fn build(&self) -> Result<PathBuf> {
        self.session.ui.step("building the benches of rust/core");
        let log = self.cargo("build", &["rounds", "--no-run", "--message-format=json"])?;
        self.session.ui.clear();
        let text = fs::read_to_string(&log);
        let text = text.with_context(|| format!("cannot read {}", log.display()))?;
        executable(&text).with_context(|| format!("cargo made no program, see {}", log.display()))
    }

    /// Runs `cargo bench` for `rust/core`, and returns the path of the log.
    fn cargo(&self, what: &str, words: &[&str]) -> Result<PathBuf> {
        let log = self.session.dir.subdir(what)?.join("cargo.log");
        let source = self.kernel.dir.join("source");
        let source = source
            .canonicalize()
            .with_context(|| format!("no {}", source.display()))?;
        let mut cargo = command("cargo");
        cargo
            .args([
                "bench",
                "--locked",
                "--quiet",
                "-p",
                "tackle_core",
                "--bench",
            ])
            .args(words)
            .env("TACKLE_KERNEL_SRC", source);
        let end = run_logged(cargo, &log, &LIMITS, &self.session.interrupt, &mut Nobody)?;
        match end.fault() {
            Some(fault) => bail!("cargo bench {fault}, see {}", log.display()),
            None => Ok(log),
        }
    }
}

/// A listener that ignores all output, which is in a log.
struct Nobody;

impl Listener for Nobody {
    fn heard(&mut self, _: &[u8], _: &[u8]) -> Result<()> {
        Ok(())
    }
}

/// Returns the path of the program in cargo's messages, which are lines of JSON.
fn executable(messages: &str) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        executable: Option<PathBuf>,
    }
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    messages
        .filter_map(|message: Message| message.executable)
        .last()
}

fn run(program: &Path, words: &[&str]) -> Result<String> {
    let what = || format!("{} {}", program.display(), words.join(" "));
    let output = Command::new(program).args(words).output();
    let output = output.with_context(|| format!("cannot run {}", what()))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        bail!("{}: {}: {}", what(), output.status, text.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn number(text: &str) -> Result<f64> {
    let text = text.trim();
    text.parse().with_context(|| format!("no number: {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_in_cargos_messages() {
        let text = "warning: something\n\
                    {\"reason\":\"compiler-artifact\",\"executable\":null}\n\
                    {\"reason\":\"compiler-artifact\",\"executable\":\"/target/rounds-1\"}\n\
                    {\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(executable(text), Some("/target/rounds-1".into()));
        assert_eq!(executable("{\"reason\":\"build-finished\"}\n"), None);
    }

    #[test]
    fn what_is_no_number_is_shown() {
        assert_eq!(number("12.5\n").unwrap(), 12.5);
        let error = number("fast\n").unwrap_err().to_string();
        assert_eq!(error, "no number: \"fast\"");
    }
}
