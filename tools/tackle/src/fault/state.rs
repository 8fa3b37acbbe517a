// SPDX-License-Identifier: GPL-2.0

//! Computes the state of a campaign from the events of its journal, and the fault that comes next.

use std::collections::BTreeMap;

use anyhow::{ensure, Context, Result};
use serde::Serialize;

use super::finding::{Answer, Finding, Kind};
use super::journal::{Attempt, Event, Start};
use super::point::Point;

/// How often a fault with a finding is injected: once, and two replays.
pub const ATTEMPTS: usize = 3;

/// The maximum number of faults that are injected in a row before the machine is compared.
pub const ROW: usize = 8;

/// How often an operation is run to discover its points.
pub const DISCOVERIES: usize = 2;

/// A fault point of an operation.
#[derive(Clone, Debug, Serialize)]
pub struct Fault {
    /// The point.
    pub point: Point,
    /// The number of discoveries in which it was called.
    pub discovered: usize,
    /// The result of each injection.
    pub attempts: Vec<Attempt>,
    /// Whether this fault must be injected alone, and not in a row with others.
    pub is_alone: bool,
}

impl Fault {
    /// Returns how often the fault must still be injected.
    pub fn left(&self) -> usize {
        let wanted = match self.attempts.first() {
            Some(first) if !first.findings.is_empty() => ATTEMPTS,
            _ => 1,
        };
        wanted.saturating_sub(self.attempts.len())
    }

    /// Returns whether the fault can be injected in a row with others before the machine is
    /// compared.
    fn is_for_rows(&self) -> bool {
        self.attempts.is_empty() && !self.is_alone
    }

    /// Returns whether the call has failed in an injection.
    pub fn was_injected(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.injected)
    }

    /// Returns the findings of at least [`ATTEMPTS`] attempts, and those of fewer.
    pub fn findings(&self) -> (Vec<&Finding>, Vec<&Finding>) {
        let mut kinds: BTreeMap<Kind, (usize, &Finding)> = BTreeMap::new();
        for attempt in &self.attempts {
            let mut seen: Vec<_> = attempt.findings.iter().collect();
            seen.sort_by_key(|finding| finding.kind);
            seen.dedup_by_key(|finding| finding.kind);
            for finding in seen {
                kinds.entry(finding.kind).or_insert((0, finding)).0 += 1;
            }
        }
        let (mut always, mut sometimes) = (Vec::new(), Vec::new());
        for (count, finding) in kinds.into_values() {
            match count {
                ATTEMPTS.. => always.push(finding),
                _ => sometimes.push(finding),
            }
        }
        (always, sometimes)
    }
}

/// The findings after a row of faults.
#[derive(Clone, Debug, Serialize)]
pub struct Doubt {
    /// The points of the row.
    pub ids: Vec<String>,
    /// The findings.
    pub findings: Vec<Finding>,
}

/// The state of an operation.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Progress {
    /// How often the operation was run to discover its points.
    pub discoveries: usize,
    /// Its points, in the order in which they were found.
    pub faults: Vec<Fault>,
    /// The findings after rows of faults.
    pub doubts: Vec<Doubt>,
}

impl Progress {
    /// Returns the index in [`faults`](Self::faults) of the fault that is injected next.
    pub fn next(&self) -> Option<usize> {
        self.faults.iter().position(|fault| fault.left() > 0)
    }

    /// Returns the indices of the faults that are injected next in a row, before the machine is
    /// compared. The first row has one fault. Rows get longer with the number of faults before
    /// them that had no finding, up to [`ROW`]. After a row with a finding, the next row has one
    /// fault again.
    pub fn row(&self) -> Vec<usize> {
        let Some(first) = self.next() else {
            return Vec::new();
        };
        if !self.faults[first].is_for_rows() {
            return vec![first];
        }
        let before = self.faults[..first].iter().rev();
        let is_clean = |fault: &&Fault| {
            let mut attempts = fault.attempts.iter();
            !fault.is_alone && attempts.all(|attempt| attempt.findings.is_empty())
        };
        let clean = before.take(ROW).take_while(is_clean).count();
        let row = self.faults[first..].iter().take(clean.max(1));
        let len = row.take_while(|fault| fault.is_for_rows()).count();
        (first..first + len).collect()
    }

