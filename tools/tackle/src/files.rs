// SPDX-License-Identifier: GPL-2.0

//! Reads and writes small text files of sysfs, procfs and debugfs.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::str::FromStr;

use anyhow::{anyhow, Context, Result};
use nix::errno::Errno;

/// Returns the text of a file without white space at its end. Returns [`None`] if the file does
/// not exist, or if the task or device behind it no longer exists.
///
/// # Errors
/// Returns an error if the file exists and cannot be read.
pub fn read(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim_end().to_owned())),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Returns the value in a file that holds one value; [`None`] as in [`read`].
///
/// # Errors
/// Returns the errors of [`read`], and an error if the text of the file is no such value.
pub fn value<T: FromStr>(path: &Path) -> Result<Option<T>> {
    let Some(text) = read(path)? else {
        return Ok(None);
    };
    let value = text.parse();
    let value = value.map_err(|_| anyhow!("{} has '{text}'", path.display()))?;
    Ok(Some(value))
}

/// Returns whether the number in a file is not 0; [`None`] as in [`read`].
///
/// # Errors
/// Returns the errors of [`value`].
pub fn flag(path: &Path) -> Result<Option<bool>> {
    Ok(value::<u8>(path)?.map(|value| value != 0))
}

/// Writes to an existing file, normally with one `write()`.
///
/// # Errors
/// Returns the error of `open()` or `write()`.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    // `fs::write` would ask to create the file, which debugfs refuses.
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.write_all(text.as_bytes())
}

/// Returns the names of a folder's entries, sorted. The list is empty if the folder does not
/// exist.
///
/// # Errors
/// Returns an error if the folder exists and cannot be read.
pub fn names(path: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(path) {
        Err(error) if is_gone(&error) => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) => names.extend(entry.file_name().into_string()),
            Err(error) if is_gone(&error) => break,
            Err(error) => return Err(error.into()),
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Returns whether an error means that the object of a file no longer exists: `ESRCH` for a task
/// in procfs, `ENODEV` for an object in sysfs, `ENOENT` for a file.
fn is_gone(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw);
    error.kind() == ErrorKind::NotFound || matches!(code, Some(Errno::ESRCH | Errno::ENODEV))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_none() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(&dir.path().join("a")).unwrap(), None);
        assert_eq!(flag(&dir.path().join("a")).unwrap(), None);
        assert!(names(&dir.path().join("a")).unwrap().is_empty());
        assert!(read(dir.path()).is_err());
    }

    #[test]
    fn values_are_read_and_others_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "1\n").unwrap();
        assert_eq!(flag(&path).unwrap(), Some(true));
        fs::write(&path, "one\n").unwrap();
        let error = flag(&path).unwrap_err().to_string();
        assert!(error.ends_with("a has 'one'"), "{error}");
    }

    #[test]
    fn nothing_is_created_by_writing() {
        let dir = tempfile::tempdir().unwrap();
        assert!(write(&dir.path().join("a"), "1").is_err());
        assert!(names(dir.path()).unwrap().is_empty());
    }
}
