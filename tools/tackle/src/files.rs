// SPDX-License-Identifier: GPL-2.0

//! The kernel's small text files.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::str::FromStr;

use anyhow::{anyhow, Context, Result};
use nix::errno::Errno;

/// Reads a file, without the white space at its end; [`None`] when what it is about has
/// gone away.
///
/// # Errors
/// When it is there and cannot be read.
pub fn read(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim_end().to_owned())),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Reads a file that holds one value; [`None`] as in [`read`].
///
/// # Errors
/// As [`read`], and when it holds something else.
pub fn value<T: FromStr>(path: &Path) -> Result<Option<T>> {
    let Some(text) = read(path)? else {
        return Ok(None);
    };
    let value = text.parse();
    let value = value.map_err(|_| anyhow!("{} has '{text}'", path.display()))?;
    Ok(Some(value))
}

/// Reads a file that holds 0 or 1; [`None`] as in [`read`].
///
/// # Errors
/// As [`value`].
pub fn flag(path: &Path) -> Result<Option<bool>> {
    Ok(value::<u8>(path)?.map(|value| value != 0))
}

/// Writes to a file that is there, in one go.
///
/// # Errors
/// The kernel's answer.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    // `fs::write` would ask to create the file, which debugfs refuses.
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.write_all(text.as_bytes())
}

/// The names of what is in a folder, sorted; none when it has gone away.
///
/// # Errors
/// When it is there and cannot be read.
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

/// Whether this is how the kernel says that something has just gone: procfs of a task,
/// sysfs of an object.
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
