// SPDX-License-Identifier: GPL-2.0

//! Records where figures come from: commit, kernel, QEMU and processor.

use std::path::Path;
use std::process::Command;

use anyhow::{bail, Context, Result};
use serde::{Deserialize, Serialize};
use tackle_qemu::accel::Accel;
use tackle_qemu::kernel::Kernel;
use tackle_qemu::qemu::PROGRAM;

/// The suffix of a commit's name if the checkout has further changes.
const DIRTY: &str = "-dirty";

/// The origin of a figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The full name of the checkout's commit, with `-dirty` if files differ from it.
    pub commit: String,
    /// The release of the kernel that ran, or that the C originals are from.
    pub kernel: String,
    /// QEMU's version, if QEMU was used.
    pub qemu: Option<String>,
    /// What executed the instructions.
    pub accelerator: String,
}

impl Origin {
    /// Returns the origin of figures that are measured in a guest.
    ///
    /// # Errors
    /// Fails when git or QEMU cannot be run, or the kernel's release cannot be read.
    pub fn of_guest(kernel: &Kernel, accel: Accel) -> Result<Self> {
        let version = output(Command::new(PROGRAM).arg("--version"))?;
        let first = version.lines().next().unwrap_or_default();
        let version = first.trim_start_matches("QEMU emulator version ");
        Ok(Self {
            commit: checkout()?,
            kernel: release(&kernel.dir.join("release"))?,
            qemu: Some(version.to_owned()),
            accelerator: accelerator(accel),
        })
    }

    /// Returns the origin of figures that are measured on the host, with C originals of this
    /// kernel.
    ///
    /// # Errors
    /// Fails when git cannot be run, or the kernel's release or the processor's name cannot be
    /// read.
    pub fn of_host(kernel: &Kernel) -> Result<Self> {
        let text = std::fs::read_to_string("/proc/cpuinfo").context("cannot read /proc/cpuinfo")?;
        Ok(Self {
            commit: checkout()?,
            kernel: release(&kernel.dir.join("release"))?,
            qemu: None,
            accelerator: format!("host, {}", processor(&text)),
        })
    }

    /// Returns the origin of figures that are measured where only waiting takes time, so that the
    /// host's processor does not matter.
    ///
    /// # Errors
    /// Fails when git cannot be run, or the kernel's release cannot be read.
    pub fn of_no_time(kernel: &Kernel) -> Result<Self> {
        Ok(Self {
            commit: checkout()?,
            kernel: release(&kernel.dir.join("release"))?,
            qemu: None,
            accelerator: Accel::TimeTravel.name().to_owned(),
        })
    }

    /// Returns the short name of the commit.
    pub fn short_commit(&self) -> String {
        match self.commit.strip_suffix(DIRTY) {
            Some(commit) => short(commit).to_owned() + DIRTY,
            None => short(&self.commit).to_owned(),
        }
    }

    /// Returns the commit, if the checkout has no further changes.
    pub fn clean_commit(&self) -> Option<&str> {
        (!self.commit.ends_with(DIRTY)).then_some(&self.commit)
    }
}

/// Returns the commit of the checkout in the current directory.
fn checkout() -> Result<String> {
    let clean = git(&["status", "--porcelain"])?.is_empty();
    Ok(commit("HEAD")? + if clean { "" } else { DIRTY })
}

/// Returns the name of the processor in `/proc/cpuinfo`.
fn processor(text: &str) -> &str {
    let names = text
        .lines()
        .filter_map(|line| line.strip_prefix("model name"));
    names
        .filter_map(|rest| rest.split_once(": "))
        .map(|(_, name)| name.trim())
        .next()
        .unwrap_or("processor not named")
}

/// Returns the values of QEMU's options for the accelerator, without the options' names.
fn accelerator(accel: Accel) -> String {
    let words = accel.args().iter().copied();
    let words: Vec<_> = words.skip(1).take_while(|word| *word != "-cpu").collect();
    words.join(" ")
}

/// Returns the first twelve digits of a commit's name.
pub fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

/// Returns the full name of a commit.
///
/// # Errors
/// Fails when there is no such commit.
pub fn commit(name: &str) -> Result<String> {
    // A name that starts with a dash must not be taken for an option.
    git(&[
        "rev-parse",
        "--verify",
        "--quiet",
        "--end-of-options",
        &format!("{name}^{{commit}}"),
    ])
    // The error of git has no further information.
    .ok()
    .with_context(|| format!("there is no commit {name:?} in this checkout"))
}

fn git(args: &[&str]) -> Result<String> {
    // In the toolbox the checkout belongs to another user, which git refuses by default.
    output(
        Command::new("git")
            .args(["-c", "safe.directory=*"])
            .args(args),
    )
}

fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_owned();
    let program = Path::new(&program).display();
    let output = command.output();
    let output = output.with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let line = text.lines().next().unwrap_or("no message");
        bail!("{program} ended with {}: {line}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn release(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path);
    let text = text.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.trim().to_owned())
}

/// Returns an origin for tests.
#[cfg(test)]
pub(crate) fn test_origin() -> Origin {
    Origin {
        commit: "0123456789abcdef0123456789abcdef01234567".into(),
        kernel: "7.3.4".into(),
        qemu: Some("10.0.2".into()),
        accelerator: "tcg".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accelerator_comes_with_its_settings() {
        assert_eq!(accelerator(Accel::Icount), "tcg -icount shift=0,sleep=off");
    }

    #[test]
    fn the_processor_has_its_name() {
        let text = "processor\t: 0\nmodel name\t: Fast One: v2 @ 3 GHz\nflags\t\t: fpu\n";
        assert_eq!(processor(text), "Fast One: v2 @ 3 GHz");
        assert_eq!(processor("processor\t: 0\n"), "processor not named");
    }

    #[test]
    fn a_changed_checkout_is_no_commit() {
        let mut origin = test_origin();
        assert!(origin.clean_commit().is_some());
        assert_eq!(origin.short_commit(), "0123456789ab");
        origin.commit += DIRTY;
        assert_eq!(origin.short_commit(), "0123456789ab-dirty");
        assert_eq!(origin.clean_commit(), None);
    }
}
