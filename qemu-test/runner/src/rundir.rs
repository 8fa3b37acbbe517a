// SPDX-License-Identifier: GPL-2.0

//! Implements the directory for the logs and results of one run.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::{NamedTempFile, TempDir};

/// Replaces a file atomically: a reader gets the whole old text or the whole new text.
///
/// # Errors
/// Fails when the file cannot be written; the message names the file.
pub fn replace(path: &Path, text: &str) -> Result<()> {
    let write = || -> Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// A new directory. It is removed when this is dropped, unless [`keep`](Self::keep) was called.
#[derive(Debug)]
pub struct RunDir {
    dir: TempDir,
    cache: PathBuf,
}

impl RunDir {
    /// Creates `BUILD/qemu/run-...`.
    ///
    /// # Errors
    /// Fails when the directory cannot be created.
    pub fn create(build: &Path) -> Result<Self> {
        let base = build.join("qemu");
        let failed = || format!("cannot make a directory in {}", base.display());
        fs::create_dir_all(&base).with_context(failed)?;
        let base = base.canonicalize().with_context(failed)?;
        let dir = tempfile::Builder::new()
            .prefix("run-")
            .tempdir_in(&base)
            .with_context(failed)?;
        Ok(Self { dir, cache: base })
    }

    /// Returns the path of the directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Returns `BUILD/qemu`, for files that later runs use.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// Creates a directory inside this one.
    ///
    /// # Errors
    /// Fails when the directory cannot be made.
    pub fn subdir(&self, name: impl AsRef<Path>) -> Result<PathBuf> {
        let path = self.path().join(name);
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }

    /// Keeps the directory, and returns its path.
    pub fn keep(self) -> PathBuf {
        self.dir.keep()
    }
}
