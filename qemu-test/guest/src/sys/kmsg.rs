// SPDX-License-Identifier: GPL-2.0

//! Reads the kernel log from a moment on.
//!
//! See `Documentation/ABI/testing/dev-kmsg` in the kernel source.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::LazyLock;

use anyhow::{bail, Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use regex::Regex;

const LOG: &str = "/dev/kmsg";

/// What no test may bring into the log. A bare "Call Trace:" is not here:
/// fault injection prints one for every fault that was asked for.
static TROUBLE: LazyLock<Regex> = LazyLock::new(|| {
    let words = [
        r"WARNING:",
        r"BUG:",
        r"kernel BUG at",
        r"\bOops\b",
        r"refcount_t:",
        r"general protection fault",
        r"[Uu]nable to handle",
        r"Kernel panic",
        r"rust_kernel: panicked",
        r"panicked at",
        r"UBSAN:",
        r"KASAN:",
        r"KCSAN:",
        r"INFO: (rcu|task|possible|trying)",
        r"detected stalls",
        r"self-detected stall",
        r"suspicious RCU usage",
        r"still has .* use",
        r"unregister_netdevice: waiting",
        r"Objects remaining",
        r"unreferenced object",
    ];
    Regex::new(&words.join("|")).expect("a fixed pattern")
});

/// One message of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Severity, 0 (emergency) to 7 (debug); 3 is an error.
    pub level: u8,
    /// The message itself.
    pub text: String,
}

impl Record {
    /// Takes apart `priority,sequence,time,flags[,...];text`.
    fn parse(raw: &str) -> Option<Self> {
        let (head, text) = raw.split_once(';')?;
        let priority: u32 = head.split(',').next()?.parse().ok()?;
        Some(Self {
            level: (priority & 7) as u8,
            // What follows the first line are properties of a device.
            text: text.lines().next()?.to_string(),
        })
    }

    /// Whether the message tells of a kernel that is not well.
    pub fn is_trouble(&self) -> bool {
        TROUBLE.is_match(&self.text)
    }
}

/// A position in the log.
pub struct Cursor(File);

impl Cursor {
    /// The end of the log as it is now.
    ///
    /// # Errors
    ///
    /// The log cannot be read, for which root's rights are needed.
    pub fn now() -> Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(LOG)
            .with_context(|| format!("cannot open {LOG}"))?;
        file.seek(SeekFrom::End(0)).context("cannot seek the log")?;
        Ok(Self(file))
    }

    /// The messages since the last call, or since the cursor was made.
    ///
    /// # Errors
    ///
    /// The log cannot be read, or it ran over: what was lost might have been
    /// the very line that matters.
    pub fn read(&mut self) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        let mut buffer = [0; 8192];
        loop {
            match self.0.read(&mut buffer) {
                Ok(0) => return Ok(records),
                Ok(length) => {
                    let raw = String::from_utf8_lossy(&buffer[..length]);
                    records.extend(Record::parse(&raw));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(records),
                Err(error) if error.raw_os_error() == Some(Errno::EPIPE as i32) => {
                    bail!("the kernel log ran over, messages are lost")
                }
                Err(error) => return Err(error).context("cannot read the kernel log"),
            }
        }
    }

    /// Checks that exactly one error was logged since, and that it has `word`.
    ///
    /// # Errors
    ///
    /// There is none, there are several, or it lacks the word.
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
        let trouble = |text: &str| {
            Record {
                level: 4,
                text: text.into(),
            }
            .is_trouble()
        };
        assert!(trouble("WARNING: CPU: 0 PID: 1 at net/core/dev.c:1"));
        assert!(trouble("BUG: unable to handle page fault for address: 0"));
        assert!(trouble("Oops: 0000 [#1] SMP"));
        assert!(trouble("refcount_t: underflow; use-after-free."));
        assert!(trouble("rcu: INFO: rcu_preempt detected stalls on CPUs"));
        assert!(trouble("INFO: task rmmod:12 blocked for more than 120 s"));
        assert!(!trouble(
            "tackle: loading out-of-tree module taints kernel."
        ));
        assert!(!trouble("FAULT_INJECTION: forcing a failure."));
        assert!(!trouble(
            "livepatch: 'livepatch_cmdline': patching complete"
        ));
    }
}
