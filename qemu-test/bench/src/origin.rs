// SPDX-License-Identifier: GPL-2.0

//! Where figures come from: what a figure without these is worth nothing.

use std::path::Path;
use std::process::Command;

use anyhow::{bail, Context, Result};
use serde::{Deserialize, Serialize};
use tackle_qemu::kernel::Kernel;
use tackle_qemu::qemu::{Accel, PROGRAM};

/// Ends the name of a commit that the checkout differs from.
const DIRTY: &str = "-dirty";

/// What made a figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The full name of the checkout's commit, with `-dirty` when something is changed.
    pub commit: String,
    /// The release of the guest's kernel.
    pub kernel: String,
    /// QEMU's version.
    pub qemu: String,
    /// What executed the guest's instructions.
    pub accelerator: String,
}

impl Origin {
    /// Finds out about the checkout in the current directory and a kernel to boot.
    ///
    /// # Errors
    /// When git or QEMU cannot be asked, or the kernel's release is not there.
    pub fn here(kernel: &Kernel, accel: Accel) -> Result<Self> {
        let head = commit("HEAD")?;
        let clean = git(&["status", "--porcelain"])?.is_empty();
        let version = output(Command::new(PROGRAM).arg("--version"))?;
        let first = version.lines().next().unwrap_or_default();
        Ok(Self {
            commit: head + if clean { "" } else { DIRTY },
            kernel: release(&kernel.dir.join("release"))?,
            qemu: first
                .trim_start_matches("QEMU emulator version ")
                .to_owned(),
            accelerator: accelerator(accel),
        })
    }

    /// The commit's name as people write it.
    pub fn short_commit(&self) -> String {
        match self.commit.strip_suffix(DIRTY) {
            Some(commit) => short(commit).to_owned() + DIRTY,
            None => short(&self.commit).to_owned(),
        }
    }

    /// The commit, if the checkout is exactly that.
    pub fn clean_commit(&self) -> Option<&str> {
        (!self.commit.ends_with(DIRTY)).then_some(&self.commit)
    }
}

/// How QEMU is told to run the guest, without the option's name.
fn accelerator(accel: Accel) -> String {
    let words = accel.args().iter().copied();
    let words: Vec<_> = words.skip(1).take_while(|word| *word != "-cpu").collect();
    words.join(" ")
}

/// The first twelve digits of a commit's name.
pub fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

/// The full name of a commit.
///
/// # Errors
/// When there is no such commit.
pub fn commit(name: &str) -> Result<String> {
    // A name with a dash in front would be an option.
    git(&[
        "rev-parse",
        "--verify",
        "--quiet",
        "--end-of-options",
        &format!("{name}^{{commit}}"),
    ])
    // What git has to say about it is not more than that.
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

/// An origin for tests.
#[cfg(test)]
pub(crate) fn test_origin() -> Origin {
    Origin {
        commit: "0123456789abcdef0123456789abcdef01234567".into(),
        kernel: "7.3.4".into(),
        qemu: "10.0.2".into(),
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
    fn a_changed_checkout_is_no_commit() {
        let mut origin = test_origin();
        assert!(origin.clean_commit().is_some());
        assert_eq!(origin.short_commit(), "0123456789ab");
        origin.commit += DIRTY;
        assert_eq!(origin.short_commit(), "0123456789ab-dirty");
        assert_eq!(origin.clean_commit(), None);
    }
}
