// SPDX-License-Identifier: GPL-2.0

//! A guest of QEMU that can be saved into a file, and started again from that file.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};

use crate::boot::guest_command;
use crate::control::Control;
use crate::interrupt::Interrupt;
use crate::monitor::Monitor;
use crate::process::{create, Running, POLL};
use crate::qemu::{Console, Files, Machine, Shape};
use crate::tail::{Lines, Tail};
use crate::work::{now, Work, ORDERS, READY, WAIT};

/// What starts a guest, besides its shape.
#[derive(Clone, Debug)]
pub struct Host<'a> {
    /// The QEMU program.
    pub qemu: PathBuf,
    /// The file system image that the guest mounts on `/tackle`.
    pub payload: PathBuf,
    /// Where the console leads.
    pub console: Console,
    /// Whether the user wants to stop.
    pub interrupt: &'a Interrupt,
}

/// A running guest; dropping it kills QEMU.
pub struct Vm<'a> {
    host: Host<'a>,
    shape: Shape<'a>,
    /// Its logs.
    pub files: Files,
    /// QEMU.
    pub child: Running,
    control: Control,
    second: Tail,
    lines: Lines,
}

/// What came of an order.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// The command ended with this status, and printed these lines.
    Done(i32, Vec<String>),
    /// QEMU ended first: the kernel has crashed, or the guest was powered off.
    Ended(ExitStatus),
    /// Nothing was heard for too long.
    Silent,
}

/// What a guest says after each order, before the command's status.
const ENDED: &str = "tackle: order ended with ";

impl<'a> Vm<'a> {
    /// Boots a guest that waits for work as soon as it has booted.
    ///
    /// # Errors
    /// When QEMU cannot be started.
    pub fn boot(host: Host<'a>, shape: Shape<'a>, files: Files) -> Result<Self> {
        Self::start(host, shape, files, false)
    }

    /// Starts a guest from the file `saved`, which [`save`](Self::save) wrote. It waits for
    /// work ([`give`](Self::give)), or for an order.
    ///
    /// # Errors
    /// When QEMU cannot be started, or the file is not a whole one or is that of another
    /// shape, and [`Interrupted`](crate::interrupt::Interrupted).
    pub fn restore(host: Host<'a>, shape: Shape<'a>, files: Files, saved: &Path) -> Result<Self> {
        let mut vm = Self::start(host, shape, files, true)?;
        let mut monitor = vm.monitor()?;
        monitor.load(saved, vm.host.interrupt)?;
        monitor.resume()?;
        Ok(vm)
    }

    fn start(host: Host<'a>, shape: Shape<'a>, files: Files, incoming: bool) -> Result<Self> {
        let control = Control::create()?;
        let machine = Machine {
            shape,
            work: &Work::new(WAIT),
            payload: &host.payload,
            console: host.console,
            control: Some(&control),
            incoming,
        };
        let mut command = guest_command(&machine, &host.qemu, &files)?;
        let child = match host.console {
            Console::File => {
                let stderr = create(&files.stderr)?;
                let stdout = stderr
                    .try_clone()
                    .context("cannot duplicate a file handle")?;
                command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
                Running::start(command)?
            }
            Console::Terminal => Running::start_interactive(command)?,
        };
        Ok(Self {
            second: Tail::new(&files.second),
            lines: Lines::new(),
            host,
            shape,
            files,
            child,
            control,
        })
    }

    fn monitor(&mut self) -> Result<Monitor> {
        Monitor::connect(
            &self.control.monitor(),
            &mut self.child,
            self.host.interrupt,
        )
    }

    /// Gives a guest that waits for it its work.
    ///
    /// # Errors
    /// When the pipe to the guest cannot be written.
    pub fn give(&self, work: &Work) -> Result<()> {
        self.control.write(&work.line())
    }

    /// Has the guest take orders from now on, and waits until it does.
    ///
    /// # Errors
    /// When it does not, and as for [`answer`](Self::answer).
    pub fn take_orders(&mut self, silence: Duration) -> Result<()> {
        self.give(&Work::new(ORDERS))?;
        // It said that it waits before it was saved, which is not in this log. That it carries
        // out an order shows that it listens.
        self.obey("true", silence).map(|_| ())
    }

