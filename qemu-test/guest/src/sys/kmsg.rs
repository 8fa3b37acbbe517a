// SPDX-License-Identifier: GPL-2.0

//! Reads the kernel log from a position on, and writes to it.
//!
//! See `Documentation/ABI/testing/dev-kmsg` in the kernel source.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;

use anyhow::{bail, ensure, Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;

const LOG: &str = "/dev/kmsg";

/// The beginning of the lines that [`still_waits`] writes.
const WAITS: &str = "tackle: the test waits for ";

/// Writes a line to the log that a test waits for `what`.
pub fn still_waits(what: &str) {
    let file = OpenOptions::new().write(true).open(LOG);
    // The line is only for the host, which would take a silent guest for one that hangs.
    let _ = file.and_then(|mut file| file.write_all(format!("<6>{WAITS}{what}").as_bytes()));
}

/// One message of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Severity, 0 (emergency) to 7 (debug); 3 is an error.
    pub level: u8,
    /// The message itself.
    pub text: String,
}

impl Record {
    /// Parses `priority,sequence,time,flags[,...];text`.
    fn parse(raw: &str) -> Option<Self> {
        let (head, text) = raw.split_once(';')?;
        let priority: u32 = head.split(',').next()?.parse().ok()?;
        Some(Self {
            level: (priority & 7) as u8,
            // The lines after the first are properties of a device.
            text: text.lines().next()?.to_string(),
        })
    }

    /// Returns whether the message begins a report of a crash, a warning, a stall or a leak.
    pub fn is_trouble(&self) -> bool {
        tackle_klog::sign(&self.text).is_some()
    }
}

/// Checks that one of the messages has a text.
///
/// # Errors
///
/// No message has it.
pub fn expect(records: &[Record], text: &str) -> Result<()> {
    let found = records.iter().any(|record| record.text.contains(text));
    ensure!(found, "the log lacks '{text}': {records:?}");
    Ok(())
}

/// A position in the log.
pub struct Cursor(File);

impl Cursor {
    /// Returns the current end of the log.
    ///
    /// # Errors
    ///
    /// The log cannot be read, which needs the rights of root.
    pub fn now() -> Result<Self> {
        let mut this = Self::oldest()?;
        this.0
            .seek(SeekFrom::End(0))
            .context("cannot seek the log")?;
        Ok(this)
    }

    /// Returns the position of the oldest message in the log.
    ///
    /// # Errors
    ///
    /// See [`now`](Self::now).
    pub fn oldest() -> Result<Self> {
        OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(LOG)
            .map(Self)
            .with_context(|| format!("cannot open {LOG}"))
    }

    /// Returns the messages since the last call, or since the cursor was made.
    ///
    /// # Errors
    ///
    /// The log cannot be read, or messages were overwritten before they were read. An important
    /// message may be among them.
    pub fn read(&mut self) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        let mut buffer = [0; 8192];
        loop {
            match self.0.read(&mut buffer) {
                Ok(0) => return Ok(records),
                Ok(length) => {
                    let raw = String::from_utf8_lossy(&buffer[..length]);
                    // Lines of [`still_waits`] are left out, since they can contain the message
                    // that a test waits for.
                    let record = Record::parse(&raw);
                    records.extend(record.filter(|record| !record.text.starts_with(WAITS)));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(records),
                Err(error) if error.raw_os_error() == Some(Errno::EPIPE as i32) => {
                    bail!("the kernel log ran over, messages are lost")
                }
                Err(error) => return Err(error).context("cannot read the kernel log"),
            }
        }
    }

    /// Checks that exactly one error was logged since the last call, and that it contains `word`.
    ///
    /// # Errors
    ///
    /// There is no error, there are several, or the error lacks the word.
    pub fn expect_one_error(&mut self, word: &str) -> Result<()> {
        let records = self.read()?;
        let errors: Vec<_> = records.iter().filter(|record| record.level <= 3).collect();
        match errors[..] {
            [one] if one.text.contains(word) => Ok(()),
            _ => bail!("expected one error with `{word}` in the kernel log, got {errors:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_its_level_and_first_line() {
        let record = Record::parse("3,812,5140900,-;numa_stat: tasks\n SUBSYSTEM=x\n").unwrap();
        assert_eq!(record.level, 3);
        assert_eq!(record.text, "numa_stat: tasks");
        // Facility "user", severity "warning".
        assert_eq!(Record::parse("12,1,2,-;hi").unwrap().level, 4);
        assert_eq!(Record::parse("no record"), None);
    }

    #[test]
    fn trouble_is_told_from_ordinary_lines() {
        let trouble = |raw| Record::parse(raw).unwrap().is_trouble();
        assert!(trouble("4,1,2,-;WARNING: net/core/dev.c:1 at f+0x1/0x2"));
        assert!(trouble("6,1,2,-;kmemleak: 1 new suspected memory leaks"));
        assert!(!trouble("4,1,2,-;FAULT_INJECTION: forcing a failure."));
    }
}
