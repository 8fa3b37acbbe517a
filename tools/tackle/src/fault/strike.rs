// SPDX-License-Identifier: GPL-2.0

//! Injects one fault of a campaign, and checks the operation, the machine and the kernel log.

use std::time::Duration;

use anyhow::Result;

use super::campaign::{Campaign, TOGETHER};
use super::command::{Ended, How};
use super::finding::{of_clean, of_command, Answer, Finding, Kind};
use super::injector::World;
use super::journal::{Attempt, Event};
use super::kmsg;
use super::point::{Point, Seen};

/// How often the comparison is repeated while something is left, since the kernel may remove it a
/// little later. The pauses are 50, 100, 200 and 400 ms, 0.75 s in total.
const COMPARISONS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(50);

/// Returns whether the machine must be rebooted.
pub(super) fn needs_reset(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.kind.needs_reset())
}

impl<W: World> Campaign<'_, W> {
    /// Injects one fault, and checks the operation, the machine and the kernel log.
    ///
    /// # Errors
    /// Returns an error if the injector refuses a command, or if it missed calls, so that the run
    /// is not valid.
    pub fn inject(&mut self, number: usize, point: &Point) -> Result<Attempt> {
        // Earlier messages are not caused by this fault.
        self.world.log()?;
        let attempt = self.strike(number, point)?;
        if needs_reset(&attempt.findings) {
            return Ok(attempt);
        }
        let struck = [(point, attempt)];
        let findings = self.examine(number, &struck)?;
        let [(_, mut attempt)] = struck;
        attempt.findings.extend(findings);
        Ok(attempt)
    }

    /// Injects one fault, and checks how the operation ends and what the kernel logs.
    pub(super) fn strike(&mut self, number: usize, point: &Point) -> Result<Attempt> {
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
    pub(super) fn examine(
        &mut self,
        number: usize,
        faults: &[(&Point, Attempt)],
    ) -> Result<Vec<Finding>> {
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

    /// Adds the points to the queue that were not known, or of which no name was known.
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

    /// Checks how the command has ended, and reverts the operation if the command succeeded.
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
        // An operation that is not in effect need not be reverted.
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

    /// Runs a command without a fault. Returns a finding if the command does not succeed.
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

    /// Returns the index of the operation's first point that allocates bulk memory: per-CPU memory
    /// or pages, of which the kernel shows only sums and no stacks.
    pub(super) fn first_in_bulk(&self, number: usize) -> Option<usize> {
        const CLASSES: [&str; 2] = ["percpu", "pages"];
        let mut faults = self.state.operations[number].faults.iter();
        faults.position(|fault| CLASSES.contains(&fault.point.class.as_str()))
    }

    /// Returns whether the operation can have allocated bulk memory before or after this fault,
    /// and so can have leaked it.
    fn may_leak_in_bulk(&self, number: usize, point: &Point, attempt: &Attempt) -> bool {
        let Some(first) = self.first_in_bulk(number) else {
            return false;
        };
        // Discovered points are in the order of their first calls. After the fault, the operation
        // allocates memory only if it did not stop with an error.
        let mut before = self.state.operations[number].faults[..first].iter();
        let is_before = before.any(|fault| fault.discovered > 0 && fault.point.id == point.id);
        !is_before || !matches!(attempt.reply, Answer::Error { .. })
    }

    /// Injects the same fault `times` times. Returns a finding if a command does not end.
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
            // A failed operation has no effect to be reverted.
            if ended.is_ok() && !operation.undo.trim().is_empty() {
                self.world.run(&operation.undo, operation.limit())?;
            }
        }
        Ok(None)
    }

    /// Compares the objects and the memory with those before the faults.
    fn compare(
        &mut self,
        number: usize,
        faults: &[(&Point, Attempt)],
        findings: &mut Vec<Finding>,
    ) -> Result<()> {
        let (mut left, mut grown) = self.world.compare()?;
        if grown.unsure {
            // The first repetition may fill a cache permanently, so the fault is repeated twice.
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
            let verdict = self.world.kmemleak()?;
            let details = verdict.into_iter().chain(grown.lines).collect();
            findings.push(Finding::new(Kind::Leak, text, details));
        }
        Ok(())
    }
}
