// SPDX-License-Identifier: GPL-2.0

//! Implements a fake kernel for tests: a folder with files of sysfs and procfs.

#![allow(dead_code)] // Each test is a crate; not all of them need all of it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use tackle_cli::roots::Roots;
use tempfile::TempDir;

/// A temporary folder with files of sysfs and procfs, which the test writes.
pub struct Fake {
    _dir: TempDir,
    pub roots: Roots,
}

impl Fake {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots::under(dir.path());
        fs::create_dir_all(roots.sys.join("kernel/debug")).unwrap();
        fs::create_dir_all(&roots.proc).unwrap();
        Self { _dir: dir, roots }
    }
}

/// Writes a file, and creates its folders.
pub fn put(path: PathBuf, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Returns the text of a file.
pub fn get(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap().trim().to_owned()
}

/// Returns the text of the error, and checks that it is one line.
pub fn error<T>(outcome: Result<T>) -> String {
    let error = format!("{:#}", outcome.err().unwrap());
    assert!(!error.contains('\n'), "{error}");
    error
}
