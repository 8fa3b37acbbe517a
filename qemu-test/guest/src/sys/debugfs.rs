// SPDX-License-Identifier: GPL-2.0

//! Reads and writes small text files of the kernel: debugfs, sysfs and procfs.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{anyhow, Context, Result};
use nix::errno::Errno;

use super::Answer;

/// The project's folder in debugfs.
const ROOT: &str = "/sys/kernel/debug/tackle";

/// Returns a path below the project's folder.
pub fn tackle(path: &str) -> PathBuf {
    Path::new(ROOT).join(path)
}

/// Reads a file, without the white space at its end.
///
/// # Errors
///
/// The file cannot be read. The message has the path.
pub fn read(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    fs::read_to_string(path)
        .map(|text| text.trim_end().to_string())
        .with_context(|| format!("cannot read {}", path.display()))
}

/// Reads a file that holds one value.
///
/// # Errors
///
/// The file cannot be read, or the value is not a `T`.
pub fn value<T: FromStr>(path: impl AsRef<Path>) -> Result<T> {
    let path = path.as_ref();
    let text = read(path)?;
    text.parse()
        .map_err(|_| anyhow!("{} has '{text}'", path.display()))
}

/// Reads a number of a file with lines `NAME NUMBER`.
///
/// # Errors
///
/// The file cannot be read, or has no such number.
pub fn number(path: impl AsRef<Path>, name: &str) -> Result<u64> {
    let path = path.as_ref();
    let text = read(path)?;
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let number = lines.find_map(|(found, number)| (found == name).then_some(number));
    let number = number.with_context(|| format!("no {name} in {}", path.display()))?;
    Ok(number.parse()?)
}

/// Writes a file and returns the kernel's answer.
///
/// # Errors
///
/// The error has no error number, so it is not from the kernel.
pub fn write(path: impl AsRef<Path>, text: &str) -> Result<Answer> {
    let path = path.as_ref();
    // `fs::write` would ask to create the file, which debugfs refuses.
    let written = fs::OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
    match written {
        Ok(()) => Ok(Ok(())),
        Err(error) => match error.raw_os_error() {
            Some(number) => Ok(Err(Errno::from_raw(number))),
            None => Err(error).with_context(|| format!("cannot write {}", path.display())),
        },
    }
}

/// Writes a file, which must succeed.
///
/// # Errors
///
/// The kernel refuses. The message has the path and the text.
pub fn set(path: impl AsRef<Path>, text: &str) -> Result<()> {
    let path = path.as_ref();
    write(path, text)?.with_context(|| format!("cannot write '{text}' to {}", path.display()))
}

/// Changed files of settings. Dropping this restores the old values.
pub struct Settings {
    restore: Vec<(PathBuf, String)>,
}

impl Settings {
    /// Writes a value to each file.
    ///
    /// # Errors
    ///
    /// A file cannot be read or written.
    pub fn new(settings: &[(PathBuf, &str)]) -> Result<Self> {
        let mut this = Self {
            restore: Vec::new(),
        };
        for (path, value) in settings {
            let old = read(path)?;
            set(path, value)?;
            this.restore.push((path.clone(), chosen(&old).to_owned()));
        }
        Ok(this)
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        for (path, old) in &self.restore {
            if let Err(error) = set(path, old) {
                eprintln!("{error:#}");
            }
        }
    }
}

/// Returns the value in the contents of a file. Some files list all values, with brackets around
/// the current one.
fn chosen(text: &str) -> &str {
    let inside = text
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'));
    inside.map_or(text, |(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_value_is_in_brackets() {
        assert_eq!(chosen("always [madvise] never"), "madvise");
        assert_eq!(chosen("1000"), "1000");
    }
}
