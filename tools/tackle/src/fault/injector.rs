// SPDX-License-Identifier: GPL-2.0

//! Implements the machine on which a campaign runs: injector, shell, kernel log, objects and
//! memory.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{bail, Context, Result};

use super::command::{self, Ended};
use super::kmemleak;
use super::kmsg::Log;
use super::listing::Listing;
use super::memory::{has_stacks, validate, Filter, Grown, Memory};
use crate::files;
use crate::roots::Roots;

/// The operations of a campaign on a machine. Tests use a fake.
pub trait World {
    /// Sends a command to the injector. Returns its answer.
    ///
    /// # Errors
    /// Returns an error with the injector's reason if it refuses the command.
    fn inject(&mut self, command: &str) -> Result<String>;

    /// Runs a command by the shell.
    ///
    /// # Errors
    /// Returns an error if the command cannot be started.
    fn run(&mut self, command: &str, limit: Duration) -> Result<Ended>;

    /// Returns the messages that the kernel logged since the last call.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn log(&mut self) -> Result<Vec<String>>;

    /// Marks the beginning of a fault: writes a line into the kernel log, and resets warnings that
    /// the kernel prints only once (`WARN_ONCE()`).
    fn mark(&mut self, text: &str);

    /// Records the present objects and memory for [`compare`](Self::compare).
    ///
    /// # Errors
    /// When a file cannot be read.
    fn remember(&mut self) -> Result<()>;

    /// Discards the recorded memory, since the next operation is in effect now.
    fn forget(&mut self);

    /// Compares the machine with the last [`remember`](Self::remember). Returns the changed
    /// objects as lines, and the memory that has grown.
    ///
    /// # Errors
    /// When a file cannot be read.
    fn compare(&mut self) -> Result<(Vec<String>, Grown)>;

    /// Returns in one line what kmemleak reports on memory that has grown; [`None`] without
    /// kmemleak.
    ///
    /// # Errors
    /// When a file cannot be read.
    fn kmemleak(&mut self) -> Result<Option<String>>;

    /// Returns whether leaks of slab objects can be found.
    fn has_stacks(&self) -> bool;

    /// Waits, so that deferred work of the kernel can finish.
    fn pause(&mut self, time: Duration);
}

/// The device file of the injector.
const DEVICE: &str = "dev/tackle_fault";

/// The machine that this program runs on.
#[derive(Debug)]
pub struct Machine {
    roots: Roots,
    device: Option<File>,
    log: Log,
    /// Messages that were read from the log and that [`World::log`] has not returned yet.
    unread: Vec<String>,
    here: PathBuf,
    modules: Vec<String>,
    ignore: Vec<String>,
    before: Option<(Listing, Memory)>,
}

/// Opens the injector's device file.
///
/// # Errors
/// Returns an error if the module is not loaded or the user is not root. Its text names the
/// solution.
pub fn open(roots: &Roots) -> Result<File> {
    let path = roots.root.join(DEVICE);
    match OpenOptions::new().read(true).write(true).open(&path) {
        Ok(file) => Ok(file),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            bail!("only root may inject faults")
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("the module for fault injection is not loaded: modprobe fault_inject")
        }
        Err(error) => Err(error).with_context(|| format!("cannot open {}", path.display())),
    }
}

/// Sends a command to the injector. Returns its answer.
///
/// # Errors
/// Returns an error with the injector's reason if it refuses the command.
pub fn ask(mut device: &File, command: &str) -> Result<String> {
    let written = device.write(command.as_bytes());
    let mut answer = String::new();
    device
        .read_to_string(&mut answer)
        .context("cannot read the injector's answer")?;
    match written {
        Ok(_) => Ok(answer),
        Err(error) if answer.trim().is_empty() => {
            Err(error).with_context(|| format!("the injector refuses '{command}'"))
        }
        Err(_) => bail!("the injector refuses '{command}': {}", answer.trim()),
    }
}

impl Machine {
    /// Returns this machine, for a workload in the folder `here`.
    ///
    /// # Errors
    /// When the kernel log cannot be read.
    pub fn new(roots: &Roots, here: &Path, modules: &[String], ignore: &[String]) -> Result<Self> {
        Ok(Self {
            roots: roots.clone(),
            device: None,
            log: Log::open()?,
            unread: Vec::new(),
            here: here.to_owned(),
            modules: modules.to_vec(),
            ignore: ignore.to_vec(),
            before: None,
        })
    }
}

impl World for Machine {
    fn inject(&mut self, command: &str) -> Result<String> {
        // The device is opened late because a workload's setup may load the module.
        if self.device.is_none() {
            self.device = Some(open(&self.roots)?);
            // Memory that was lost before the first fault is not the result of a fault.
            kmemleak::forget(&self.roots);
        }
        let device = self.device.as_ref().context("it was opened")?;
        ask(device, command)
    }

    fn run(&mut self, command: &str, limit: Duration) -> Result<Ended> {
        command::run(command, &self.here, limit)
    }

    fn log(&mut self) -> Result<Vec<String>> {
        let mut lines = std::mem::take(&mut self.unread);
        lines.extend(self.log.read()?);
        Ok(lines)
    }

    fn mark(&mut self, text: &str) {
        Log::mark(text);
        // This resets `WARN_ONCE()`. If the file does not exist, a repeated warning is not logged
        // again.
        let _ = files::write(&self.roots.debugfs().join("clear_warn_once"), "1");
    }

    fn remember(&mut self) -> Result<()> {
        let listing = Listing::now(&self.roots, &self.modules, &self.ignore)?;
        let mut memory = Memory::now(&self.roots, &self.modules)?;
        if let Some((_, older)) = self.before.take() {
            memory.keep(older);
        }
        self.before = Some((listing, memory));
        Ok(())
    }

    fn forget(&mut self) {
        self.before = None;
    }

    fn compare(&mut self) -> Result<(Vec<String>, Grown)> {
        let (listing, memory) = self.before.as_mut().context("nothing to compare with")?;
        validate(&self.roots)?;
        let now = Listing::now(&self.roots, &self.modules, &self.ignore)?;
        let grown = memory.grown(&self.roots, &self.modules)?;
        Ok((now.difference(listing), grown))
    }

    fn kmemleak(&mut self) -> Result<Option<String>> {
        self.unread.extend(self.log.read()?);
        let verdict = kmemleak::verdict(&self.roots, Filter(&self.modules))?;
        // The verdict includes the result of this search, so its line in the log is no separate
        // finding.
        let is_of_search = |line: &String| line.contains(" new suspected memory leaks");
        let lines = self.log.read()?.into_iter();
        self.unread.extend(lines.filter(|line| !is_of_search(line)));
        Ok(verdict)
    }

    fn has_stacks(&self) -> bool {
        has_stacks(&self.roots)
    }

    fn pause(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}
