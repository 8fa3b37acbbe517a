// SPDX-License-Identifier: GPL-2.0

//! The control folder of one guest: QEMU's monitor, and a pipe into the guest's ttyS1.
//!
//! It is a folder of its own with a short name, as the name of a socket has at most 107
//! bytes.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::process::pipe;

/// The folder; it is removed when dropped.
#[derive(Debug)]
pub struct Control {
    dir: TempDir,
    /// Held open for reading, too: so neither side waits for the other one to open it.
    pipe: File,
}

impl Control {
    /// Makes the folder and the pipe.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn create() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("tackle-").tempdir();
        let dir = dir.context("cannot make a folder for QEMU's monitor")?;
        let path = dir.path().join("ttyS1");
        let pipe = pipe(&path)?;
        Ok(Self { dir, pipe })
    }

    /// The socket of QEMU's monitor.
    pub fn monitor(&self) -> PathBuf {
        self.dir.path().join("qmp")
    }

    /// The pipe from which QEMU feeds the guest's ttyS1.
    pub fn pipe(&self) -> PathBuf {
        self.dir.path().join("ttyS1")
    }

    /// Writes into the guest's ttyS1. `text` must fit into an empty pipe (64 KiB), or this
    /// waits for the guest.
    ///
    /// # Errors
    /// What writing to a pipe reports.
    pub fn write(&self, text: &str) -> Result<()> {
        let mut pipe = &self.pipe;
        pipe.write_all(text.as_bytes())
            .context("cannot write to the guest's ttyS1")
    }
}
