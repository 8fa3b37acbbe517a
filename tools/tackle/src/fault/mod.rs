// SPDX-License-Identifier: GPL-2.0

//! Implements `tackle fault`: campaigns that make each failing call of a module fail, one at a
//! time.
//!
//! The module `fault_inject` finds the calls and makes them fail; `/dev/tackle_fault` is its
//! interface. A workload ([`workload`]) names the operations. The order of the injections is
//! computed from the events so far ([`state`]). A campaign ([`campaign`]) performs the injections
//! and writes each event into a journal ([`journal`]), from which an interrupted campaign
//! continues.

pub mod campaign;
pub mod command;
pub mod coverage;
pub mod finding;
pub mod html;
pub mod injector;
pub mod journal;
pub mod kmemleak;
pub mod kmsg;
pub mod listing;
pub mod memory;
mod names;
pub mod point;
pub mod report;
pub mod screen;
pub mod state;
mod strike;
pub mod workload;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{bail, ensure, Context, Result};
use clap::{Args, Subcommand};
use nix::unistd::geteuid;
use serde::Serialize;

use self::campaign::{Campaign, End, Watcher};
use self::injector::{Machine, World};
use self::journal::{Event, Journal, Start};
use self::names::readable;
use self::report::Report;
use self::screen::Screen;
use self::state::State;
use self::workload::Workload;
use crate::roots::Roots;
use crate::table::{json, say, table};

/// The commands.
#[derive(Debug, Subcommand)]
pub enum FaultCommand {
    /// List the fault points of each operation of a workload; make none fail
    Discover {
        #[command(flatten)]
        source: Source,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make each fault point fail, one at a time, and report what is wrong
    Run(Run),
    /// Print the report of a campaign from its journal
    Report {
        /// The journal
        journal: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
        /// Also write a page of HTML
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// Make one fault point fail again, and print what is wrong
    Replay {
        #[command(flatten)]
        source: Source,
        /// The operation
        #[arg(long, value_name = "NAME")]
        operation: String,
        /// The point: 16 hexadecimal digits
        #[arg(long, value_name = "ID", value_parser = id)]
        point: String,
        /// How often
        #[arg(long, default_value = "2", value_parser = clap::value_parser!(u32).range(1..=1000))]
        times: u32,
    },
    /// List the fault points of a campaign and what came of each, from its journal
    Points {
        /// The journal
        journal: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// What a campaign is about.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct Source {
    /// The workload's file, in TOML
    workload: Option<PathBuf>,
    /// Instead of a workload: load and unload this installed module
    #[arg(long, value_name = "NAME")]
    module: Option<String>,
}

/// The arguments of `tackle fault run`.
#[derive(Args, Debug)]
pub struct Run {
    #[command(flatten)]
    source: Source,
    /// Where events are written; a campaign goes on from a journal that is there
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Go on from this journal, and write events to the other one only
    #[arg(long, value_name = "FILE", requires = "journal")]
    resume: Option<PathBuf>,
    /// Only the points of this operation
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
    /// Stop after so long
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Also write a page of HTML
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print no report
    #[arg(long, conflicts_with_all = ["json", "html"])]
    quiet: bool,
}

fn id(text: &str) -> Result<String, String> {
    let is_id = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match is_id {
        true => Ok(text.to_ascii_lowercase()),
        false => Err("not an id of 16 hexadecimal digits".into()),
    }
}

impl Source {
    fn read(&self) -> Result<(Workload, String)> {
        match (&self.workload, &self.module) {
            (Some(path), _) => Workload::read(path),
            (None, module) => {
                let text = Workload::plain(module.as_deref().unwrap_or_default());
                let mut workload = Workload::parse(&text)?;
                workload.here = std::env::current_dir()?;
                Ok((workload, text))
            }
        }
    }
}

/// A watcher that shows nothing and never stops the campaign.
struct Nobody;

impl Watcher for Nobody {
    fn seen(&self, _: &State, _: &str) {}

    fn stops(&self) -> bool {
        false
    }
}

impl FaultCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// Returns an error if an argument is wrong, if the kernel refuses an operation, or if there
    /// are findings.
    pub fn run(self, roots: &Roots) -> Result<()> {
        match self {
            Self::Discover { source, json } => discover(roots, &source, json),
            Self::Run(run) => run.run(roots),
            Self::Report {
                journal,
                json,
                html,
            } => show(&read(&journal)?, json, html.as_deref()),
            Self::Replay {
                source,
                operation,
                point,
                times,
            } => replay(roots, &source, &operation, &point, times as usize),
            Self::Points {
                journal,
                json: true,
            } => json_points(&read(&journal)?),
            Self::Points { journal, .. } => {
                say(&points(&read(&journal)?));
                Ok(())
            }
        }
    }
}

fn read(journal: &Path) -> Result<State> {
    State::of(&journal::read(journal)?)
}

/// Returns the kernel's release and a checksum of its ELF notes, which include its build id.
fn kernel(roots: &Roots) -> Result<String> {
    let release = fs::read_to_string(roots.proc.join("sys/kernel/osrelease"));
    let release = release.context("cannot read the kernel's release")?;
    let notes = fs::read(roots.sys.join("kernel/notes")).unwrap_or_default();
    // FNV-1a
    let hash = notes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    Ok(format!("{} ({hash:016x})", release.trim()))
}

/// Prepares a campaign of a workload. `events` are the events of an earlier run, which this
/// campaign continues.
fn campaign<'a>(
    roots: &Roots,
    workload: &'a Workload,
    text: &str,
    events: &[Event],
    journal: Option<Journal>,
    watcher: &'a dyn Watcher,
) -> Result<Campaign<'a, Machine>> {
    ensure!(geteuid().is_root(), "only root may inject faults");
    let world = Machine::new(roots, &workload.here, &workload.modules, &workload.ignore)?;
    let mut campaign = Campaign {
        workload,
        world,
        state: State::of(events)?,
        journal,
        watcher,
    };
    campaign.begin()?;
    campaign.world.remember()?;
    let names = workload
        .operations
        .iter()
        .map(|operation| operation.name.clone());
    campaign.add(Event::Start(Start {
        workload: workload.name.clone(),
        text: text.to_owned(),
        operations: names.collect(),
        modules: workload.modules.clone(),
        kernel: kernel(roots)?,
        has_stacks: campaign.world.has_stacks(),
    }))?;
    Ok(campaign)
}