    /// Returns the findings after rows of faults that no fault of the row causes alone.
    pub fn unexplained(&self) -> impl Iterator<Item = (&Doubt, &Finding)> {
        let all = self.doubts.iter().flat_map(|doubt| {
            let found = doubt.findings.iter();
            found.map(move |finding| (doubt, finding))
        });
        all.filter(|(doubt, finding)| !self.is_explained(doubt, finding))
    }

    /// Returns whether a finding after a row of faults needs no report of its own. That is so if a
    /// fault of the row is not tried alone yet, or if it alone has a finding of the same kind, or
    /// one that requires a reboot, which can hide the same kind.
    fn is_explained(&self, doubt: &Doubt, finding: &Finding) -> bool {
        let mut row = self.faults.iter();
        row.any(|fault| {
            let mut found = fault.attempts.iter().flat_map(|one| &one.findings);
            let is_like = |one: &Finding| one.kind == finding.kind || one.kind.needs_reset();
            doubt.ids.contains(&fault.point.id) && (fault.left() > 0 || found.any(is_like))
        })
    }

    /// Returns the percentage of the discovered points that were called in each discovery.
    pub fn recurring(&self) -> f64 {
        let found = self.faults.iter().filter(|fault| fault.discovered > 0);
        let all = found.clone().count();
        let again = found
            .filter(|fault| fault.discovered == self.discoveries)
            .count();
        match all {
            0 => 100.0,
            _ => 100.0 * again as f64 / all as f64,
        }
    }

    fn find(&mut self, id: &str) -> Option<&mut Fault> {
        self.faults.iter_mut().find(|fault| fault.point.id == id)
    }

    /// Records findings after a row of faults, each of which is then injected alone.
    fn doubt(&mut self, ids: &[String], findings: Vec<Finding>) {
        for fault in &mut self.faults {
            fault.is_alone |= ids.contains(&fault.point.id);
        }
        let ids = ids.to_vec();
        self.doubts.push(Doubt { ids, findings });
    }

    /// Adds the points that are not known yet.
    fn add(&mut self, points: &[Point], discovered: usize) {
        for point in points {
            match self.find(&point.id) {
                Some(fault) => {
                    fault.discovered += discovered;
                    // The site had no name while its module was being loaded.
                    if is_better(&fault.point.site, &point.site) {
                        fault.point = point.clone();
                    }
                }
                None => self.faults.push(Fault {
                    point: point.clone(),
                    discovered,
                    attempts: Vec::new(),
                    is_alone: false,
                }),
            }
        }
    }
}

/// Returns whether the new name of a site has a function and the old one has not.
fn is_better(old: &str, new: &str) -> bool {
    !old.contains('+') && new.contains('+')
}

/// The state of a campaign.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The workload and the kernel.
    pub start: Option<Start>,
    /// The state of each operation, by its number.
    pub operations: Vec<Progress>,
    /// The calls of hooked functions, by module, and why they are not known if they are not.
    pub calls: Vec<(String, Vec<super::coverage::Call>, Option<String>)>,
    /// The faults that are being injected: one fault, or a row of faults of one operation.
    pub current: Vec<(usize, String)>,
    /// Whether the campaign is finished.
    pub finished: bool,
}

impl State {
    /// Returns the state after these events.
    ///
    /// # Errors
    /// Returns an error if the events contradict each other.
    pub fn of(events: &[Event]) -> Result<Self> {
        let mut state = Self::default();
        events.iter().try_for_each(|event| state.apply(event))?;
        Ok(state)
    }

