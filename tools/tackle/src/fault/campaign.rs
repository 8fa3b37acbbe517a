// SPDX-License-Identifier: GPL-2.0

//! Runs a campaign: makes each fault point of each operation fail, one at a time, and checks what
//! comes of it.

use std::time::Duration;

use anyhow::{ensure, Result};

use super::command::{Ended, How};
use super::finding::{of_clean, of_command, Answer, Finding, Kind};
use super::injector::World;
use super::journal::{Attempt, Event, Journal};
use super::kmsg;
use super::point::{Point, Seen, Words};
use super::state::{State, DISCOVERIES};
use super::workload::{Operation, Workload};

/// What the user of a campaign sees, and whether they want it to stop.
pub trait Watcher {
    /// The state has changed. `doing` names the step that begins.
    fn seen(&self, state: &State, doing: &str);

    /// Whether the campaign has to stop before the next fault.
    fn stops(&self) -> bool;
}

/// How a campaign ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// All points of all operations have failed.
    Finished,
    /// The user stopped it; it can go on.
    Stopped,
    /// The machine has to be started anew, then it can go on. The reason is in one line.
    Reset(String),
}

/// How often the comparison is repeated while something is left: the kernel may be about to remove
/// it. The pauses are 50, 100, ... ms, 0.75 s in all.
const COMPARISONS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(50);

/// Points from which on the injector forgets them.
const MANY: usize = 100;

/// How many points are in one event at most: each can have some KiB of stack, and whoever reads the
/// events line by line may have a limit.
const TOGETHER: usize = 4;

/// How often an operation is run before its points are discovered. The first run fills caches.
const WARM_UP: usize = 2;

/// A campaign.
pub struct Campaign<'a, W> {
    /// What is done.
    pub workload: &'a Workload,
    /// Where.
    pub world: W,
    /// What has happened.
    pub state: State,
    /// Where that is written.
    pub journal: Option<Journal>,
    /// Who looks on.
    pub watcher: &'a dyn Watcher,
}

/// Whether the machine has to be started anew.
fn needs_reset(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.kind.needs_reset())
}

/// A fault was injected and the operation was run.
struct Shot {
    ended: Ended,
    injected: bool,
    seen: Vec<Seen>,
}

