// SPDX-License-Identifier: GPL-2.0

//! Loads and unloads the modules of live patches with the programs of kmod.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{bail, Context, Result};
use tackle_link::program;

use super::file::About;

/// How a user names a live patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A module's file.
    File(PathBuf),
    /// The name of an installed module or of a loaded patch.
    Name(String),
}

impl From<&str> for Source {
    /// Converts a word of the user. A word with a `/`, or with the ending of a module's file, is a
    /// file.
    fn from(word: &str) -> Self {
        let endings = [".ko", ".ko.gz", ".ko.xz", ".ko.zst"];
        if word.contains('/') || endings.iter().any(|end| word.ends_with(end)) {
            return Self::File(word.into());
        }
        Self::Name(word.replace('-', "_"))
    }
}

impl Source {
    /// Returns the module's name.
    ///
    /// # Errors
    /// Returns an error if there is no such file.
    pub fn name(&self) -> Result<String> {
        match self {
            Self::Name(name) => Ok(name.clone()),
            Self::File(path) => {
                if !path.is_file() {
                    bail!("{}: no such file", path.display());
                }
                // The name in a compressed file cannot be read, but the file normally has the
                // module's name.
                let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
                let stem = name.split(".ko").next().unwrap_or_default();
                Ok(About::read(path)
                    .name
                    .unwrap_or_else(|| stem.replace('-', "_")))
            }
        }
    }
}

/// Loads and unloads modules.
pub trait Modules {
    /// Checks that [`load`](Self::load) finds the module.
    ///
    /// # Errors
    /// Returns an error if no module of this name is installed, or if there is no such file.
    fn find(&self, source: &Source) -> Result<()>;

    /// Loads a module. Before an installed module, its dependencies are loaded.
    ///
    /// # Errors
    /// Returns an error if the module is not found, or if the kernel refuses it.
    fn load(&self, source: &Source) -> Result<()>;

    /// Unloads a module. After an installed module, those of its dependencies are unloaded that no
    /// other module uses.
    ///
    /// # Errors
    /// Returns an error if the kernel refuses.
    fn unload(&self, source: &Source) -> Result<()>;
}

/// Runs `insmod`, `modprobe` and `rmmod`.
#[derive(Clone, Copy, Debug)]
pub struct Kmod;

impl Modules for Kmod {
    fn find(&self, source: &Source) -> Result<()> {
        match source {
            Source::File(_) => source.name().map(drop),
            Source::Name(name) => run(program("modprobe").args(["--dry-run", "--", name]))
                .with_context(|| format!("{name} is not installed, give its file")),
        }
    }

    fn load(&self, source: &Source) -> Result<()> {
        match source {
            Source::File(path) => run(program("insmod").arg(plain(path))),
            Source::Name(name) => run(program("modprobe").args(["--", name])),
        }
    }

    fn unload(&self, source: &Source) -> Result<()> {
        let name = source.name()?;
        let rmmod = || run(program("rmmod").arg(&name));
        match source {
            Source::File(_) => rmmod(),
            // `modprobe` cannot unload a module that was loaded from a file elsewhere, `rmmod`
            // can.
            Source::Name(name) => {
                let by_modprobe = run(program("modprobe").args(["-r", "--", name]));
                by_modprobe.or_else(|_| rmmod())
            }
        }
    }
}

/// Returns a path that no program can mistake for an option.
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
        bail!(
            "{line} (if the module is one of tackle's, load tackle.ko and tackle_ftrace.ko first)"
        );
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
