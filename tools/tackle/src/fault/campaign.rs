// SPDX-License-Identifier: GPL-2.0

//! Implements campaigns: makes each fault point of each operation fail, one at a time, and checks
//! the result.

use std::time::Duration;

use anyhow::{ensure, Result};

use super::command::Ended;
use super::finding::{Finding, Kind};
use super::injector::World;
use super::journal::{Attempt, Event, Journal};
use super::point::{Point, Seen, Words};
use super::state::{State, DISCOVERIES};
use super::strike::needs_reset;
use super::workload::{Operation, Workload};

/// Shows the progress of a campaign to its user, and passes on their wish to stop it.
pub trait Watcher {
    /// Reports that the state has changed. `doing` names the step that begins.
    fn seen(&self, state: &State, doing: &str);

    /// Returns whether the campaign has to stop before the next fault.
    fn stops(&self) -> bool;
}

/// How a campaign ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// All points of all operations have failed.
    Finished,
    /// The user stopped the campaign. It can be continued.
    Stopped,
    /// The machine must be rebooted before the campaign can continue. The value is the reason, in
    /// one line.
    Reset(String),
}

/// If the injector knows more points than this, the campaign makes it forget them.
const MANY: usize = 100;

/// The maximum number of points in one event. The stack of a point can take some KiB, and the host
/// of a guest accepts only lines of limited length.
pub(super) const TOGETHER: usize = 4;

/// How often an operation is run before its points are discovered. The first runs fill caches.
const WARM_UP: usize = 2;

/// A campaign.
pub struct Campaign<'a, W> {
    /// The operations and their commands.
    pub workload: &'a Workload,
    /// The machine that runs the campaign, or a fake in tests.
    pub world: W,
    /// The results so far.
    pub state: State,
    /// The file to which each event is written, if any.
    pub journal: Option<Journal>,
    /// The user interface.
    pub watcher: &'a dyn Watcher,
}

/// The result of one run of an operation with the injector armed.
pub(super) struct Shot {
    pub(super) ended: Ended,
    pub(super) injected: bool,
    pub(super) seen: Vec<Seen>,
}