/// Returns the file of a module under test.
fn file(workload: &Workload, module: &str) -> Result<PathBuf> {
    let is_of = |path: &&PathBuf| {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        name.split(".ko")
            .next()
            .unwrap_or_default()
            .replace('-', "_")
            == module
    };
    if let Some(path) = workload.files.iter().find(is_of) {
        return Ok(workload.here.join(path));
    }
    // The file of an installed module may be compressed.
    let beside = workload.here.join(format!("{module}.ko"));
    match beside.is_file() {
        true => Ok(beside),
        false => coverage::installed(module),
    }
}

/// Finds the calls of failing functions in the modules, and adds them as events.
fn calls(campaign: &mut Campaign<'_, Machine>) -> Result<()> {
    if !campaign.state.calls.is_empty() {
        return Ok(());
    }
    let answer = campaign.world.inject("functions")?;
    let functions: BTreeSet<_> = answer
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .map(str::to_owned)
        .collect();
    let workload = campaign.workload;
    for module in &workload.modules {
        let calls = file(workload, module).and_then(|path| coverage::calls(&path, &functions));
        let (calls, unknown) = match calls {
            Ok(calls) => (calls, None),
            Err(error) => (Vec::new(), Some(format!("{error:#}"))),
        };
        campaign.add(Event::Calls {
            module: module.clone(),
            calls,
            unknown,
        })?;
    }
    Ok(())
}

fn discover(roots: &Roots, source: &Source, as_json: bool) -> Result<()> {
    let (workload, text) = source.read()?;
    let mut campaign = campaign(roots, &workload, &text, &[], None, &Nobody)?;
    calls(&mut campaign)?;
    campaign.discover()?;
    match as_json {
        true => json_points(&campaign.state),
        false => {
            say(&points(&campaign.state));
            Ok(())
        }
    }
}

