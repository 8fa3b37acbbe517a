// SPDX-License-Identifier: GPL-2.0

//! Starts a guest, from a template or by booting it, and follows the guest until it ends.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::accel::Accel;
use crate::follow::{follow, End, Limits, Listener};
use crate::interrupt::{Interrupt, Interrupted};
use crate::kernel::Kernel;
use crate::process::{command, create, pipe, Running};
use crate::qemu::{Console, Files, Machine, Shape, Wires, NODES};
use crate::report::TestResult;
use crate::suite::Guest;
use crate::template::Templates;
use crate::tracker::Tracker;
use crate::uml;
use crate::vm::{Host, Vm};
use crate::work::Work;

/// The number of CPUs of a guest that runs no suite: one for each NUMA node.
const CPUS: u32 = 2;

/// Everything that starts a guest, except the kernel.
pub struct Booter<'a> {
    /// The QEMU program.
    pub qemu: PathBuf,
    /// What executes the guest.
    pub accel: Accel,
    /// The time limits of a guest.
    pub limits: Limits,
    /// The number of rounds for suites that repeat their work; `None` for the suite's own number.
    pub rounds: Option<u32>,
    /// The templates to start guests from; `None` if each guest boots.
    pub templates: Option<&'a Templates>,
    /// Whether the user wants to stop.
    pub interrupt: &'a Interrupt,
}

impl Booter<'_> {
    /// Starts a guest of `kernel` with the arguments `run` for the guest program, and passes the
    /// guest's output to `listener`. Returns how the guest ended, and QEMU's stderr.
    ///
    /// # Errors
    /// Fails when a file cannot be written or read, QEMU cannot be started, or the user interrupts.
    pub fn boot(
        &self,
        kernel: &Kernel,
        run: &str,
        dir: &Path,
        listener: &mut dyn Listener,
    ) -> Result<(End, String)> {
        self.boot_shape(self.shape(kernel), run, dir, listener)
    }

    /// Returns the shape of a guest of `kernel` that runs no suite.
    pub fn shape<'k>(&self, kernel: &'k Kernel) -> Shape<'k> {
        Shape {
            kernel,
            accel: self.accel,
            cpus: self.accel.cpus(CPUS),
            nodes: self.accel.nodes(NODES),
            wires: Wires::Ring,
            parameters: &[],
        }
    }

    /// Does the same as [`boot`](Self::boot), for a guest of this shape.
    ///
    /// # Errors
    /// The errors are those of [`boot`](Self::boot).
    pub fn boot_shape(
        &self,
        shape: Shape<'_>,
        run: &str,
        dir: &Path,
        listener: &mut dyn Listener,
    ) -> Result<(End, String)> {
        let files = Files::create(dir)?;
        let work = Work {
            rounds: self.rounds,
            ..Work::new(run)
        };
        // This end stays open for reading and writing until the guest ends. So neither QEMU nor its
        // plug-in blocks in `open()` until the other opens the pipe.
        let _pipe = shape.counts().then(|| pipe(&files.counts)).transpose()?;
        let mut guest = self.start(shape, &work, dir, Console::File)?;
        let (console, second) = (&files.console, Some(files.second.as_path()));
        let end = follow(
            guest.child(),
            console,
            second,
            &self.limits,
            self.interrupt,
            listener,
        )?;
        // The link keeps the whole payload on the disk. Remove it, since folders of logs may be
        // kept.
        let _ = fs::remove_file(dir.join(PAYLOAD));
        let stderr = fs::read(&files.stderr).context("cannot read QEMU's messages")?;
        Ok((end, String::from_utf8_lossy(&stderr).into_owned()))
    }

    /// Starts a guest of this shape. It is restored from a template if the template exists or can
    /// be made, and boots otherwise. The guest's logs go into the folder `dir`.
    ///
    /// # Errors
    /// Fails when a file cannot be written, QEMU cannot be started, or the user interrupts.
    pub fn start<'s>(
        &'s self,
        shape: Shape<'s>,
        work: &Work,
        dir: &Path,
        console: Console,
    ) -> Result<Started<'s>> {
        let host = self.host(shape.kernel, dir, console);
        let files = Files::create(dir)?;
        let restored = self.restore(&host, shape, work, dir, &files)?;
        // The command for use by hand has the path of the image, since the link is removed when the
        // guest ends.
        let image = shape.kernel.payload_image();
        let machine = Machine {
            shape,
            work,
            payload: restored.as_ref().map_or(&host.payload, |_| &image),
            console,
            control: None,
            incoming: false,
        };
        let mut command = guest_command(&machine, &self.qemu, &files)?;
        if let Some(vm) = restored {
            return Ok(Started::Restored(Box::new(vm)));
        }
        if console == Console::Terminal {
            return Ok(Started::Booted(Running::start_interactive(command)?));
        }
        // Stdout is the console of User Mode Linux.
        command
            .stdin(Stdio::null())
            .stdout(create(&files.console)?)
            .stderr(create(&files.stderr)?);
        Ok(Started::Booted(Running::start(command)?))
    }

    /// Returns everything, besides the shape, that starts a guest of `kernel` with logs in the
    /// folder `dir`.
    pub fn host(&self, kernel: &Kernel, dir: &Path, console: Console) -> Host<'_> {
        Host {
            qemu: self.qemu.clone(),
            payload: payload(kernel, dir),
            console,
            interrupt: self.interrupt,
        }
    }

    fn restore<'s>(
        &'s self,
        host: &Host<'s>,
        shape: Shape<'s>,
        work: &Work,
        dir: &Path,
        files: &Files,
    ) -> Result<Option<Vm<'s>>> {
        let Some(templates) = self.templates.filter(|_| shape.accel.can_be_saved()) else {
            return Ok(None);
        };
        let scratch = dir.join("template");
        let Some(state) = templates.find(host, shape, &self.limits, &scratch)? else {
            return Ok(None);
        };
        let restored = Vm::restore(host.clone(), shape, files.clone(), &state)
            .and_then(|vm| vm.give(work).map(|()| vm));
        match restored {
            Ok(vm) => Ok(Some(vm)),
            Err(error) if error.is::<Interrupted>() => Err(error),
            Err(error) => {
                templates.discard(&shape, &state, &error);
                // The guest boots instead, with empty logs.
                for log in [&files.console, &files.second] {
                    create(log)?;
                }
                Ok(None)
            }
        }
    }

    /// Boots `kernel` for one suite. `tell` is called with each result as soon as it is known.
    ///
    /// A guest under TCG is booted once more, in a directory of its own, if it hangs before it has
    /// printed anything of the suite. The first result then says so. In such a guest none of our
    /// modules has been loaded. On a busy host, TCG has hung for good while a stock kernel read its
    /// ACPI tables.
    ///
    /// # Errors
    /// The errors are those of [`boot`](Self::boot); a guest that fails is not an error but a
    /// failed test.
    pub fn suite(
        &self,
        kernel: &Kernel,
        suite: Guest,
        dir: &Path,
        tell: &mut dyn FnMut(&TestResult),
    ) -> Result<Vec<TestResult>> {
        let mut tracker = Tracker::new(suite.name, &kernel.name, &mut *tell);
        let accel = self.accel.for_suite(suite);
        let shape = Shape {
            accel,
            cpus: accel.cpus(suite.cpus),
            nodes: accel.nodes(suite.nodes),
            parameters: suite.parameters,
            ..self.shape(kernel)
        };
        let run = format!("run,{}", suite.name);
        let (end, stderr) = self.boot_shape(shape, &run, dir, &mut tracker)?;
        let Some(reason) = boots_again(accel, end, &mut tracker) else {
            return Ok(tracker.finish(end, &stderr));
        };
        let mut tracker = Tracker::new(suite.name, &kernel.name, tell);
        tracker.figure(&format!("booted twice, as the first boot was a {reason}"));
        let dir = dir.join("again");
        let (end, stderr) = self.boot_shape(shape, &run, &dir, &mut tracker)?;
        Ok(tracker.finish(end, &stderr))
    }
}

