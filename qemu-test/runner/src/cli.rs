// SPDX-License-Identifier: GPL-2.0

//! Implements the command line.

use std::collections::HashSet;
use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{bail, Result};
use clap::{value_parser, Args, Parser, Subcommand};

use crate::accel::Accel;
use crate::interrupt::Interrupt;
use crate::kernel::Kernel;
use crate::probe::Probe;
use crate::qemu::PROGRAM;
use crate::report::Summary;
use crate::rundir::RunDir;
use crate::session::{Session, Wishes};
use crate::suite::{select, Suite};
use crate::template::Templates;
use crate::testrun::{self, Make, Plan};
use crate::times::Times;
use crate::ui::{print_line, Ui};
use crate::{demo, fault, shell};

/// Boots kernels in QEMU and runs what the checkout has built in them.
///
/// TACKLE_SILENCE and TACKLE_LIMIT set the seconds that a guest may be silent
/// (30 with KVM, 120 with TCG) and may take in all (3600). A kernel with KASAN has
/// four times as long. TACKLE_CACHE names the folder in which guests are saved when they have
/// booted, to start the next ones from; without it each guest boots.
#[derive(Debug, Parser)]
#[command(name = "tackle-qemu", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the suites and sum up
    Test(Test),
    /// Show what the modules do
    Demo(One),
    /// A shell in the guest
    Shell(One),
    /// Make each failing call of a module fail in a guest, and report what is wrong then
    Fault(Fault),
}

#[derive(Debug, Args)]
struct Test {
    /// A kernel and the directory with its files; repeat for several
    #[arg(long = "kernel", value_name = "NAME=DIR")]
    kernels: Vec<Kernel>,
    /// A shell command that makes a kernel while other parts run; not the first one's
    #[arg(long = "make", value_name = "NAME=COMMAND")]
    makes: Vec<Make>,
    /// A suite to run instead of all: one of the guest's, host, checks or rig; repeat for several
    #[arg(long = "suite", value_name = "SUITE")]
    suites: Vec<String>,
    /// How often suites that repeat themselves (stress) do so; each round adds 10 s,
    /// or 40 s with KASAN, to what a guest may take in all
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=100_000))]
    rounds: Option<u32>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
