// SPDX-License-Identifier: GPL-2.0

//! Reads the messages that the kernel logged since the last call, and finds reports in them.
//!
//! Kernel documentation: `Documentation/ABI/testing/dev-kmsg`.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc::O_NONBLOCK;
use tackle_klog::sign;

use super::finding::{Finding, Kind};

const LOG: &str = "/dev/kmsg";

/// A position in the kernel log.
#[derive(Debug)]
pub struct Log(File);

impl Log {
    /// Opens the log at its present end.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn open() -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(O_NONBLOCK)
            .open(LOG);
        let mut file = file.with_context(|| format!("cannot read {LOG}"))?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self(file))
    }

    /// Writes a line into the log. Errors are ignored.
    pub fn mark(text: &str) {
        // The log is useful even without this line.
        let _ = OpenOptions::new()
            .write(true)
            .open(LOG)
            .and_then(|mut file| file.write_all(text.as_bytes()));
    }

    /// Returns the messages since the last call.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn read(&mut self) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        let mut buffer = [0; 8192];
        loop {
            match self.0.read(&mut buffer) {
                Ok(0) => return Ok(lines),
                Ok(length) => {
                    let record = String::from_utf8_lossy(&buffer[..length]);
                    let text = record.split_once(';').map(|(_, text)| text);
                    lines.extend(text.and_then(|text| text.lines().next()).map(str::to_owned));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(lines),
                // EPIPE means that the kernel has overwritten unread messages. The next read
                // continues with the oldest message that remains.
                Err(error) if error.raw_os_error() == Some(Errno::EPIPE as i32) => {}
                Err(error) => return Err(error).context("cannot read the kernel log"),
            }
        }
    }
}

/// The maximum number of lines of a report that are kept.
const KEPT: usize = 60;

/// Returns the first report in these lines of the log, if there is one.
pub fn report(lines: &[String]) -> Option<Finding> {
    let (at, kind) = lines
        .iter()
        .enumerate()
        .find_map(|(at, line)| Some((at, sign(line)?)))?;
    let kind = match kind {
        tackle_klog::Kind::Crash => Kind::Crash,
        tackle_klog::Kind::Stall => Kind::Hang,
        tackle_klog::Kind::Warning => Kind::Report,
        tackle_klog::Kind::Leak => Kind::Leak,
    };
    let details = lines.iter().skip(at).take(KEPT).cloned().collect();
    Some(Finding::new(kind, lines[at].clone(), details))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_report_counts() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(report(&lines("zram: Added device\nCall Trace:")), None);
        let text = "a\nWARNING: mm/x.c:1 at f+0x1/0x2\nb\nOops: Oops: 0002 [#1] SMP";
        let finding = report(&lines(text)).unwrap();
        assert_eq!(finding.kind, Kind::Report);
        assert_eq!(
            (finding.text.as_str(), finding.details.len()),
            ("WARNING: mm/x.c:1 at f+0x1/0x2", 3)
        );
        let oops = report(&lines("BUG: kernel NULL pointer dereference, address: 0")).unwrap();
        assert_eq!(oops.kind, Kind::Crash);
    }
}
