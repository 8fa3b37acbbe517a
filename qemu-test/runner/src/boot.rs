// SPDX-License-Identifier: GPL-2.0

//! Boots: QEMU started and followed to its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::follow::{follow, End, Limits, Listener};
use crate::interrupt::Interrupt;
use crate::kernel::Kernel;
use crate::process::{command, create, Running};
use crate::qemu::{Accel, Console, Files, Machine};
use crate::report::TestResult;
use crate::suite::Guest;
use crate::tracker::Tracker;
use crate::uml;

/// CPUs of a guest that runs no suite, one for each NUMA node.
pub const CPUS: u32 = 2;

/// What a boot needs besides the kernel.
pub struct Booter<'a> {
    /// The QEMU program.
    pub qemu: PathBuf,
    /// What runs the guest.
    pub accel: Accel,
    /// How long to wait.
    pub limits: Limits,
    /// How often a suite that repeats itself is to do so.
    pub rounds: Option<u32>,
    /// Whether the user wants to stop.
    pub interrupt: &'a Interrupt,
}

impl Booter<'_> {
    /// Boots `kernel` with the words `run` for the guest program and tells
    /// `listener` what it prints. Returns the end and QEMU's stderr.
    ///
    /// # Errors
    /// When a file cannot be written or read, QEMU not started, or the user interrupts.
    pub fn boot(
        &self,
        kernel: &Kernel,
        run: &str,
        dir: &Path,
        listener: &mut dyn Listener,
    ) -> Result<(End, String)> {
        self.boot_on(self.accel, CPUS, kernel, run, dir, listener)
    }

    fn boot_on(
        &self,
        accel: Accel,
        cpus: u32,
        kernel: &Kernel,
        run: &str,
        dir: &Path,
        listener: &mut dyn Listener,
    ) -> Result<(End, String)> {
        let files = Files::create(dir)?;
        let machine = Machine {
            kernel,
            accel,
            cpus: accel.cpus(cpus),
            run,
            rounds: self.rounds,
            console: Console::File,
        };
        let mut guest = guest_command(&machine, &self.qemu, &files)?;
        guest
            .stdin(Stdio::null())
            .stdout(create(&files.console)?)
            .stderr(create(&files.stderr)?);
        let mut child = Running::start(guest)?;
        let (console, second) = (&files.console, Some(files.second.as_path()));
        let end = follow(
            &mut child,
            console,
            second,
            &self.limits,
            self.interrupt,
            listener,
        )?;
        let stderr = fs::read(&files.stderr).context("cannot read QEMU's messages")?;
        Ok((end, String::from_utf8_lossy(&stderr).into_owned()))
    }

    /// Boots `kernel` for one suite; `tell` hears each result as it comes in.
    ///
    /// A guest of QEMU's translator that hangs before it has said a word of the suite is
    /// booted once more, in a directory of its own, and the first result says so: none of
    /// our modules had been loaded, and on a busy host the translator was seen to stop for
    /// good in the middle of a stock kernel's ACPI tables.
    ///
    /// # Errors
    /// As [`boot`](Self::boot); a guest that fails is not an error but a failed test.
    pub fn suite(
        &self,
        kernel: &Kernel,
        suite: Guest,
        dir: &Path,
        tell: &mut dyn FnMut(&TestResult),
    ) -> Result<Vec<TestResult>> {
        let mut tracker = Tracker::new(suite.name, &kernel.name, &mut *tell);
        let accel = self.accel.for_suite(suite);
        let run = format!("run,{}", suite.name);
        let (end, stderr) = self.boot_on(accel, suite.cpus, kernel, &run, dir, &mut tracker)?;
        let Some(reason) = self.boots_again(end, &mut tracker) else {
            return Ok(tracker.finish(end, &stderr));
        };
        let mut tracker = Tracker::new(suite.name, &kernel.name, tell);
        tracker.figure(&format!("booted twice, as the first boot was a {reason}"));
        let dir = dir.join("again");
        let (end, stderr) = self.boot_on(accel, suite.cpus, kernel, &run, &dir, &mut tracker)?;
        Ok(tracker.finish(end, &stderr))
    }

    /// Why the end of a first boot is no verdict, if it is none.
    fn boots_again(&self, end: End, tracker: &mut Tracker<'_>) -> Option<String> {
        let translated = matches!(self.accel, Accel::Tcg | Accel::TcgInTurn);
        if !translated || !matches!(end, End::Silent(_)) {
            return None;
        }
        let line = tracker.before_the_suite()?;
        Some(format!("{} after \"{}\"", end.fault()?, line.trim_end()))
    }
}

/// The command that starts a guest, which is left in its folder for use by hand.
///
/// # Errors
/// When a path is not UTF-8, or the file cannot be written.
pub fn guest_command(machine: &Machine<'_>, qemu: &Path, files: &Files) -> Result<Command> {
    let (program, args) = match machine.accel {
        Accel::Uml | Accel::TimeTravel => (Path::new(uml::PROGRAM), uml::args(machine, files)?),
        _ => (qemu, machine.args(files)?),
    };
    save_command(&files.command, program, &args)?;
    let mut command = command(program);
    command.args(args);
    Ok(command)
}

/// Writes a command line in a form that a shell takes.
fn save_command(path: &Path, program: &Path, args: &[String]) -> Result<()> {
    let mut text = program.display().to_string();
    for arg in args {
        text.push_str(" '");
        text.push_str(&arg.replace('\'', r"'\''"));
        text.push('\'');
    }
    text.push('\n');
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