struct One {
    /// The kernel and the directory with its files
    #[arg(long, value_name = "NAME=DIR")]
    kernel: Kernel,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
struct Fault {
    #[command(flatten)]
    one: One,
    /// The workload's file in the payload
    #[arg(long, value_name = "FILE", required_unless_present = "module")]
    workload: Option<String>,
    /// Load and unload this module
    #[arg(long, value_name = "NAME", conflicts_with = "workload")]
    module: Option<String>,
    /// The words of `make fault` that repeat this, for the report
    #[arg(long, value_name = "WORDS")]
    again: Option<String>,
    /// Leave out SLUB's checks: caches are merged, as on most machines, and leaks are not found
    #[arg(long)]
    no_slab_debug: bool,
    /// Inject one fault alone
    #[arg(long, value_name = "OPERATION:ID", value_parser = replay)]
    replay: Option<(String, String)>,
    /// Stop after so many seconds; the same command goes on
    #[arg(long, value_name = "SECONDS", value_parser = value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

fn replay(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once(':').ok_or("expected OPERATION:ID")?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}

impl Fault {
    fn run(self, interrupt: Interrupt) -> Result<bool> {
        let source = match (self.workload, self.module) {
            (Some(file), _) => fault::Source::Workload(file),
            (None, module) => fault::Source::Module(module.unwrap_or_default()),
        };
        let task = fault::Task {
            source,
            again: self.again,
            slab_debug: !self.no_slab_debug,
            replay: self.replay,
        };
        let build = self.one.place.build.clone();
        let limit = self.limit.map(Duration::from_secs);
        self.one.run(interrupt, |session, kernel| {
            let accel = accel(session, kernel)?;
            let booter = session.booter(accel, kernel, None)?;
            fault::show(session, &booter, kernel, &build, &task, limit)
        })
    }
}

#[derive(Debug, Args)]
struct Place {
    /// The build directory; logs go to DIR/qemu
    #[arg(long, value_name = "DIR")]
    build: PathBuf,
    /// Leave logs and results even when all went well
    #[arg(long)]
    keep: bool,
}

impl Cli {
    /// Executes the command. Returns whether it succeeded.
    ///
    /// # Errors
    /// Fails when an argument is wrong, when the host lacks something that the command needs, and
    /// with [`Interrupted`](crate::interrupt::Interrupted) when the user interrupts.
    pub fn run(self) -> Result<bool> {
        let interrupt = Interrupt::on_signals()?;
        match self.command {
            Command::Test(args) => {
                let suites = select(&args.suites)?;
                check_kernels(&suites, &args.kernels, &args.makes)?;
                let session = args.place.session(interrupt)?;
                let outcome = args.run(&session, &suites);
                session.ui.clear();
                let summary = end(session, args.place.keep, outcome, Summary::is_success)?;
                print_line(&summary.last_line());
                Ok(summary.is_success())
            }
            Command::Demo(args) => args.run(interrupt, |session, kernel| {
                let accel = accel(session, kernel)?;
                let booter = session.booter(accel, kernel, None)?;
                demo::run(session, &booter, kernel)
            }),
            Command::Fault(args) => args.run(interrupt),
            Command::Shell(args) => args.run(interrupt, |session, kernel| {
                let accel = accel(session, kernel)?;
                let booter = session.booter(accel, kernel, None)?;
                shell::run(session, &booter, kernel)
            }),
        }
    }
}

impl Test {
    fn run(&self, session: &Session, suites: &[Suite]) -> Result<Summary> {
        let accel = match &self.kernels[..] {
            [first, ..] if suites.iter().any(|suite| suite.boots()) => accel(session, first)?,
            _ => Accel::Tcg,
        };
        let plan = Plan {
            suites,
            kernels: &self.kernels,
            makes: &self.makes,
            rounds: self.rounds,
            accel,
            build: &self.place.build,
            times: &Times::load(cache().as_deref().unwrap_or(session.dir.cache())),
        };
        testrun::run(session, &plan)
    }
}

impl One {
    fn run(
        self,
        interrupt: Interrupt,
        work: impl FnOnce(&Session, &Kernel) -> Result<()>,
    ) -> Result<bool> {
        self.kernel.check()?;
        let session = self.place.session(interrupt)?;
        let outcome = work(&session, &self.kernel);
        session.ui.clear();
        end(session, self.place.keep, outcome, |()| true)?;
        Ok(true)
    }
}

impl Place {
    fn session(&self, interrupt: Interrupt) -> Result<Session> {
        let wishes = Wishes::from_env()?;
        let (ui, dir) = (Ui::new(), RunDir::create(&self.build)?);
        let templates = cache().map(|cache| cache.join("templates"));
        Ok(Session {
            interrupt,
            wishes,
            templates: templates.map(|templates| Templates::new(templates, ui.clone())),
            ui,
            dir,
        })
    }
}

/// Returns the cache folder, if `TACKLE_CACHE` names one.
fn cache() -> Option<PathBuf> {
    let cache = env::var_os("TACKLE_CACHE").filter(|cache| !cache.is_empty());
    cache.map(PathBuf::from)
}

fn check_kernels(suites: &[Suite], kernels: &[Kernel], makes: &[Make]) -> Result<()> {
    if kernels.is_empty() {
        if let Some(suite) = suites.iter().find(|suite| suite.boots()) {
            bail!("suite {} needs a kernel: --kernel NAME=DIR", suite.name());
        }
    }
    let mut names = HashSet::new();
    if let Some(twice) = kernels.iter().find(|kernel| !names.insert(&kernel.name)) {
        bail!("kernel {} is given twice", twice.name);
    }
    let later = |kernel: &&Kernel| makes.iter().any(|make| make.kernel == kernel.name);
    for make in makes {
        if !kernels
            .iter()
            .skip(1)
            .any(|kernel| kernel.name == make.kernel)
        {
            bail!(
                "--make {}: there is no such kernel behind the first one",
                make.kernel
            );
        }
    }
    if suites.iter().any(|suite| suite.boots()) {
        let mut there = kernels.iter().filter(|kernel| !later(kernel));
        there.try_for_each(Kernel::check)?;
    }
    Ok(())
}

/// Keeps or removes the logs. Prints their path if they are kept.
fn end<T>(
    session: Session,
    keep: bool,
    outcome: Result<T>,
    is_good: impl FnOnce(&T) -> bool,
) -> Result<T> {
    let good = match &outcome {
        Ok(value) => is_good(value),
        // Logs of an interrupted run are incomplete, so they are not kept.
        Err(error) => error.is::<crate::interrupt::Interrupted>(),
    };
    if keep || !good {
        print_line(&format!("logs: {}", session.dir.keep().display()));
    }
    outcome
}

fn accel(session: &Session, kernel: &Kernel) -> Result<Accel> {
    if kernel.has("CONFIG_UML")? {
        return Ok(Accel::Uml);
    }
    session.ui.step("looking for kvm");
    let scratch = session.dir.subdir("probe")?;
    let probe = Probe {
        qemu: PROGRAM.into(),
        device: Path::new("/dev/kvm"),
        cache: session.dir.cache(),
        scratch: &scratch,
        interrupt: &session.interrupt,
    };
    let choice = probe.choose(kernel)?;
    session.ui.clear();
    if let Some(line) = choice.line() {
        session.ui.note(&line);
    }
    Ok(choice.accel)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn kernels_are_needed_where_something_boots() {
        assert!(check_kernels(&[Suite::Host, Suite::Checks], &[], &[]).is_ok());
        let error = check_kernels(&[Suite::Host, Suite::Rig], &[], &[])
            .unwrap_err()
            .to_string();
        assert!(error.contains("rig"), "{error}");
        let kernel: Kernel = "a=b".parse().unwrap();
        let twice = [kernel.clone(), kernel];
        let error = check_kernels(&[Suite::Host], &twice, &[])
            .unwrap_err()
            .to_string();
        assert!(error.contains("twice"), "{error}");
        let make: Make = "a=true".parse().unwrap();
        let error = check_kernels(&[Suite::Host], &twice[..1], &[make])
            .unwrap_err()
            .to_string();
        assert!(error.contains("--make a"), "{error}");
    }
}
