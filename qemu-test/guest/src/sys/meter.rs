// SPDX-License-Identifier: GPL-2.0

//! What the sample patches `livepatch_meter_*` are patches of.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;

use anyhow::{ensure, Context, Result};

/// A meter of `samples/livepatch_meter.c`: one as long as its file is open.
pub struct Meter(File);

impl Meter {
    /// Opens a new one.
    ///
    /// # Errors
    ///
    /// The module is not loaded.
    pub fn open() -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/proc/livepatch_meter")
            .context("cannot open a meter")?;
        Ok(Self(file))
    }

    /// Gives it a reading.
    ///
    /// # Errors
    ///
    /// The kernel refuses.
    pub fn add(&mut self, reading: u32) -> Result<()> {
        let text = reading.to_string();
        self.0
            .write_all(text.as_bytes())
            .with_context(|| format!("cannot write {text}"))
    }

    /// What it prints.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn text(&self) -> Result<String> {
        let mut text = [0; 256];
        let length = self.0.read_at(&mut text, 0)?;
        Ok(String::from_utf8_lossy(&text[..length]).into_owned())
    }

    /// Checks what it prints.
    ///
    /// # Errors
    ///
    /// It is something else, or it cannot be read.
    pub fn expect(&self, expected: &str) -> Result<()> {
        let text = self.text()?;
        ensure!(text == expected, "expected {expected:?}, got {text:?}");
        Ok(())
    }
}