    /// Has a guest that takes orders run a shell command that must succeed. Returns the lines
    /// that it printed.
    ///
    /// # Errors
    /// When the command fails, the guest ends or is silent, and as for
    /// [`answer`](Self::answer).
    pub fn obey(&mut self, command: &str, silence: Duration) -> Result<Vec<String>> {
        self.order(command)?;
        match self.answer(silence)? {
            Answer::Done(0, lines) => Ok(lines),
            answer => bail!("{command}: {answer:?}"),
        }
    }

    /// Has a guest that takes orders run a shell command, which is one line.
    ///
    /// # Errors
    /// When the pipe to the guest cannot be written.
    pub fn order(&self, command: &str) -> Result<()> {
        self.control.write(&format!("{command}\n"))
    }

    /// Waits for what comes of the order that was given.
    ///
    /// # Errors
    /// When the log cannot be read, and [`Interrupted`](crate::interrupt::Interrupted).
    pub fn answer(&mut self, silence: Duration) -> Result<Answer> {
        let mut told: Vec<String> = Vec::new();
        match self.listen(silence, &mut |line| told.push(line.to_owned()))? {
            Answer::Done(status, _) => {
                // The guest ends the command's last line, if the command did not.
                if told.last().is_some_and(String::is_empty) {
                    told.pop();
                }
                Ok(Answer::Done(status, told))
            }
            answer => Ok(answer),
        }
    }

    /// Waits for what comes of the order that was given. `hear` gets each line as it comes; the
    /// answer has none.
    ///
    /// # Errors
    /// As for [`answer`](Self::answer).
    pub fn listen(&mut self, silence: Duration, hear: &mut dyn FnMut(&str)) -> Result<Answer> {
        let mut heard = Instant::now();
        loop {
            self.host.interrupt.check()?;
            // Asked before reading: what was written before the end is then read.
            let ended = self.child.try_wait().context("cannot wait for QEMU")?;
            let bytes = self
                .second
                .read()
                .context("cannot read the guest's ttyS1")?;
            let more = !bytes.is_empty();
            for line in self.lines.push(&bytes) {
                if let Some(status) = line.strip_prefix(ENDED) {
                    return Ok(Answer::Done(status.parse().unwrap_or(-1), Vec::new()));
                }
                if line != READY {
                    hear(&line);
                }
            }
            match ended {
                _ if more => heard = Instant::now(),
                Some(status) => return Ok(Answer::Ended(status)),
                None if heard.elapsed() >= silence => return Ok(Answer::Silent),
                None => sleep(POLL / 10),
            }
        }
    }

    /// Saves the guest into the new file `path`, which is paused from then on.
    ///
    /// # Errors
    /// When QEMU cannot write the file, and [`Interrupted`](crate::interrupt::Interrupted).
    pub fn save(&mut self, path: &Path) -> Result<()> {
        let interrupt = self.host.interrupt;
        self.monitor()?.save(path, interrupt)
    }

    /// Saves the guest as [`save`](Self::save) does, and lets it go on.
    ///
    /// # Errors
    /// As for [`save`](Self::save).
    pub fn snapshot(&mut self, path: &Path) -> Result<()> {
        let interrupt = self.host.interrupt;
        let mut monitor = self.monitor()?;
        monitor.save(path, interrupt)?;
        monitor.resume()
    }

    /// Returns to what [`snapshot`](Self::snapshot) wrote, whatever has become of the guest
    /// since. The guest takes orders again, has the time of day, and random numbers of its own.
    ///
    /// # Errors
    /// As for [`restore`](Self::restore), and when the guest does not answer.
    pub fn return_to(self, saved: &Path, silence: Duration) -> Result<Self> {
        let Self {
            host,
            shape,
            files,
            mut child,
            mut second,
            ..
        } = self;
        child.kill();
        // What the guest said before it was ended is no answer to what comes.
        second.rest().context("cannot read the guest's ttyS1")?;
        let mut vm = Self::restore(host, shape, files, saved)?;
        vm.second = second;
        vm.obey(&format!("wake {}", now()), silence)?;
        Ok(vm)
    }
}