    /// Changes the state by an event.
    ///
    /// # Errors
    /// Returns an error if the event contradicts earlier events.
    pub fn apply(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Start(start) => {
                if let Some(old) = &self.start {
                    ensure!(
                        old.text == start.text,
                        "the journal is of another workload, or of an older version of it"
                    );
                    ensure!(
                        old.kernel == start.kernel,
                        "the journal is of another kernel: {}",
                        old.kernel
                    );
                }
                self.give_up("the machine was started anew", &[]);
                self.operations
                    .resize_with(start.operations.len(), Progress::default);
                self.start = Some(start.clone());
            }
            Event::Calls {
                module,
                calls,
                unknown,
            } => {
                self.calls.retain(|(known, ..)| known != module);
                self.calls
                    .push((module.clone(), calls.clone(), unknown.clone()));
            }
            Event::Discovered {
                operation,
                points,
                more,
            } => {
                let progress = self.progress(*operation)?;
                progress.discoveries += usize::from(!more);
                progress.add(points, 1);
            }
            Event::Appeared { operation, points } => self.progress(*operation)?.add(points, 0),
            Event::Begin { operation, id } => self.current.push((*operation, id.clone())),
            Event::End {
                operation,
                id,
                attempt,
            } => {
                self.current.retain(|(_, known)| known != id);
                let fault = self.progress(*operation)?.find(id);
                let fault = fault.with_context(|| format!("the journal has no point {id}"))?;
                fault.attempts.push(attempt.clone());
            }
            Event::Doubt {
                operation,
                ids,
                findings,
            } => {
                self.current.clear();
                self.progress(*operation)?.doubt(ids, findings.clone());
            }
            Event::Lost { text, log } => self.give_up(text, log),
            Event::Finish => self.finished = true,
        }
        Ok(())
    }

    fn progress(&mut self, operation: usize) -> Result<&mut Progress> {
        let progress = self.operations.get_mut(operation);
        progress.with_context(|| format!("the journal has no operation {operation}"))
    }

    /// Records that the machine was lost while faults were injected. Without such faults it does
    /// nothing.
    fn give_up(&mut self, text: &str, log: &[String]) {
        let current = std::mem::take(&mut self.current);
        let Some((operation, id)) = current.first() else {
            return;
        };
        let Some(progress) = self.operations.get_mut(*operation) else {
            return;
        };
        let findings = vec![Finding::new(Kind::Crash, text, log.to_vec())];
        if current.len() > 1 {
            let ids: Vec<_> = current.iter().map(|(_, id)| id.clone()).collect();
            progress.doubt(&ids, findings);
        } else if let Some(fault) = progress.find(id) {
            fault.attempts.push(Attempt {
                injected: true,
                reply: Answer::Lost,
                findings,
            });
        }
    }

    /// Returns the number of injections that are done, and the number of all injections that are
    /// known so far.
    pub fn count(&self) -> (usize, usize) {
        let faults = || self.operations.iter().flat_map(|progress| &progress.faults);
        let done = faults().map(|fault| fault.attempts.len()).sum();
        (done, done + faults().map(Fault::left).sum::<usize>())
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::fault::point::Seen;

    pub fn point(id: u64) -> Point {
        let seen: Seen = crate::fault::point::tests::line(id, 1).parse().unwrap();
        seen.point
    }

    pub fn start() -> Event {
        Event::Start(Start {
            workload: "w".into(),
            text: "text".into(),
            operations: vec!["load".into()],
            modules: vec!["zram".into()],
            kernel: "7.3.4".into(),
            has_stacks: true,
        })
    }

    pub fn discovered(ids: &[u64]) -> Event {
        Event::Discovered {
            operation: 0,
            points: ids.iter().map(|id| point(*id)).collect(),
            more: false,
        }
    }

    fn begin(id: u64) -> Event {
        Event::Begin {
            operation: 0,
            id: point(id).id,
        }
    }

    pub fn end(id: u64, kinds: &[Kind]) -> Event {
        Event::End {
            operation: 0,
            id: point(id).id,
            attempt: Attempt {
                injected: true,
                reply: Answer::Continued,
                findings: kinds
                    .iter()
                    .map(|kind| Finding::new(*kind, "text", Vec::new()))
                    .collect(),
            },
        }
    }

    fn next(state: &State) -> Option<String> {
        let progress = &state.operations[0];
        progress
            .next()
            .map(|at| progress.faults[at].point.id.clone())
    }

    #[test]
    fn points_come_in_order_and_a_finding_is_replayed_twice() {
        let mut state = State::of(&[start(), discovered(&[1, 2]), discovered(&[2, 3])]).unwrap();
        assert_eq!(next(&state), Some(point(1).id));
        assert!((state.operations[0].recurring() - 100.0 / 3.0).abs() < 1e-9);
        state.apply(&end(1, &[])).unwrap();
        for left in [2, 1, 0] {
            assert_eq!(next(&state), Some(point(2).id));
            let kinds = if left == 1 {
                vec![Kind::Leak]
            } else {
                vec![Kind::Leak, Kind::Report]
            };
            state.apply(&end(2, &kinds)).unwrap();
            assert_eq!(state.operations[0].faults[1].left(), left);
        }
        let (always, sometimes) = state.operations[0].faults[1].findings();
        assert_eq!((always[0].kind, always.len()), (Kind::Leak, 1));
        assert_eq!((sometimes[0].kind, sometimes.len()), (Kind::Report, 1));
        assert_eq!(next(&state), Some(point(3).id));
        state.apply(&end(3, &[])).unwrap();
        assert_eq!((next(&state), state.count()), (None, (5, 5)));
    }

    #[test]
    fn points_that_appear_later_are_queued_once() {
        let mut state = State::of(&[start(), discovered(&[1])]).unwrap();
        let appeared = Event::Appeared {
            operation: 0,
            points: vec![point(1), point(9)],
        };
        state.apply(&appeared).unwrap();
        state.apply(&appeared).unwrap();
        state.apply(&end(1, &[])).unwrap();
        assert_eq!(next(&state), Some(point(9).id));
        assert_eq!(state.operations[0].faults.len(), 2);
        assert!((state.operations[0].recurring() - 100.0).abs() < 1e-9);
    }

    #[test]
    fn rows_get_longer_while_nothing_is_found() {
        let ids: Vec<u64> = (1..=30).collect();
        let mut state = State::of(&[start(), discovered(&ids)]).unwrap();
        let mut lengths = Vec::new();
        loop {
            let row = state.operations[0].row();
            if row.is_empty() {
                break;
            }
            lengths.push(row.len());
            for at in row {
                state.apply(&begin(ids[at])).unwrap();
                state.apply(&end(ids[at], &[])).unwrap();
            }
        }
        assert_eq!(lengths, [1, 1, 2, 4, 8, 8, 6]);
        assert!(state.current.is_empty());
    }

    #[test]
    fn faults_in_doubt_are_injected_alone() {
        let doubt = Event::Doubt {
            operation: 0,
            ids: vec![point(3).id, point(4).id],
            findings: vec![Finding::new(Kind::Leak, "text", Vec::new())],
        };
        let clean = [end(1, &[]), end(2, &[])];
        let events = [&[start(), discovered(&[1, 2, 3, 4, 5])], &clean[..]].concat();
        let row = |state: &State| state.operations[0].row();
        let mut state = State::of(&events).unwrap();
        assert_eq!(row(&state), [2, 3]);
        // Each fault of the row can be the one that crashed the machine.
        for id in [3, 4] {
            state.apply(&begin(id)).unwrap();
        }
        let mut lost = state.clone();
        lost.apply(&start()).unwrap();
        state.apply(&doubt).unwrap();
        for mut state in [lost, state] {
            assert_eq!((row(&state), state.count()), (vec![2], (2, 5)));
            let unexplained = |state: &State| state.operations[0].unexplained().count();
            assert_eq!(unexplained(&state), 0, "it is too early to know");
            state.apply(&end(3, &[])).unwrap();
            assert_eq!(row(&state), [3]);
            let mut found = state.clone();
            found.apply(&end(4, &[Kind::Leak])).unwrap();
            state.apply(&end(4, &[])).unwrap();
            assert_eq!((unexplained(&found), unexplained(&state)), (0, 1));
        }
    }

    #[test]
    fn a_begin_without_an_end_is_a_crash() {
        let events = [start(), discovered(&[1]), begin(1), start()];
        let state = State::of(&events).unwrap();
        let fault = &state.operations[0].faults[0];
        assert_eq!(fault.attempts[0].findings[0].kind, Kind::Crash);
        assert_eq!((fault.left(), state.current.len()), (2, 0));
        let lost = Event::Lost {
            text: "kernel panic".into(),
            log: vec!["Oops".into()],
        };
        let events = [start(), discovered(&[1]), begin(1), lost, start()];
        let state = State::of(&events).unwrap();
        let attempts = &state.operations[0].faults[0].attempts;
        assert_eq!(attempts.len(), 1);
        assert_eq!(attempts[0].findings[0].text, "kernel panic");
    }

    #[test]
    fn another_workload_or_kernel_is_refused() {
        for (from, to, part) in [
            ("text", "else", "another workload"),
            ("7.3.4", "7.4", "another kernel"),
        ] {
            let other = serde_json::to_string(&start())
                .unwrap()
                .replace(&format!("\"{from}\""), &format!("\"{to}\""));
            // "text" is a key as well.
            let other = other.replace(
                &format!("\"{to}\":\"{to}\""),
                &format!("\"{from}\":\"{to}\""),
            );
            let other: Event = serde_json::from_str(&other).unwrap();
            let error = State::of(&[start(), other]).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
