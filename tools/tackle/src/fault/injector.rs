// SPDX-License-Identifier: GPL-2.0

//! The machine that a campaign works on: its injector, its shell, its log, its objects and memory.

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

/// What a campaign does to a machine and sees of it.
pub trait World {
    /// Gives the injector a command. Returns its answer.
    ///
    /// # Errors
    /// When it refuses; the error has its reason.
    fn inject(&mut self, command: &str) -> Result<String>;

    /// Runs a command by the shell.
    ///
    /// # Errors
    /// When it cannot be started.
    fn run(&mut self, command: &str, limit: Duration) -> Result<Ended>;

    /// The messages in the kernel log since the last call.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn log(&mut self) -> Result<Vec<String>>;

    /// Begins a fault: writes a line into the kernel log, and has warnings that come once come
    /// again.
    fn mark(&mut self, text: &str);

    /// Remembers the objects and the memory that there are now.
    ///
    /// # Errors
    /// When a file cannot be read.
    fn remember(&mut self) -> Result<()>;

    /// Forgets the memory of the operation before: another one has been put into effect.
    fn forget(&mut self);

    /// What is left behind since [`remember`](Self::remember), in lines, and which memory has
    /// grown.
    ///
    /// # Errors
    /// When a file cannot be read.
    fn compare(&mut self) -> Result<(Vec<String>, Grown)>;

    /// What kmemleak says of memory that has grown, in a line; [`None`] without kmemleak.
    ///
    /// # Errors
    /// When a file cannot be read.
    fn kmemleak(&mut self) -> Result<Option<String>>;

    /// Whether leaks of slab objects can be found.
    fn has_stacks(&self) -> bool;

    /// Waits a little, for what the kernel does later.
    fn pause(&mut self, time: Duration);
}

/// The file of the injector.
const DEVICE: &str = "dev/tackle_fault";

/// The machine that this program runs on.
#[derive(Debug)]
pub struct Machine {
    roots: Roots,
    device: Option<File>,
    log: Log,
    /// Messages that were read, and that [`World::log`] has still to return.
    unread: Vec<String>,
    here: PathBuf,
    modules: Vec<String>,
    ignore: Vec<String>,
    before: Option<(Listing, Memory)>,
}

/// Opens the injector.
///
/// # Errors
/// When its module is not loaded, or the user is not root: the error says what to do.
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

/// Gives the injector a command. Returns its answer.
///
/// # Errors
/// When it refuses; the error has its reason.
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
    /// This machine, for a workload in the folder `here`.
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
        // Opened late: a workload's setup may load the module.
        if self.device.is_none() {
            self.device = Some(open(&self.roots)?);
            // What was lost before is not of a fault.
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
        // Without the file the second of two such warnings is not seen.
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
        // The verdict has this.
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
