// SPDX-License-Identifier: GPL-2.0

//! Implements the control folder of one guest, with the socket of QEMU's monitor and a pipe into
//! the guest's ttyS1.
//!
//! The folder has a short path, because the path of a socket has at most 107 bytes.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::process::pipe;

/// The control folder. It is removed when this is dropped.
#[derive(Debug)]
pub struct Control {
    dir: TempDir,
    /// The pipe, open for reading as well as writing, so that `open()` blocks on neither side.
    pipe: File,
}

impl Control {
    /// Creates the folder and the pipe.
    ///
    /// # Errors
    /// Fails when the folder or the pipe cannot be created.
    pub fn create() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("tackle-").tempdir();
        let dir = dir.context("cannot make a folder for QEMU's monitor")?;
        let path = dir.path().join("ttyS1");
        let pipe = pipe(&path)?;
        Ok(Self { dir, pipe })
    }

    /// Returns the path of the socket of QEMU's monitor.
    pub fn monitor(&self) -> PathBuf {
        self.dir.path().join("qmp")
    }

    /// Returns the path of the pipe from which QEMU feeds the guest's ttyS1.
    pub fn pipe(&self) -> PathBuf {
        self.dir.path().join("ttyS1")
    }

    /// Writes into the guest's ttyS1. If `text` does not fit into the pipe (64 KiB when it is
    /// empty), this blocks until the guest has read enough.
    ///
    /// # Errors
    /// Fails when writing to a pipe fails.
    pub fn write(&self, text: &str) -> Result<()> {
        let mut pipe = &self.pipe;
        pipe.write_all(text.as_bytes())
            .context("cannot write to the guest's ttyS1")
    }
}
