// SPDX-License-Identifier: GPL-2.0

//! Defines the command line of `tackle`, and runs the command that it names.

use std::io::{stdout, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{ensure, Result};
use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use nix::unistd::geteuid;

use crate::check;
use crate::fault::FaultCommand;
use crate::hook::add::NewHook;
use crate::hook::{self, watch, Hooks};
use crate::numa::NumaCommand;
use crate::patch::change::Change;
use crate::patch::modules::{Kmod, Source};
use crate::patch::progress::Progress;
use crate::patch::transition::Wishes;
use crate::patch::{self, Patches};
use crate::qdisc::QdiscCommand;
use crate::roots::Roots;
use crate::table::{json, say};

/// Live patches, hooks, queueing disciplines, NUMA balancing and faults of the kernel that runs.
#[derive(Debug, Parser)]
#[command(name = "tackle", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Live patches: list, check, put into force, put out of force
    #[command(subcommand)]
    Patch(PatchCommand),
    /// Hooks on kernel functions: add, remove, list, watch
    #[command(subcommand)]
    Hook(HookCommand),
    /// Queueing disciplines: watch CoDel's family, measure what any do to a slow link
    #[command(subcommand)]
    Qdisc(QdiscCommand),
    /// NUMA balancing: statistics, switches, topology, memory that it does not see
    #[command(subcommand)]
    Numa(NumaCommand),
    /// Fault injection: make each failing call of a module fail, and report what is wrong then
    #[command(subcommand)]
    Fault(FaultCommand),
    /// Write the completions for a shell to stdout
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
enum PatchCommand {
    /// List the live patches, and what they patch
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Put a patch into force, and wait until it is for all tasks
    Enable {
        /// A module's file, or the name of one that is installed
        #[arg(value_name = "FILE|NAME")]
        patch: String,
        #[command(flatten)]
        wait: Wait,
    },
    /// Put a patch out of force, and wait until it is for all tasks
    Disable {
        /// The patch
        name: String,
        #[command(flatten)]
        wait: Wait,
    },
    /// Check whether the kernel would take a patch, without loading it
    Check {
        /// A module's file, or the name of one that is installed
        #[arg(value_name = "FILE|NAME")]
        patch: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Wait for the end of a transition that is under way
    Wait {
        /// The patch [default: the one that is in transition]
        name: Option<String>,
        #[command(flatten)]
        limits: Limits,
    },
}

#[derive(Args, Debug)]
struct Wait {
    /// Return when the transition has begun
    #[arg(long, conflicts_with_all = ["signal", "timeout"])]
    no_wait: bool,
    #[command(flatten)]
    limits: Limits,
}

#[derive(Args, Debug)]
struct Limits {
    /// Wake the tasks that hold the transition up, with SIGSTOP and SIGCONT
    #[arg(long)]
    signal: bool,
    /// Give up after so long; enable and disable then turn the transition round
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
}

#[derive(Debug, Subcommand)]
enum HookCommand {
    /// Add a hook, and print its name
    Add(NewHook),
    /// Remove hooks
    Del {
        /// The hooks
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// List the hooks
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Check whether handlers in modules may sleep or allocate
    Check {
        /// The modules, tackle.ko and tackle_ftrace.ko among them
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Watch what hooks count
    Watch {
        /// The hooks [default: all]
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// Print it once
        #[arg(long)]
        once: bool,
        /// The time between two readings
        #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
        interval: Duration,
    },
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().map(Duration::try_from_secs_f64);
    match seconds {
        Some(Ok(seconds)) => Ok(seconds),
        _ => Err("not a number of seconds from 0".into()),
    }
}

/// Parses the interval between two readings. Shorter intervals than 0.1 s would load the machine,
/// and no user could read the output.
///
/// # Errors
/// Returns an error if `text` is no number of seconds, or is less than 0.1.
pub fn interval(text: &str) -> Result<Duration, String> {
    let least = Duration::from_millis(100);
    let long_enough = seconds(text).ok().filter(|interval| *interval >= least);
    long_enough.ok_or_else(|| "not a number of seconds from 0.1".into())
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// Returns an error if an argument is wrong, or if the kernel refuses an operation.
    pub fn run(self) -> Result<()> {
        let roots = Roots::default();
        match self.command {
            Command::Patch(command) => command.run(&roots),
            Command::Hook(command) => command.run(&roots),
            Command::Qdisc(command) => command.run(),
            Command::Numa(command) => command.run(&roots),
            Command::Fault(command) => command.run(&roots),
            Command::Completions { shell } => {
                let mut command = Self::command();
                clap_complete::generate(shell, &mut command, "tackle", &mut stdout());
                Ok(())
            }
        }
    }
}

impl PatchCommand {
    fn run(self, roots: &Roots) -> Result<()> {
        let patches = Patches::new(roots)?;
        match self {
            Self::List { json: false } => say(&patch::list(&patches.all()?)),
            Self::List { json: true } => json(&patches.all()?)?,
            Self::Enable { patch, wait } => wait.limits.change(&patches, |change| {
                change.enable(&Source::from(patch.as_str()), !wait.no_wait)
            })?,
            Self::Disable { name, wait } => wait.limits.change(&patches, |change| {
                change.disable(&module_name(&name), !wait.no_wait)
            })?,
            Self::Check { patch, json } => check_patch(roots, &patch, json)?,
            Self::Wait { name, limits } => limits.change(&patches, |change| {
                change.wait_for(name.as_deref().map(module_name).as_deref())
            })?,
        }
        Ok(())
    }
}

impl Limits {
    /// Runs `work` on the live patches with these limits, and prints the text that it returns.
    fn change(
        &self,
        patches: &Patches<'_>,
        work: impl FnOnce(&Change<'_>) -> Result<String>,
    ) -> Result<()> {
        ensure!(
            geteuid().is_root(),
            "only root may change live patches, and see what holds them up"
        );
        let progress = Progress::new();
        let done = work(&Change {
            patches,
            modules: &Kmod,
            watch: &progress,
            wishes: Wishes {
                signal: self.signal,
                timeout: self.timeout,
            },
        });
        drop(progress);
        say(&done?);
        Ok(())
    }
}

/// Prints whether the kernel would accept a live patch that is not loaded.
fn check_patch(roots: &Roots, patch: &str, as_json: bool) -> Result<()> {
    ensure!(
        geteuid().is_root(),
        "only root may see the addresses of functions, and the stacks of tasks"
    );
    let report = patch::check::check(roots, &Source::from(patch))?;
    match as_json {
        true => json(&report)?,
        false => say(&patch::check::show(&report)),
    }
    let (name, problems) = (&report.name, report.problems());
    ensure!(
        problems == 0,
        "{name} cannot be loaded, for {problems} {}",
        if problems == 1 { "reason" } else { "reasons" }
    );
    Ok(())
}

/// Prints the forbidden functions that handlers in the modules `files` call.
fn check_handlers(files: &[PathBuf]) -> Result<()> {
    let report = check::check(files)?;
    for finding in &report.findings {
        let path = finding.path.join(" -> ");
        say(&format!("{} {}: {path}", finding.handler, finding.why));
    }
    let (found, handlers) = (report.findings.len(), report.handlers);
    let missing = match &report.missing[..] {
        [] => None,
        [one] => Some(one.to_owned()),
        [first, more @ ..] => Some(format!("{first} and {} more", more.len())),
    };
    let missing = missing.map(|functions| {
        format!(
            "handlers call {functions}, whose code is in none of these files: add tackle.ko \
             and tackle_ftrace.ko, or the module that has it"
        )
    });
    let ways =
        (found > 0).then(|| format!("{found} ways to sleep or allocate in {handlers} handlers"));
    let wrong: Vec<_> = ways.into_iter().chain(missing).collect();
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    say(&format!("{handlers} handlers, none sleeps or allocates"));
    Ok(())
}

/// Returns a module's name as the kernel shows it: with `_` in place of `-`.
fn module_name(name: &str) -> String {
    name.replace('-', "_")
}

impl HookCommand {
    fn run(self, roots: &Roots) -> Result<()> {
        let hooks = || Hooks::open(roots);
        match self {
            Self::Add(request) => {
                let added = hooks()?.add(&request)?;
                added.names.iter().for_each(|name| say(name));
                if let Some(warning) = added.warning {
                    eprintln!("tackle: {warning}");
                }
            }
            Self::Del { names } => {
                let hooks = hooks()?;
                names.iter().try_for_each(|name| hooks.del(name))?;
            }
            Self::List { json: false } => say(&hook::list(&hooks()?.list()?)),
            Self::List { json: true } => json(&hooks()?.list()?)?,
            Self::Check { files } => check_handlers(&files)?,
            Self::Watch {
                names, once: true, ..
            } => {
                let rows = watch::rows(&hooks()?, &names, &[])?;
                rows.iter().for_each(|row| say(&watch::plain(row)));
            }
            Self::Watch {
                names, interval, ..
            } if stdout().is_terminal() => watch::picture(&hooks()?, &names, interval)?,
            Self::Watch {
                names, interval, ..
            } => watch::lines(&hooks()?, &names, interval, &mut stdout())?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn seconds_may_be_parts_of_one() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["-1", "NaN", "inf", "1s", ""] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
        assert_eq!(interval("0.1"), Ok(Duration::from_millis(100)));
        assert!(interval("0").is_err());
    }
}
