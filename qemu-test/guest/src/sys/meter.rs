// SPDX-License-Identifier: GPL-2.0

//! Uses the meters of `livepatch_meter`, the module that the sample patches `livepatch_meter_*`
//! patch.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;

use anyhow::{ensure, Context, Result};

/// A meter of `samples/livepatch_meter.c`. It exists while its file is open.
pub struct Meter(File);

impl Meter {
    /// Opens a new meter.
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

    /// Adds a reading.
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

    /// Returns the text of the meter.
    ///
    /// # Errors
    ///
    /// The text cannot be read.
    pub fn text(&self) -> Result<String> {
        let mut text = [0; 256];
        let length = self.0.read_at(&mut text, 0)?;
        Ok(String::from_utf8_lossy(&text[..length]).into_owned())
    }

    /// Checks the text of the meter.
    ///
    /// # Errors
    ///
    /// The text is another one, or it cannot be read.
    pub fn expect(&self, expected: &str) -> Result<()> {
        let text = self.text()?;
        ensure!(text == expected, "expected {expected:?}, got {text:?}");
        Ok(())
    }
}
