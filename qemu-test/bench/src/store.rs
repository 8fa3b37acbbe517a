// SPDX-License-Identifier: GPL-2.0

//! Stores the results of commits, each in a file in the cache folder.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};
use tempfile::NamedTempFile;

use crate::origin::short;
use crate::record::Record;

/// The folder with the results.
#[derive(Clone, Debug)]
pub struct Store(PathBuf);

impl Store {
    /// Returns the store in a cache folder.
    pub fn new(cache: &Path) -> Self {
        Self(cache.join("bench"))
    }

    /// Returns the records of a commit, by its full name.
    ///
    /// # Errors
    /// Fails when there are no records. The message has the command that makes them.
    pub fn load(&self, commit: &str) -> Result<Vec<Record>> {
        match self.read(commit)? {
            Some(records) => Ok(records),
            None => {
                let short = short(commit);
                bail!("no results of {short} yet: git checkout {short} && make bench")
            }
        }
    }

    /// Saves the records of a commit. Keeps older records of suites that did not run this time.
    ///
    /// # Errors
    /// Fails when the records cannot be written.
    pub fn save(&self, commit: &str, records: &[Record]) -> Result<()> {
        let ran = |suite: &str| records.iter().any(|record| record.key.suite == suite);
        let mut all = self.read(commit)?.unwrap_or_default();
        all.retain(|record| !ran(&record.key.suite));
        all.extend_from_slice(records);
        write(&self.path(commit), &all)
    }

    fn read(&self, commit: &str) -> Result<Option<Vec<Record>>> {
        let path = self.path(commit);
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)
                .map(Some)
                .with_context(|| format!("cannot understand {}", path.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    fn path(&self, commit: &str) -> PathBuf {
        self.0.join(format!("{commit}.json"))
    }
}

/// Writes records to a file atomically. The file is an array with one record in each line, so that
/// files can be compared with `diff`.
///
/// # Errors
/// Fails when it cannot be written.
pub fn write(path: &Path, records: &[Record]) -> Result<()> {
    let lines: Vec<_> = records
        .iter()
        .map(serde_json::to_string)
        .collect::<Result<_, _>>()?;
    write_text(path, &format!("[\n{}\n]\n", lines.join(",\n")))
}

/// Writes a text file atomically, and makes the folder for it.
///
/// # Errors
/// Fails when it cannot be written.
pub fn write_text(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let save = || -> Result<()> {
        fs::create_dir_all(folder)?;
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        // By default only the owner can read a temporary file.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(mode)?;
        file.persist(path)?;
        Ok(())
    };
    save().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::test_record;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn record(suite: &str, value: f64) -> Record {
        test_record([suite, "bare", "noqueue"], value)
    }

    #[test]
    fn what_was_kept_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path());
        store.save(COMMIT, &[record("qdisc", 1.5)]).unwrap();
        assert_eq!(store.load(COMMIT).unwrap(), [record("qdisc", 1.5)]);
    }

    #[test]
    fn a_suite_replaces_its_own_records_only() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path());
        let both = [record("hooks", 1.0), record("qdisc", 2.0)];
        store.save(COMMIT, &both).unwrap();
        store.save(COMMIT, &[record("hooks", 3.0)]).unwrap();
        let expected = [record("qdisc", 2.0), record("hooks", 3.0)];
        assert_eq!(store.load(COMMIT).unwrap(), expected);
    }

    #[test]
    fn the_way_to_a_missing_result_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let error = Store::new(dir.path()).load(COMMIT).unwrap_err().to_string();
        assert_eq!(
            error,
            "no results of 0123456789ab yet: git checkout 0123456789ab && make bench"
        );
    }

    #[test]
    fn a_damaged_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path());
        write_text(&store.path(COMMIT), "[").unwrap();
        let error = store.load(COMMIT).unwrap_err().to_string();
        assert!(error.contains(COMMIT), "{error}");
    }
}