impl<W: World> Campaign<'_, W> {
    /// Adds an event to the state and the journal.
    ///
    /// # Errors
    /// When the journal is of another workload or kernel, or cannot be written.
    pub fn add(&mut self, event: Event) -> Result<()> {
        self.state.apply(&event)?;
        match &mut self.journal {
            Some(journal) => journal.add(&event),
            None => Ok(()),
        }
    }

    fn operation(&self, number: usize) -> &Operation {
        &self.workload.operations[number]
    }

    /// Runs a command that has to succeed, since no fault is injected.
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

    /// Puts an operation into effect.
    fn perform(&mut self, number: usize) -> Result<()> {
        let operation = self.operation(number).clone();
        let (name, limit) = (&operation.name, operation.limit());
        self.must(&format!("operation {name}"), &operation.command, limit)?;
        self.must(&format!("the check of {name}"), &operation.check, limit)
    }

    /// Puts an operation out of effect.
    fn undo(&mut self, number: usize) -> Result<()> {
        let operation = self.operation(number).clone();
        let what = format!("the inverse of {}", operation.name);
        self.must(&what, &operation.undo, operation.limit())
    }

    /// Places the hooks, and runs the workload's own preparation.
    ///
    /// # Errors
    /// When the injector refuses, or the preparation fails.
    pub fn begin(&mut self) -> Result<()> {
        let setup = self.workload.setup.clone();
        self.must("the setup", &setup, Duration::from_secs(120))?;
        let place = self.workload.place();
        self.world.inject(&place).map(drop)
    }

    /// Runs all operations from where the journal ends. `only` is the number of the one operation
    /// whose points fail, if not all.
    ///
    /// # Errors
    /// When an operation fails without a fault, the injector refuses, or the run is not valid.
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

    /// Finds the points of each operation, and makes none fail.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn discover(&mut self) -> Result<()> {
        for number in 0..self.workload.operations.len() {
            self.discover_one(number)?;
            self.perform(number)?;
        }
        self.leave(self.workload.operations.len())
    }

    /// Puts the first `count` operations out of effect, and runs the workload's own cleanup.
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
            // At least one event, for a discovery without points.
            let mut parts = points.chunks(TOGETHER).collect::<Vec<_>>();
            let last = parts.pop().unwrap_or_default();
            for part in parts {
                self.add(Event::Discovered {
                    operation: number,
                    points: part.to_vec(),
                    more: true,
                })?;
            }
            self.add(Event::Discovered {
                operation: number,
                points: last.to_vec(),
                more: false,
            })?;
        }
        Ok(())
    }

    /// Arms the injector, runs the operation's command and disarms.
    fn shoot(&mut self, number: usize, arm: &str) -> Result<Shot> {
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
        // The list has all points that are known. It takes long to print.
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
        self.world.remember()?;
        loop {
            let progress = &self.state.operations[number];
            // The repetitions for bulk memory take longer than all else, so a row saves nothing.
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
            // A report in the log can come of damage, which the next faults would be charged with.
            let is_lost = |one: &&Finding| {
                one.kind.needs_reset() || (row.len() > 1 && one.kind == Kind::Report)
            };
            if let Some(finding) = findings.iter().find(is_lost) {
                let reason = format!("{}: {}", finding.kind.text(), finding.text);
                return Ok(End::Reset(reason));
            }
        }
    }

    /// Injects one fault, and adds what comes of it to the journal. Returns what is wrong.
    fn fail_one(&mut self, number: usize, point: &Point) -> Result<Vec<Finding>> {
        let attempt = self.inject(number, point)?;
        let findings = attempt.findings.clone();
        self.end(number, point, attempt)?;
        if !findings.is_empty() {
            self.remember_after(&findings)?;
        }
        Ok(findings)
    }

    /// Injects faults in a row, and then checks the operation and compares the machine once. If
    /// anything is wrong, nothing is known of any of them, and each is injected alone later.
    fn fail_row(&mut self, number: usize, row: &[Point]) -> Result<Vec<Finding>> {
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
            let faults: Vec<_> = attempts.iter().map(|(point, one)| (*point, one)).collect();
            findings = self.examine(number, &faults)?;
        }
        if findings.is_empty() && is_reached {
            for (point, attempt) in attempts {
                self.end(number, point, attempt)?;
            }
            return Ok(findings);
        }
        let ids = attempts.iter().map(|(point, _)| point.id.clone()).collect();
        self.add(Event::Doubt {
            operation: number,
            ids,
            findings: findings.clone(),
        })?;
        self.remember_after(&findings)?;
        Ok(findings)
    }

    /// Has later comparisons leave out what has been found.
    fn remember_after(&mut self, findings: &[Finding]) -> Result<()> {
        match needs_reset(findings) {
            true => Ok(()),
            false => self.world.remember(),
        }
    }

    fn end(&mut self, operation: usize, point: &Point, attempt: Attempt) -> Result<()> {
        let id = point.id.clone();
        self.add(Event::End {
            operation,
            id,
            attempt,
        })
    }

    /// Injects one fault, and checks the operation, the machine and the log.
    ///
    /// # Errors
    /// When the injector refuses, or the run is not valid.
    pub fn inject(&mut self, number: usize, point: &Point) -> Result<Attempt> {
        // What was logged before is not of this fault.
        self.world.log()?;
        let mut attempt = self.strike(number, point)?;
        if !needs_reset(&attempt.findings) {
            let findings = self.examine(number, &[(point, &attempt)])?;
            attempt.findings.extend(findings);
        }
        Ok(attempt)
    }

    /// Injects one fault, and checks how the operation ends and what it logs.
    fn strike(&mut self, number: usize, point: &Point) -> Result<Attempt> {
        self.add(Event::Begin {
            operation: number,
            id: point.id.clone(),
        })?;
        self.world.mark(&point.title());
        let shot = self.shoot(number, &format!("arm one {}", point.id))?;
        let reply = Answer::of(&shot.ended);
        self.note_new(number, shot.seen)?;
        let mut findings = self.judge(number, &shot.ended, shot.injected)?;
        findings.extend(kmsg::report(&self.world.log()?));
        Ok(Attempt {
            injected: shot.injected,
            reply,
            findings,
        })
    }

    /// Checks that the operation works without a fault, compares the machine, and checks the log.
    fn examine(&mut self, number: usize, faults: &[(&Point, &Attempt)]) -> Result<Vec<Finding>> {
        let mut findings = self.works(number)?;
        if !needs_reset(&findings) {
            let settle = self.operation(number).settle;
            self.world.pause(Duration::from_secs_f64(settle));
            let times = self.operation(number).repeat;
            for (point, attempt) in faults {
                if self.may_leak_in_bulk(number, point, attempt) {
                    findings.extend(self.repeat(number, point, times)?);
                }
            }
        }
        if !needs_reset(&findings) {
            self.compare(number, faults, &mut findings)?;
        }
        findings.extend(kmsg::report(&self.world.log()?));
        Ok(findings)
    }

    /// Adds the points that were not known, or had no name, to the queue.
    fn note_new(&mut self, number: usize, seen: Vec<Seen>) -> Result<()> {
        let faults = &self.state.operations[number].faults;
        let is_known = |point: &Point| {
            let known = faults.iter().find(|fault| fault.point.id == point.id);
            known.is_some_and(|known| known.point.site.contains('+') || !point.site.contains('+'))
        };
        let new = seen.into_iter().map(|seen| seen.point);
        let points: Vec<_> = new.filter(|point| !is_known(point)).collect();
        points.chunks(TOGETHER).try_for_each(|part| {
            self.add(Event::Appeared {
                operation: number,
                points: part.to_vec(),
            })
        })
    }

    /// Checks how the command has ended, and puts it out of effect if it went on.
    fn judge(&mut self, number: usize, ended: &Ended, injected: bool) -> Result<Vec<Finding>> {
        let operation = self.operation(number).clone();
        let limit = operation.limit();
        let mut findings = Vec::new();
        if injected {
            findings.extend(of_command(&operation, ended));
        }
        if needs_reset(&findings) || !ended.is_ok() {
            return Ok(findings);
        }
        let check = self.clean(Kind::FalseSuccess, "the check", &operation.check, limit)?;
        let is_wrong = check.is_some();
        findings.extend(check);
        let undo = self.clean(Kind::CannotUndo, "the inverse", &operation.undo, limit)?;
        // What is not in effect need not be undone.
        if !is_wrong {
            findings.extend(undo);
        }
        Ok(findings)
    }

    /// Checks that the operation works without a fault.
    fn works(&mut self, number: usize) -> Result<Vec<Finding>> {
        let operation = self.operation(number).clone();
        let mut findings = Vec::new();
        let steps = [
            (Kind::FailsAfterwards, "the operation", &operation.command),
            (Kind::FailsAfterwards, "the check", &operation.check),
            (Kind::CannotUndo, "the inverse", &operation.undo),
        ];
        for (kind, what, command) in steps {
            if needs_reset(&findings) {
                break;
            }
            findings.extend(self.clean(kind, what, command, operation.limit())?);
        }
        Ok(findings)
    }

    /// Runs a command without a fault.
    fn clean(
        &mut self,
        kind: Kind,
        what: &str,
        command: &str,
        limit: Duration,
    ) -> Result<Option<Finding>> {
        if command.trim().is_empty() {
            return Ok(None);
        }
        let ended = self.world.run(command, limit)?;
        Ok(of_clean(kind, what, &ended))
    }

    /// The place of the first point of an operation at which it takes memory of which the kernel
    /// shows sums alone.
    fn first_in_bulk(&self, number: usize) -> Option<usize> {
        const CLASSES: [&str; 2] = ["percpu", "pages"];
        let mut faults = self.state.operations[number].faults.iter();
        faults.position(|fault| CLASSES.contains(&fault.point.class.as_str()))
    }

    /// Whether an operation with this fault can have taken such memory, and so can have leaked it.
    fn may_leak_in_bulk(&self, number: usize, point: &Point, attempt: &Attempt) -> bool {
        let Some(first) = self.first_in_bulk(number) else {
            return false;
        };
        // Points that were discovered are in the order of their first calls. What the operation
        // takes behind the fault it has only if it went on.
        let before = self.state.operations[number].faults[..first].iter();
        let ended_before = before
            .filter(|fault| fault.discovered > 0)
            .any(|fault| fault.point.id == point.id);
        !ended_before || !matches!(attempt.reply, Answer::Error { .. })
    }

    /// Injects the same fault again and again. Returns what is wrong if a command does not end.
    fn repeat(&mut self, number: usize, point: &Point, times: u32) -> Result<Option<Finding>> {
        let operation = self.operation(number).clone();
        for _ in 0..times {
            self.world.inject(&format!("arm one {}", point.id))?;
            let ended = self.world.run(&operation.command, operation.limit());
            self.world.inject("disarm")?;
            let ended = ended?;
            if matches!(ended.how, How::TimedOut | How::Stuck) {
                return Ok(of_command(&operation, &ended));
            }
            // Without an effect there is nothing to undo.
            if ended.is_ok() && !operation.undo.trim().is_empty() {
                self.world.run(&operation.undo, operation.limit())?;
            }
        }
        Ok(None)
    }

    /// Compares objects and memory with those before.
    fn compare(
        &mut self,
        number: usize,
        faults: &[(&Point, &Attempt)],
        findings: &mut Vec<Finding>,
    ) -> Result<()> {
        let (mut left, mut grown) = self.world.compare()?;
        if grown.unsure {
            // Twice: the first time may fill a cache for good.
            for (point, _) in faults {
                findings.extend(self.repeat(number, point, 2)?);
            }
            (left, grown) = self.world.compare()?;
        }
        for round in 0..COMPARISONS {
            if left.is_empty() && grown.lines.is_empty() {
                return Ok(());
            }
            self.world.pause(PAUSE * 2_u32.pow(round));
            (left, grown) = self.world.compare()?;
        }
        let is_use = |line: &&String| line.starts_with("+ module ") && line.contains(" is used ");
        if let Some(line) = left.iter().find(is_use) {
            let text = line.trim_start_matches("+ ").to_owned();
            findings.push(Finding::new(Kind::CannotUndo, text, left));
        } else if let Some(first) = left.first() {
            let text = format!("{} entries differ, the first: {first}", left.len());
            findings.push(Finding::new(Kind::LeftBehind, text, left));
        }
        if let Some(first) = grown.lines.first() {
            let text = first.split(" < ").next().unwrap_or_default().to_owned();
            findings.push(Finding::new(Kind::Leak, text, grown.lines));
        }
        Ok(())
    }

    /// Injects the fault at one point again and again, as a user wants to see it.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn replay(&mut self, number: usize, id: &str, times: usize) -> Result<Vec<Attempt>> {
        for before in 0..number {
            self.perform(before)?;
        }
        self.discover_one(number)?;
        self.world.remember()?;
        let faults = &self.state.operations[number].faults;
        let fault = faults.iter().find(|fault| fault.point.id == id);
        // A point that appears only after other faults is not among those that are discovered.
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
