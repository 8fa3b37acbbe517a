// SPDX-License-Identifier: GPL-2.0

//! Reads the counts of memory accesses from QEMU's plug-in (`qemu-test/plugin`).

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::sync::atomic::Ordering;
use std::thread;

use anyhow::{ensure, Context, Result};
use tackle_arena::{Counts, MARKS, MARK_PAGE, PORT, WORD_ON_COMMAND_LINE};
use tackle_pages::{Pages, Size, PAGE};

use super::{debugfs, numa};
use crate::ktap::raw;

/// The connection to the plug-in.
pub struct Counter {
    marks: Pages,
    lines: BufReader<File>,
    next: usize,
}

impl Counter {
    /// Opens the connection. Returns `None` if QEMU runs the guest without the plug-in.
    ///
    /// # Errors
    ///
    /// The serial line cannot be opened.
    pub fn open() -> Result<Option<Self>> {
        let words = debugfs::read("/proc/cmdline")?;
        if !words.split(' ').any(|word| word == WORD_ON_COMMAND_LINE) {
            return Ok(None);
        }
        let port = OpenOptions::new().read(true).write(true).open(PORT);
        let port = port.with_context(|| format!("cannot open {PORT}"))?;
        raw(&port)?;
        // The page of CPUs follows the page of marks.
        let marks = Pages::map(MARK_PAGE as usize, 2 * PAGE, Size::Small);
        let marks = marks.context("cannot map the page of marks")?;
        // Use another thread, so that this thread keeps its CPUs.
        let named = thread::scope(|scope| scope.spawn(|| name_cpus(&marks)).join());
        named.ok().context("a thread panicked")??;
        Ok(Some(Self {
            marks,
            lines: BufReader::new(port),
            next: 0,
        }))
    }

    /// Returns the current counts.
    ///
    /// # Errors
    ///
    /// The line from the plug-in does not belong to this mark.
    pub fn take(&mut self) -> Result<Counts> {
        let mark = self.next % MARKS;
        self.next += 1;
        self.marks.words()[mark].store(1, Ordering::Relaxed);
        let mut line = String::new();
        self.lines
            .read_line(&mut line)
            .with_context(|| format!("cannot read {PORT}"))?;
        let counts = Counts::parse(line.trim())?;
        ensure!(
            counts.mark == mark,
            "expected the counts of mark {mark}, got {counts}"
        );
        Ok(counts)
    }
}

/// Writes to the word of each CPU from that CPU, so that the plug-in can identify the CPU.
fn name_cpus(pages: &Pages) -> Result<()> {
    for cpu in numa::online_cpus()? {
        numa::pin_to(cpu)?;
        let word = pages.words().get(MARKS + cpu);
        word.context("too many CPUs")?.store(1, Ordering::Relaxed);
    }
    Ok(())
}