impl<W: World> Campaign<'_, W> {
    /// Adds an event to the state and the journal.
    ///
    /// # Errors
    /// Returns an error if the event contradicts earlier ones, such as a start with another
    /// workload or kernel, or if the journal cannot be written.
    pub fn add(&mut self, event: Event) -> Result<()> {
        self.state.apply(&event)?;
        match &mut self.journal {
            Some(journal) => journal.add(&event),
            None => Ok(()),
        }
    }

    pub(super) fn operation(&self, number: usize) -> &Operation {
        &self.workload.operations[number]
    }

    /// Runs a command without a fault. Returns an error if the command fails.
    fn must(&mut self, what: &str, command: &str, limit: Duration) -> Result<()> {
        if command.trim().is_empty() {
            return Ok(());
        }
        let ended = self.world.run(command, limit)?;
        ensure!(
            ended.is_ok(),
            "{what} fails without a fault: {}",
            ended.last_line()
        );
        Ok(())
    }

    /// Runs an operation's command and its check.
    fn perform(&mut self, number: usize) -> Result<()> {
        let operation = self.operation(number).clone();
        let (name, limit) = (&operation.name, operation.limit());
        self.must(&format!("operation {name}"), &operation.command, limit)?;
        self.must(&format!("the check of {name}"), &operation.check, limit)
    }

    /// Runs the command that reverts an operation.
    fn undo(&mut self, number: usize) -> Result<()> {
        let operation = self.operation(number).clone();
        let what = format!("the inverse of {}", operation.name);
        self.must(&what, &operation.undo, operation.limit())
    }

    /// Runs the workload's setup command, and then places the injector's hooks.
    ///
    /// # Errors
    /// Returns an error if the setup fails, or if the injector refuses the hooks.
    pub fn begin(&mut self) -> Result<()> {
        let setup = self.workload.setup.clone();
        self.must("the setup", &setup, Duration::from_secs(120))?;
        let place = self.workload.place();
        self.world.inject(&place).map(drop)
    }

    /// Runs all operations, starting after the last event of the journal. If `only` is the number
    /// of an operation, only the points of this operation fail.
    ///
    /// # Errors
    /// Returns an error if an operation fails without a fault, if the injector refuses a command,
    /// or if the injector missed calls, so that the run is not valid.
    pub fn run(&mut self, only: Option<usize>) -> Result<End> {
        for number in 0..self.workload.operations.len() {
            let wanted = only.is_none_or(|only| only == number);
            let is_done = self.state.operations[number].discoveries >= DISCOVERIES
                && self.state.operations[number].next().is_none();
            if wanted && !is_done {
                match self.fail_all(number)? {
                    End::Finished => {}
                    End::Stopped => {
                        self.leave(number)?;
                        return Ok(End::Stopped);
                    }
                    reset @ End::Reset(_) => return Ok(reset),
                }
            }
            if only == Some(number) {
                break;
            }
            self.perform(number)?;
        }
        self.leave(only.unwrap_or(self.workload.operations.len()))?;
        if only.is_none() {
            self.add(Event::Finish)?;
        }
        Ok(End::Finished)
    }

    /// Discovers the points of each operation. No point fails.
    ///
    /// # Errors
    /// Returns the errors of [`run`](Self::run).
    pub fn discover(&mut self) -> Result<()> {
        for number in 0..self.workload.operations.len() {
            self.discover_one(number)?;
            self.perform(number)?;
        }
        self.leave(self.workload.operations.len())
    }

    /// Reverts the first `count` operations, and runs the workload's cleanup command.
    fn leave(&mut self, count: usize) -> Result<()> {
        for number in (0..count).rev() {
            self.undo(number)?;
        }
        let cleanup = self.workload.cleanup.clone();
        self.must("the cleanup", &cleanup, Duration::from_secs(120))
    }

    fn discover_one(&mut self, number: usize) -> Result<()> {
        for _ in 0..WARM_UP {
            self.perform(number)?;
            self.undo(number)?;
        }
        while self.state.operations[number].discoveries < DISCOVERIES {
            let name = self.operation(number).name.clone();
            self.watcher.seen(&self.state, &format!("{name}: discover"));
            let shot = self.shoot(number, "arm discover")?;
            ensure!(
                shot.ended.is_ok(),
                "operation {name} fails without a fault: {}",
                shot.ended.last_line()
            );
            self.undo(number)?;
            let points: Vec<_> = shot.seen.into_iter().map(|seen| seen.point).collect();
            // A discovery without points needs an event as well, to be counted.
            let last = points.len().saturating_sub(1) / TOGETHER;
            for part in 0..=last {
                let rest = points.iter().skip(part * TOGETHER);
                self.add(Event::Discovered {
                    operation: number,
                    points: rest.take(TOGETHER).cloned().collect(),
                    more: part < last,
                })?;
            }
        }
        Ok(())
    }

    /// Arms the injector, runs the operation's command and disarms.
    pub(super) fn shoot(&mut self, number: usize, arm: &str) -> Result<Shot> {
        let (command, limit) = (
            self.operation(number).command.clone(),
            self.operation(number).limit(),
        );
        self.world.inject(arm)?;
        let ended = self.world.run(&command, limit);
        self.world.inject("disarm")?;
        let ended = ended?;
        let status = self.world.inject("status")?;
        let status = Words::new(&status);
        let (missed, full) = (status.number("missed")?, status.number("full")?);
        ensure!(
            missed == 0 && full == 0,
            "the run is not valid: the injector missed {missed} calls, and had no room for {full}"
        );
        let text = self.world.inject("points")?;
        let seen: Vec<Seen> = text.lines().map(str::parse).collect::<Result<_>>()?;
        // `points` prints all points that the injector knows, which takes long if there are many.
        if seen.len() > MANY {
            self.world.inject("forget")?;
        }
        Ok(Shot {
            ended,
            injected: status.number("failed")? > 0,
            seen: seen.into_iter().filter(|seen| seen.hits > 0).collect(),
        })
    }

    /// Makes each point of an operation fail, with the operations before it in effect.
    fn fail_all(&mut self, number: usize) -> Result<End> {
        self.discover_one(number)?;
        self.world.forget();
        self.world.remember()?;
        loop {
            let progress = &self.state.operations[number];
            // The repetitions that reveal leaks of bulk memory take longer than everything else,
            // so a row of faults would save no time.
            let is_repeated =
                self.operation(number).repeat > 1 && self.first_in_bulk(number).is_some();
            let longest = if is_repeated { 1 } else { usize::MAX };
            let row = progress.row().into_iter().take(longest);
            let row: Vec<_> = row.map(|at| progress.faults[at].point.clone()).collect();
            let Some(first) = row.first() else {
                return Ok(End::Finished);
            };
            if self.watcher.stops() {
                return Ok(End::Stopped);
            }
            let doing = format!("{}: {}", self.operation(number).name, first.site);
            self.watcher.seen(&self.state, &doing);
            let findings = match row.len() {
                1 => self.fail_one(number, first)?,
                _ => self.fail_row(number, &row)?,
            };
            let Some(findings) = findings else {
                continue;
            };
            // Memory may be damaged after a report in the log. Later faults would be blamed for
            // it.
            let is_lost = |one: &&Finding| {
                one.kind.needs_reset() || (row.len() > 1 && one.kind == Kind::Report)
            };
            if let Some(finding) = findings.iter().find(is_lost) {
                let reason = format!("{}: {}", finding.kind.text(), finding.text);
                return Ok(End::Reset(reason));
            }
            // From now on the comparisons do not report the same objects and memory again.
            self.world.remember()?;
        }
    }

    /// Injects one fault, and adds the result to the journal. Returns the findings, if there are
    /// any.
    fn fail_one(&mut self, number: usize, point: &Point) -> Result<Option<Vec<Finding>>> {
        let attempt = self.inject(number, point)?;
        let findings = attempt.findings.clone();
        self.end(number, point, attempt)?;
        Ok((!findings.is_empty()).then_some(findings))
    }

    /// Injects a row of faults, and then checks the operation and compares the machine once. If
    /// all is well, each fault of the row is recorded. If something is wrong, the fault that
    /// caused it is not known, so that each fault is injected alone later. Then this returns the
    /// findings, which are empty if the only problem is a call that was not reached.
    fn fail_row(&mut self, number: usize, row: &[Point]) -> Result<Option<Vec<Finding>>> {
        let (mut attempts, mut findings) = (Vec::new(), Vec::new());
        // If a call is not reached, an earlier fault may have broken the operation.
        let mut is_reached = true;
        self.world.log()?;
        for (at, point) in row.iter().enumerate() {
            if at > 0 && self.watcher.stops() {
                break;
            }
            let attempt = self.strike(number, point)?;
            findings.extend(attempt.findings.clone());
            is_reached = attempt.injected;
            attempts.push((point, attempt));
            if !findings.is_empty() || !is_reached {
                break;
            }
        }
        if findings.is_empty() {
            findings = self.examine(number, &attempts)?;
        }
        if findings.is_empty() && is_reached {
            for (point, attempt) in attempts {
                self.end(number, point, attempt)?;
            }
            return Ok(None);
        }
        let ids = attempts.iter().map(|(point, _)| point.id.clone()).collect();
        self.add(Event::Doubt {
            operation: number,
            ids,
            findings: findings.clone(),
        })?;
        Ok(Some(findings))
    }

    fn end(&mut self, operation: usize, point: &Point, attempt: Attempt) -> Result<()> {
        let id = point.id.clone();
        self.add(Event::End {
            operation,
            id,
            attempt,
        })
    }

    /// Injects the fault at one point `times` times, for `tackle fault replay`.
    ///
    /// # Errors
    /// Returns the errors of [`run`](Self::run).
    pub fn replay(&mut self, number: usize, id: &str, times: usize) -> Result<Vec<Attempt>> {
        for before in 0..number {
            self.perform(before)?;
        }
        self.discover_one(number)?;
        self.world.remember()?;
        let faults = &self.state.operations[number].faults;
        let fault = faults.iter().find(|fault| fault.point.id == id);
        // A discovery does not find a point that is called only after another fault.
        let point = fault.map_or_else(|| Point::unknown(id), |fault| fault.point.clone());
        let mut attempts = Vec::new();
        for _ in 0..times {
            let attempt = self.inject(number, &point)?;
            let is_lost = needs_reset(&attempt.findings);
            attempts.push(attempt);
            if is_lost {
                return Ok(attempts);
            }
            self.world.remember()?;
        }
        self.leave(number)?;
        Ok(attempts)
    }
}
