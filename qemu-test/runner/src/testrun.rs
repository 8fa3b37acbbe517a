// SPDX-License-Identifier: GPL-2.0

//! Implements the command `test`: splits a run into jobs, and runs the jobs in parallel.
//!
//! A kernel may still be built when the run begins. The jobs that need this kernel wait. Lints,
//! host tests and guests of other kernels run.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};

use crate::accel::Accel;
use crate::boot::Booter;
use crate::follow::{follow, Limits, Listener};
use crate::kernel::Kernel;
use crate::process::{command, log_to, Running};
use crate::report::{Summary, TestResult, Verdict};
use crate::saved::Saved;
use crate::session::Session;
use crate::suite::{Guest, Suite};
use crate::tail::Lines;
use crate::times::Times;
use crate::{checks, fault, host, pool, rig, saved};

/// A kernel that is built during the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Make {
    /// The kernel's name.
    pub kernel: String,
    /// The shell command that builds the kernel and everything that its guests need.
    pub command: String,
}

impl std::str::FromStr for Make {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kernel, command) = text.split_once('=').ok_or("expected NAME=COMMAND")?;
        Ok(Self {
            kernel: kernel.to_owned(),
            command: command.to_owned(),
        })
    }
}

/// The suites and kernels of a run.
pub struct Plan<'a> {
    /// The suites.
    pub suites: &'a [Suite],
    /// The kernels. The first one is built already.
    pub kernels: &'a [Kernel],
    /// The kernels that are built during the run.
    pub makes: &'a [Make],
    /// See [`Booter::rounds`].
    pub rounds: Option<u32>,
    /// What executes the guests.
    pub accel: Accel,
    /// The build directory.
    pub build: &'a Path,
    /// How long the jobs took the last time.
    pub times: &'a Times,
}

/// Runs the plan, and prints each result as soon as it is known.
///
/// # Errors
/// Fails when a job cannot be run. A failed test is not an error.
pub fn run(session: &Session, plan: &Plan<'_>) -> Result<Summary> {
    let Plan {
        suites,
        kernels,
        makes,
        rounds,
        accel,
        build: build_folder,
        times,
    } = *plan;
    // The kernels that are not built yet, in order.
    let late: VecDeque<&str> = makes.iter().map(|make| make.kernel.as_str()).collect();
    let late = Mutex::new(late);
    let lock = || late.lock().unwrap_or_else(PoisonError::into_inner);
    let is_made = |kernel: &Kernel| !lock().contains(&kernel.name.as_str());
    let is_ready = |job: &Job<'_>| match job {
        // Only one build runs at a time, since it uses all processors.
        Job::Make(make) => lock().front() == Some(&make.kernel.as_str()),
        Job::Checks | Job::Host | Job::Saved(_) | Job::Campaign(_) => true,
        Job::Suite(_, kernel) => is_made(kernel),
        Job::Trap(_) => kernels.iter().all(is_made),
    };
    let booter = |kernel: &Kernel| session.booter(accel, kernel, rounds);
    let work = |job: Job<'_>, tell: &mut dyn FnMut(Told)| {
        let start = Instant::now();
        let mut result = |result: &TestResult| tell(Told::Result(result.clone()));
        let result: &mut dyn FnMut(&TestResult) = &mut result;
        match job {
            Job::Make(make) => {
                build(session, make)?;
                let kernel = kernels.iter().find(|kernel| kernel.name == make.kernel);
                kernel
                    .context("a kernel that is made is one of the run's")?
                    .check()?;
                lock().pop_front();
            }
            Job::Checks => checks::run(session, result).map(|_| ())?,
            Job::Host => host::run(session, result).map(|_| ())?,
            Job::Suite(suite, kernel) => guest(session, &booter(kernel)?, kernel, suite, result)?,
            Job::Trap(trap) => rig::spring(session, &booter, kernels, trap, result)?,
            Job::Campaign(campaign) => {
                let kernel = &kernels[0];
                let told = campaign.test(session, &booter(kernel)?, kernel, build_folder)?;
                result(&told);
            }
            Job::Saved(test) => result(&saved(session, &booter(&kernels[0])?, &kernels[0], test)?),
        }
        let time = start.elapsed();
        times.note(&job.name(accel), time);
        let (suite, place) = job.cell(kernels)?;
        tell(Told::Took(suite, place, time));
        Ok(())
    };
    let mut summary = Summary::new();
    let mut jobs = jobs(suites, kernels);
    times.sort(&mut jobs, |job| job.name(accel));
    let jobs = makes.iter().map(Job::Make).chain(jobs);
    pool::run(
        jobs,
        pool::workers(),
        is_ready,
        work,
        &mut |told| match told {
            Told::Result(result) => {
                session.ui.print(&result.render());
                summary.add(result);
            }
            Told::Took(suite, place, time) => summary.took(suite, &place, time),
        },
    )?;
    // A run does not fail if its times cannot be saved.
    if let Err(error) = times.save() {
        session.ui.note(&format!("{error:#}"));
    }
    session.ui.clear();
    session
        .ui
        .print(&format!("\n{}", summary.table().trim_end()));
    Ok(summary)
}

