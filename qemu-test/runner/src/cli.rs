// SPDX-License-Identifier: GPL-2.0

//! The command line.

use std::collections::HashSet;
use std::env;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{bail, Result};
use clap::{value_parser, Args, Parser, Subcommand};

use crate::accel::Accel;
use crate::boot::Booter;
use crate::interrupt::Interrupt;
use crate::kernel::Kernel;
use crate::probe::Probe;
use crate::qemu::PROGRAM;
use crate::report::{Summary, TestResult, Verdict};
use crate::rundir::RunDir;
use crate::saved::Saved;
use crate::session::{Session, Wishes};
use crate::suite::{select, Guest, Suite};
use crate::template::Templates;
use crate::times::Times;
use crate::ui::{print_line, Ui};
use crate::{checks, demo, host, pool, rig, saved, shell};

/// Boots kernels in QEMU and runs what the checkout has built in them.
///
/// TACKLE_SILENCE and TACKLE_LIMIT set the seconds that a guest may be silent
/// (30 with KVM, 120 with TCG) and may take in all (900). A kernel with KASAN has
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
}

#[derive(Debug, Args)]
struct Test {
    /// A kernel and the directory with its files; repeat for several
    #[arg(long = "kernel", value_name = "NAME=DIR")]
    kernels: Vec<Kernel>,
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
struct Place {
    /// The build directory; logs go to DIR/qemu
    #[arg(long, value_name = "DIR")]
    build: PathBuf,
    /// Leave logs and results even when all went well
    #[arg(long)]
    keep: bool,
}

impl Cli {
    /// Carries the command out. Returns whether it went well.
    ///
    /// # Errors
    /// What the user got wrong, what the host could not do, and
    /// [`Interrupted`](crate::interrupt::Interrupted).
    pub fn run(self) -> Result<bool> {
        let interrupt = Interrupt::on_signals()?;
        match self.command {
            Command::Test(args) => {
                let suites = select(&args.suites)?;
                check_kernels(&suites, &args.kernels)?;
                let session = args.place.session(interrupt)?;
                let outcome = test(&session, &suites, &args.kernels, args.rounds);
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
            Command::Shell(args) => args.run(interrupt, |session, kernel| {
                let accel = accel(session, kernel)?;
                let booter = session.booter(accel, kernel, None)?;
                shell::run(session, &booter, kernel)
            }),
        }
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
        let cache = cache();
        let templates = cache.as_ref().map(|cache| cache.join("templates"));
        Ok(Session {
            interrupt,
            wishes,
            templates: templates.map(|templates| Templates::new(templates, ui.clone())),
            times: Times::load(cache.as_deref().unwrap_or(dir.cache())),
            ui,
            dir,
        })
    }
}

/// The cache folder, where there is one.
fn cache() -> Option<PathBuf> {
    let cache = env::var_os("TACKLE_CACHE").filter(|cache| !cache.is_empty());
    cache.map(PathBuf::from)
}

fn check_kernels(suites: &[Suite], kernels: &[Kernel]) -> Result<()> {
    if kernels.is_empty() {
        if let Some(suite) = suites.iter().find(|suite| suite.boots()) {
            bail!("suite {} needs a kernel: --kernel NAME=DIR", suite.name());
        }
    }
    let mut names = HashSet::new();
    if let Some(twice) = kernels.iter().find(|kernel| !names.insert(&kernel.name)) {
        bail!("kernel {} is given twice", twice.name);
    }
    if suites.iter().any(|suite| suite.boots()) {
        kernels.iter().try_for_each(Kernel::check)?;
    }
    Ok(())
}

/// Keeps or removes the logs, and says where they are.
fn end<T>(
    session: Session,
    keep: bool,
    outcome: Result<T>,
    is_good: impl FnOnce(&T) -> bool,
) -> Result<T> {
    let good = match &outcome {
        Ok(value) => is_good(value),
        // What an interrupted run leaves is of no use to anybody.
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

fn test(
    session: &Session,
    suites: &[Suite],
    kernels: &[Kernel],
    rounds: Option<u32>,
) -> Result<Summary> {
    let accel = match kernels {
        [first, ..] if suites.iter().any(|suite| suite.boots()) => accel(session, first)?,
        _ => Accel::Tcg,
    };
    let booter = |kernel: &Kernel| session.booter(accel, kernel, rounds);
    let work = |job: Job<'_>, tell: &mut dyn FnMut(Told)| {
        let start = Instant::now();
        let mut result = |result: &TestResult| tell(Told::Result(result.clone()));
        let result: &mut dyn FnMut(&TestResult) = &mut result;
        match job {
            Job::Checks => checks::run(session, result).map(|_| ())?,
            Job::Host => host::run(session, result).map(|_| ())?,
            Job::Suite(suite, kernel) => guest(session, &booter(kernel)?, kernel, suite, result)?,
            Job::Trap(trap) => rig::spring(session, &booter, kernels, trap, result)?,
            Job::Saved(test) => result(&saved(session, &booter(&kernels[0])?, &kernels[0], test)?),
        }
        let time = start.elapsed();
        session.times.note(&job.name(accel), time);
        let (suite, place) = job.cell(kernels)?;
        tell(Told::Took(suite, place, time));
        Ok(())
    };
    let mut summary = Summary::new();
    let mut jobs = jobs(suites, kernels);
    session.times.sort(&mut jobs, |job| job.name(accel));
    pool::run(jobs, pool::workers(), work, &mut |told| match told {
        Told::Result(result) => {
            session.ui.print(&result.render());
            summary.add(result);
        }
        Told::Took(suite, place, time) => summary.took(suite, &place, time),
    })?;
    // A run whose times are lost is as good a run.
    if let Err(error) = session.times.save() {
        session.ui.note(&format!("{error:#}"));
    }
    session.ui.clear();
    session
        .ui
        .print(&format!("\n{}", summary.table().trim_end()));
    Ok(summary)
}

/// What a job tells of itself.
enum Told {
    Result(TestResult),
    /// The time that the suite took at the place.
    Took(&'static str, String, Duration),
}

/// A part of a run, which runs beside others.
enum Job<'a> {
    Checks,
    Host,
    Suite(Guest, &'a Kernel),
    Trap(&'static rig::Trap),
    /// On the first kernel.
    Saved(&'static Saved),
}

impl Job<'_> {
    /// Its name among the times of the last run.
    fn name(&self, accel: Accel) -> String {
        match self {
            Self::Checks => "checks".to_owned(),
            Self::Host => "host".to_owned(),
            Self::Suite(suite, kernel) => {
                format!("{} {} {}", suite.name, kernel.name, accel.name())
            }
            Self::Trap(trap) => format!("rig {} {}", trap.suite.name, accel.name()),
            Self::Saved(test) => format!("rig {} {}", test.name, accel.name()),
        }
    }

    /// The suite and the place where its time is listed.
    fn cell(&self, kernels: &[Kernel]) -> Result<(&'static str, String)> {
        Ok(match self {
            Self::Checks => ("checks", host::PLACE.to_owned()),
            Self::Host => ("host", host::PLACE.to_owned()),
            Self::Suite(suite, kernel) => (suite.name, kernel.name.clone()),
            Self::Trap(trap) => {
                let place = trap.place(kernels)?.unwrap_or(&kernels[0]);
                ("rig", place.name.clone())
            }
            Self::Saved(_) => ("rig", kernels[0].name.clone()),
        })
    }
}

/// What the suites consist of. Suites of the guest run longer on kernels with checkers, which
/// the user names last.
fn jobs<'a>(suites: &[Suite], kernels: &'a [Kernel]) -> Vec<Job<'a>> {
    let jobs = |suite: &Suite| match *suite {
        Suite::Checks => vec![Job::Checks],
        Suite::Host => vec![Job::Host],
        Suite::Guest(suite) => {
            let kernels = kernels.iter().rev();
            kernels.map(|kernel| Job::Suite(suite, kernel)).collect()
        }
        Suite::Rig => {
            let traps = rig::TRAPS.iter().map(Job::Trap);
            traps.chain(saved::TESTS.iter().map(Job::Saved)).collect()
        }
    };
    suites.iter().flat_map(jobs).collect()
}

/// Runs a test of saved guests.
fn saved(
    session: &Session,
    booter: &Booter<'_>,
    kernel: &Kernel,
    test: &Saved,
) -> Result<TestResult> {
    session
        .ui
        .step(&format!("rig: {} ({})", test.name, kernel.name));
    let dir = format!("{}/rig/{}", kernel.name, test.name);
    test.test(booter, kernel, &session.dir.subdir(dir)?, &session.ui)
}

/// Boots `kernel` for one suite, unless it lacks what the suite needs.
fn guest(
    session: &Session,
    booter: &Booter<'_>,
    kernel: &Kernel,
    suite: Guest,
    tell: &mut dyn FnMut(&TestResult),
) -> Result<()> {
    if let Some(reason) = suite.lacks(kernel)? {
        tell(&TestResult {
            suite: suite.name.to_owned(),
            name: "(suite)".to_owned(),
            place: kernel.name.clone(),
            verdict: Verdict::Skipped(reason),
            time: None,
            figures: Vec::new(),
        });
        return Ok(());
    }
    session.ui.step(&format!(
        "{} ({}, {})",
        suite.name,
        kernel.name,
        booter.accel.for_suite(suite).name()
    ));
    let dir = session
        .dir
        .subdir(format!("{}/{}", kernel.name, suite.name))?;
    booter.suite(kernel, suite, &dir, tell)?;
    Ok(())
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
        assert!(check_kernels(&[Suite::Host, Suite::Checks], &[]).is_ok());
        let error = check_kernels(&[Suite::Host, Suite::Rig], &[])
            .unwrap_err()
            .to_string();
        assert!(error.contains("rig"), "{error}");
        let kernel: Kernel = "a=b".parse().unwrap();
        let twice = [kernel.clone(), kernel];
        let error = check_kernels(&[Suite::Host], &twice)
            .unwrap_err()
            .to_string();
        assert!(error.contains("twice"), "{error}");
    }
}