/// Returns why the guest has to boot once more, if the first boot says nothing about the suite.
fn boots_again(accel: Accel, end: End, tracker: &mut Tracker<'_>) -> Option<String> {
    let translated = matches!(accel, Accel::Tcg | Accel::TcgInTurn | Accel::Clocked);
    if !translated || !matches!(end, End::Silent(_)) {
        return None;
    }
    let line = tracker.before_the_suite()?;
    Some(format!("{} after \"{}\"", end.fault()?, line.trim_end()))
}

/// A guest that was started.
pub enum Started<'a> {
    /// A guest that boots.
    Booted(Running),
    /// A guest that was restored from a template.
    Restored(Box<Vm<'a>>),
}

impl Started<'_> {
    /// Returns the process of QEMU.
    pub fn child(&mut self) -> &mut Running {
        match self {
            Self::Booted(child) => child,
            Self::Restored(vm) => &mut vm.child,
        }
    }
}

/// The name of the link to the payload in a guest's folder.
const PAYLOAD: &str = "payload.img";

/// Returns the path of the payload's image for this guest: a hard link in `dir`. A build can
/// replace the image in the kernel's folder while the guest runs.
fn payload(kernel: &Kernel, dir: &Path) -> PathBuf {
    let (image, link) = (kernel.payload_image(), dir.join(PAYLOAD));
    // There is no hard link to a file on another file system. The guest then uses the image itself.
    let linked = fs::create_dir_all(dir).and_then(|()| match fs::hard_link(&image, &link) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome,
    });
    linked.map_or(image, |()| link)
}

/// Returns the command that starts a guest, and saves the command in the guest's folder for use by
/// hand.
///
/// # Errors
/// Fails when a path is not UTF-8, or the file cannot be written.
pub fn guest_command(machine: &Machine<'_>, qemu: &Path, files: &Files) -> Result<Command> {
    let (program, args) = match machine.shape.accel {
        Accel::Uml | Accel::TimeTravel => (Path::new(uml::PROGRAM), uml::args(machine, files)?),
        _ => (qemu, machine.args(files)?),
    };
    save_command(&files.command, program, &args)?;
    let mut command = command(program);
    command.args(args);
    Ok(command)
}

/// Writes a command line with the quotes that a shell needs.
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
