// SPDX-License-Identifier: GPL-2.0

//! Implements a guest of QEMU that can be saved into a file and restored from it.

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

/// Everything that starts a guest, except its shape.
#[derive(Clone, Debug)]
pub struct Host<'a> {
    /// The QEMU program.
    pub qemu: PathBuf,
    /// The file system image that the guest mounts on `/tackle`.
    pub payload: PathBuf,
    /// Where the console is written.
    pub console: Console,
    /// Whether the user wants to stop.
    pub interrupt: &'a Interrupt,
}

/// A running guest; dropping it kills QEMU.
pub struct Vm<'a> {
    host: Host<'a>,
    shape: Shape<'a>,
    /// The guest's logs.
    pub files: Files,
    /// QEMU.
    pub child: Running,
    control: Control,
    second: Tail,
    lines: Lines,
}

/// The result of an order to the guest.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// The command ended with this status, and printed these lines.
    Done(i32, Vec<String>),
    /// QEMU ended first: the kernel has crashed, or the guest was powered off.
    Ended(ExitStatus),
    /// There was no output for too long.
    Silent,
}

/// The text that a guest prints after each order, before the command's exit status.
const ENDED: &str = "tackle: order ended with ";

impl<'a> Vm<'a> {
    /// Boots a guest that waits for work as soon as it has booted.
    ///
    /// # Errors
    /// Fails when QEMU cannot be started.
    pub fn boot(host: Host<'a>, shape: Shape<'a>, files: Files) -> Result<Self> {
        Self::start(host, shape, files, false)
    }

    /// Restores a guest from the file `saved`, which [`save`](Self::save) wrote. The guest then
    /// waits for work ([`give`](Self::give)) or for an order.
    ///
    /// # Errors
    /// Fails when QEMU cannot be started, when the file is not complete or comes from another
    /// shape, and with [`Interrupted`](crate::interrupt::Interrupted) when the user interrupts.
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

    /// Gives work to a guest that waits for it.
    ///
    /// # Errors
    /// Fails when the pipe to the guest cannot be written.
    pub fn give(&self, work: &Work) -> Result<()> {
        self.control.write(&work.line())
    }

    /// Makes the guest execute orders from now on, and waits until it does so.
    ///
    /// # Errors
    /// Fails when the guest does not execute a first order, or with the errors of
    /// [`answer`](Self::answer).
    pub fn take_orders(&mut self, silence: Duration) -> Result<()> {
        self.give(&Work::new(ORDERS))?;
        // The guest printed that it waits before it was saved, so the line is not in this log.
        // Executing an order shows that it is ready.
        self.obey("true", silence).map(|_| ())
    }

    /// Makes a guest that takes orders run a shell command that must succeed. Returns the lines
    /// that the command printed.
    ///
    /// # Errors
    /// Fails when the command fails, the guest ends or is silent, or with the errors of
    /// [`answer`](Self::answer).
    pub fn obey(&mut self, command: &str, silence: Duration) -> Result<Vec<String>> {
        self.order(command)?;
        match self.answer(silence)? {
            Answer::Done(0, lines) => Ok(lines),
            answer => bail!("{command}: {answer:?}"),
        }
    }

    /// Makes a guest that takes orders run a shell command of one line, without waiting for the end
    /// of the command.
    ///
    /// # Errors
    /// Fails when the pipe to the guest cannot be written.
    pub fn order(&self, command: &str) -> Result<()> {
        self.control.write(&format!("{command}\n"))
    }

    /// Waits for the end of the last order. The answer has the lines of output.
    ///
    /// # Errors
    /// Fails when the log cannot be read, and with [`Interrupted`](crate::interrupt::Interrupted)
    /// when the user interrupts.
    pub fn answer(&mut self, silence: Duration) -> Result<Answer> {
        let mut told: Vec<String> = Vec::new();
        match self.listen(silence, &mut |line| told.push(line.to_owned()))? {
            Answer::Done(status, _) => {
                // The guest adds a line end after the command's output. If the output ended with
                // one, this makes an empty line.
                if told.last().is_some_and(String::is_empty) {
                    told.pop();
                }
                Ok(Answer::Done(status, told))
            }
            answer => Ok(answer),
        }
    }

    /// Waits for the end of the last order. `hear` is called with each line of output as soon as it
    /// is read. The answer has no lines.
    ///
    /// # Errors
    /// The errors are those of [`answer`](Self::answer).
    pub fn listen(&mut self, silence: Duration, hear: &mut dyn FnMut(&str)) -> Result<Answer> {
        let mut heard = Instant::now();
        loop {
            self.host.interrupt.check()?;
            // Check this before reading, so that everything written before the exit is read.
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

    /// Saves the guest into the new file `path`. The guest stays paused after that.
    ///
    /// # Errors
    /// Fails when QEMU cannot write the file, and with
    /// [`Interrupted`](crate::interrupt::Interrupted) when the user interrupts.
    pub fn save(&mut self, path: &Path) -> Result<()> {
        let interrupt = self.host.interrupt;
        self.monitor()?.save(path, interrupt)
    }

    /// Saves the guest as [`save`](Self::save) does, and resumes it.
    ///
    /// # Errors
    /// The errors are those of [`save`](Self::save).
    pub fn snapshot(&mut self, path: &Path) -> Result<()> {
        let interrupt = self.host.interrupt;
        let mut monitor = self.monitor()?;
        monitor.save(path, interrupt)?;
        monitor.resume()
    }

    /// Restores the guest from a file that [`snapshot`](Self::snapshot) wrote, even if the guest
    /// has crashed or hangs. The guest then takes orders again. It has the current time and new
    /// random numbers.
    ///
    /// # Errors
    /// The errors are those of [`restore`](Self::restore). This also fails when the guest does not
    /// answer.
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
        // Skip what the guest printed before it was ended, since this is not the answer to the next
        // order.
        second.rest().context("cannot read the guest's ttyS1")?;
        let mut vm = Self::restore(host, shape, files, saved)?;
        vm.second = second;
        vm.obey(&format!("wake {}", now()), silence)?;
        Ok(vm)
    }
}