impl Run {
    fn run(&self, roots: &Roots) -> Result<()> {
        let (workload, text) = self.source.read()?;
        let only = self
            .operation
            .as_deref()
            .map(|name| workload.find(name))
            .transpose()?;
        let from = self.resume.as_ref().or(self.journal.as_ref());
        // A journal that is no regular file, such as a serial line, can only be written.
        let events = match from.filter(|path| path.is_file()) {
            Some(path) => journal::read(path)?,
            None => Vec::new(),
        };
        let journal = self.journal.as_deref().map(Journal::open).transpose()?;
        let screen = Screen::new(self.limit.map(Duration::from_secs))?;
        let mut campaign = campaign(roots, &workload, &text, &events, journal, &screen)?;
        calls(&mut campaign)?;
        let end = campaign.run(only)?;
        let state = campaign.state;
        drop(screen);
        if !self.quiet {
            show(&state, self.json, self.html.as_deref())?;
        }
        match end {
            End::Finished => {
                let found = state
                    .operations
                    .iter()
                    .flat_map(|progress| &progress.faults);
                let count = found.filter(|fault| !fault.findings().0.is_empty()).count();
                ensure!(count == 0, "{count} fault points have findings");
                Ok(())
            }
            End::Stopped => bail!("stopped; the same command with --journal goes on"),
            End::Reset(reason) => {
                bail!("the machine must be started anew ({reason}); then the same command with --journal goes on")
            }
        }
    }
}

/// Prints a report.
fn show(state: &State, as_json: bool, html: Option<&Path>) -> Result<()> {
    let report = Report::of(state)?;
    if let Some(path) = html {
        let page = html::page(&report);
        fs::write(path, page).with_context(|| format!("cannot write {}", path.display()))?;
    }
    match as_json {
        true => json(&report),
        false => {
            say(&report.text());
            Ok(())
        }
    }
}

fn replay(roots: &Roots, source: &Source, name: &str, id: &str, times: usize) -> Result<()> {
    let (workload, text) = source.read()?;
    let number = workload.find(name)?;
    let mut campaign = campaign(roots, &workload, &text, &[], None, &Nobody)?;
    let attempts = campaign.replay(number, id, times)?;
    let mut count = 0;
    for (at, attempt) in attempts.iter().enumerate() {
        say(&format!(
            "injection {}: {}; answer: {}",
            at + 1,
            if attempt.injected {
                "the call failed"
            } else {
                "the call was not reached"
            },
            attempt.reply.text()
        ));
        for finding in &attempt.findings {
            count += 1;
            say(&format!("  {}: {}", finding.kind.text(), finding.text));
            finding
                .details
                .iter()
                .for_each(|line| say(&format!("    | {line}")));
        }
    }
    ensure!(
        count == 0,
        "{count} findings in {} injections",
        attempts.len()
    );
    Ok(())
}

/// Returns the points as a table.
fn points(state: &State) -> String {
    let names = state.start.iter().flat_map(|start| &start.operations);
    let mut rows = Vec::new();
    for (name, progress) in names.zip(&state.operations) {
        for fault in &progress.faults {
            let (always, _) = fault.findings();
            let result = match (fault.attempts.first(), always.first()) {
                (None, _) => "-".to_owned(),
                (_, Some(finding)) => finding.kind.text().to_owned(),
                (Some(first), None) if first.injected => first.reply.text(),
                _ => "not called again".to_owned(),
            };
            rows.push([
                fault.point.id.clone(),
                name.clone(),
                fault.point.function.clone(),
                readable(&fault.point.site),
                format!("{}/{}", fault.discovered, progress.discoveries),
                result,
            ]);
        }
    }
    let recurring = state.operations.iter().map(state::Progress::recurring);
    let least = recurring.fold(100.0, f64::min);
    let heading = [
        "ID",
        "OPERATION",
        "FUNCTION",
        "SITE",
        "DISCOVERED",
        "RESULT",
    ];
    let count = rows.len();
    format!(
        "{}\n{count} points; at least {least:.0} % of an operation's points recur",
        table(heading, &[], rows)
    )
}

fn json_points(state: &State) -> Result<()> {
    #[derive(Serialize)]
    struct Operation<'a> {
        operation: &'a str,
        #[serde(flatten)]
        progress: &'a state::Progress,
    }
    let names = state.start.iter().flat_map(|start| &start.operations);
    let all = names.zip(&state.operations);
    let all = all.map(|(operation, progress)| Operation {
        operation,
        progress,
    });
    json(&all.collect::<Vec<_>>())
}
