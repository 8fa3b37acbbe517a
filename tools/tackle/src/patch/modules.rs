// SPDX-License-Identifier: GPL-2.0

//! Modules that hold live patches, loaded and unloaded by the programs of kmod.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{bail, Context, Result};

/// What a user names a live patch by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A module's file.
    File(PathBuf),
    /// The name of a module that is installed, or of a patch that the kernel knows.
    Name(String),
}

impl From<&str> for Source {
    /// What has a `/` in it or ends as modules' files do is a file.
    fn from(word: &str) -> Self {
        let endings = [".ko", ".ko.gz", ".ko.xz", ".ko.zst"];
        if word.contains('/') || endings.iter().any(|end| word.ends_with(end)) {
            return Self::File(word.into());
        }
        Self::Name(word.replace('-', "_"))
    }
}

impl Source {
    /// The module's name.
    ///
    /// # Errors
    /// When it is not the path of a file.
    pub fn name(&self) -> Result<String> {
        match self {
            Self::Name(name) => Ok(name.clone()),
            Self::File(path) => {
                if !path.is_file() {
                    bail!("{}: no such file", path.display());
                }
                let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
                let stem = name.split(".ko").next().unwrap_or_default();
                Ok(stem.replace('-', "_"))
            }
        }
    }
}

/// Loads and unloads modules.
pub trait Modules {
    /// Loads a module; one that is installed brings along what it depends on.
    ///
    /// # Errors
    /// When the kernel refuses it, or it is not found.
    fn load(&self, source: &Source) -> Result<()>;

    /// Unloads a module; with one that is installed go those that it brought along and
    /// nobody uses.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn unload(&self, source: &Source) -> Result<()>;
}

/// `insmod`, `modprobe` and `rmmod`.
#[derive(Clone, Copy, Debug)]
pub struct Kmod;

impl Modules for Kmod {
    fn load(&self, source: &Source) -> Result<()> {
        match source {
            Source::File(path) => run(Command::new("insmod").arg(plain(path))),
            Source::Name(name) => run(Command::new("modprobe").args(["--", name])),
        }
    }

    fn unload(&self, source: &Source) -> Result<()> {
        match source {
            Source::File(_) => run(Command::new("rmmod").arg(source.name()?)),
            Source::Name(name) => run(Command::new("modprobe").args(["-r", "--", name])),
        }
    }
}

/// A path that no program takes for an option.
fn plain(path: &Path) -> PathBuf {
    Path::new(".").join(path)
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output();
    let output = output.with_context(|| format!("cannot run {program}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().last().unwrap_or("failed").trim();
    if line.contains("Unknown symbol") {
        bail!("{line} (is what it depends on loaded? tackle.ko, of this project's)");
    }
    bail!("{line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_names_are_told_apart() {
        for word in ["a.ko", "./a", "a.ko.zst", "/lib/a.ko.xz"] {
            assert_eq!(Source::from(word), Source::File(word.into()), "{word}");
        }
        assert_eq!(Source::from("a-b"), Source::Name("a_b".into()));
    }

    #[test]
    fn a_files_module_has_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("livepatch-a.ko.zst");
        let missing = Source::File(path.clone()).name().unwrap_err().to_string();
        assert!(missing.ends_with("no such file"), "{missing}");
        std::fs::write(&path, "").unwrap();
        assert_eq!(Source::File(path).name().unwrap(), "livepatch_a");
    }

    #[test]
    fn what_a_program_said_is_the_error() {
        let error = run(Command::new("sh").args(["-c", "echo a >&2; echo b >&2; exit 1"]));
        assert_eq!(error.unwrap_err().to_string(), "b");
        assert!(run(&mut Command::new("true")).is_ok());
    }
}