/// A message of a job.
enum Told {
    Result(TestResult),
    /// The time that the suite took at the place.
    Took(&'static str, String, Duration),
}

/// A part of a run. Jobs run in parallel.
enum Job<'a> {
    Make(&'a Make),
    Checks,
    Host,
    Suite(Guest, &'a Kernel),
    Trap(&'static rig::Trap),
    /// On the first kernel.
    Saved(&'static Saved),
    /// On the first kernel.
    Campaign(&'static fault::suite::Campaign),
}

impl Job<'_> {
    /// Returns the job's name in the list of times.
    fn name(&self, accel: Accel) -> String {
        match self {
            Self::Make(make) => format!("make {}", make.kernel),
            Self::Checks => "checks".to_owned(),
            Self::Host => "host".to_owned(),
            Self::Suite(suite, kernel) => {
                format!("{} {} {}", suite.name, kernel.name, accel.name())
            }
            Self::Trap(trap) => format!("rig {} {}", trap.suite.name, accel.name()),
            Self::Saved(test) => format!("rig {} {}", test.name, accel.name()),
            Self::Campaign(campaign) => {
                let suite = campaign.set.name();
                format!("{suite} {} {}", campaign.name, accel.name())
            }
        }
    }

    /// Returns the suite and the place under which the job's time is listed.
    fn cell(&self, kernels: &[Kernel]) -> Result<(&'static str, String)> {
        Ok(match self {
            Self::Make(_) => ("make", host::PLACE.to_owned()),
            Self::Checks => ("checks", host::PLACE.to_owned()),
            Self::Host => ("host", host::PLACE.to_owned()),
            Self::Suite(suite, kernel) => (suite.name, kernel.name.clone()),
            Self::Trap(trap) => {
                let place = trap.place(kernels)?.unwrap_or(&kernels[0]);
                ("rig", place.name.clone())
            }
            Self::Saved(_) => ("rig", kernels[0].name.clone()),
            Self::Campaign(campaign) => (campaign.set.name(), kernels[0].name.clone()),
        })
    }
}

/// Returns the jobs of the suites. Suites of the guest take longer on kernels with checkers, which
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
        Suite::Campaigns(set) => set.campaigns().map(Job::Campaign).collect(),
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
    test.test(booter, kernel, &session.dir.subdir(dir)?)
}

/// Boots `kernel` for one suite, unless the kernel lacks an option that the suite needs.
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

/// The time limit for building a kernel while tests run in parallel.
const BUILD: Duration = Duration::from_secs(4 * 3600);

/// Builds a kernel. The output of the command is shown to the user as progress.
fn build(session: &Session, make: &Make) -> Result<()> {
    struct Relay<'a>(&'a Session, Lines);
    impl Listener for Relay<'_> {
        fn heard(&mut self, output: &[u8], _second: &[u8]) -> Result<()> {
            let Self(session, lines) = self;
            lines
                .push(output)
                .iter()
                .for_each(|line| session.ui.note(line));
            Ok(())
        }
    }
    let mut shell = command("sh");
    shell.args(["-c", &make.command]);
    let log = session.dir.subdir(&make.kernel)?.join("make.log");
    let mut relay = Relay(session, Lines::new());
    let limits = Limits {
        total: BUILD,
        ..host::LIMITS
    };
    log_to(&mut shell, &log)?;
    let mut child = Running::start(shell)?;
    let end = follow(
        &mut child,
        &log,
        None,
        &limits,
        &session.interrupt,
        &mut relay,
    );
    // On SIGTERM, the scripts end the processes that they have started in other sessions.
    match end.inspect_err(|_| child.end())?.fault() {
        Some(fault) => bail!("making the kernel {}: {fault}", make.kernel),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_to_make_has_a_name_and_a_command() {
        let make: Make = "debug=scripts/boot.sh debug a=b".parse().unwrap();
        assert_eq!(
            (make.kernel.as_str(), make.command.as_str()),
            ("debug", "scripts/boot.sh debug a=b")
        );
        assert!("debug".parse::<Make>().is_err());
    }
}
