// SPDX-License-Identifier: GPL-2.0

//! The directory for the logs and results of one run.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::{NamedTempFile, TempDir};

/// Replaces a file at once: a reader gets the old text or the new one, never a part.
///
/// # Errors
/// When that fails; the message names the file.
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

/// A fresh directory; it is removed when dropped unless it was kept.
#[derive(Debug)]
pub struct RunDir {
    dir: TempDir,
    cache: PathBuf,
}

impl RunDir {
    /// Makes `BUILD/qemu/run-...`.
    ///
    /// # Errors
    /// When it cannot be made.
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

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// `BUILD/qemu`: what outlives the run.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// Makes a directory in it.
    ///
    /// # Errors
    /// When that fails.
    pub fn subdir(&self, name: impl AsRef<Path>) -> Result<PathBuf> {
        let path = self.path().join(name);
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }

    /// Leaves the directory where it is.
    pub fn keep(self) -> PathBuf {
        self.dir.keep()
    }
}
