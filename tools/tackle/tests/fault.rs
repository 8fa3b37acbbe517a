// SPDX-License-Identifier: GPL-2.0

//! Tests campaigns of `tackle fault` on a fake machine with a module whose defects the test
//! selects.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{bail, Result};
use tackle_cli::fault::campaign::{Campaign, End, Watcher};
use tackle_cli::fault::command::{Ended, How};
use tackle_cli::fault::finding::Kind;
use tackle_cli::fault::injector::World;
use tackle_cli::fault::journal::{self, Event, Journal, Start};
use tackle_cli::fault::memory::Grown;
use tackle_cli::fault::report::Report;
use tackle_cli::fault::state::State;
use tackle_cli::fault::workload::Workload;

/// A defect of an error path.
#[derive(Clone, Copy, PartialEq)]
enum Defect {
    None,
    Leak,
    File,
    Success,
    Errno,
    Warning,
    Stuck,
    Sticky,
}

/// The calls of the operation `use`. The last one is reached only if the second one has failed.
const CALLS: [u64; 4] = [1, 2, 3, 9];

/// A fake machine. Its operation `use` calls the points above in order, and stops at the first one
/// that fails.
struct Fake {
    defect: Defect,
    /// The point with the defect.
    at: u64,
    armed: Option<u64>,
    failed: bool,
    hits: Vec<u64>,
    /// The points that were reached since the beginning.
    known: BTreeSet<u64>,
    log: Vec<String>,
    leaked: usize,
    remembered: (usize, BTreeSet<String>),
    files: BTreeSet<String>,
    in_effect: bool,
    broken: bool,
    missed: u64,
    marks: Vec<String>,
}

impl Fake {
    fn new(defect: Defect, at: u64) -> Self {
        Self {
            defect,
            at,
            armed: None,
            failed: false,
            hits: Vec::new(),
            known: BTreeSet::new(),
            log: Vec::new(),
            leaked: 0,
            remembered: Default::default(),
            files: BTreeSet::new(),
            in_effect: false,
            broken: false,
            missed: 0,
            marks: Vec::new(),
        }
    }

    fn call(&mut self, id: u64) -> bool {
        self.hits.push(id);
        self.known.insert(id);
        let fails = self.armed == Some(id);
        self.failed |= fails;
        fails
    }

    fn line(&self, id: u64) -> String {
        let hits = self.hits.iter().filter(|hit| **hit == id).count();
        format!(
            "id={id:016x} function=kmalloc class=slab value=null hits={hits} failed=0 retries=0 \
             context=task gfp=0xcc0 order=none comm=sh site=m:f+{id:#x} stack=m:f+{id:#x}\n"
        )
    }

    fn used(&mut self) -> Ended {
        if self.broken {
            return end(1, "Device or resource busy");
        }
        for id in [1, 2, 3] {
            if !self.call(id) {
                continue;
            }
            if id == 2 {
                self.call(9);
            }
            return self.fails(id);
        }
        self.in_effect = true;
        end(0, "")
    }

    fn fails(&mut self, id: u64) -> Ended {
        let mut message = "Cannot allocate memory";
        match self.defect {
            _ if id != self.at => {}
            Defect::None => {}
            Defect::Leak => self.leaked += 1,
            Defect::File => drop(self.files.insert("+ /sys/kernel/debug/m".into())),
            Defect::Success => return end(0, ""),
            Defect::Errno => message = "Invalid argument",
            Defect::Warning => self.log.push("WARNING: m.c:1 at f+0x1/0x2".into()),
            Defect::Stuck => {
                return Ended {
                    how: How::Stuck,
                    output: String::new(),
                }
            }
            Defect::Sticky => self.broken = true,
        }
        end(1, message)
    }
}

fn end(status: i32, text: &str) -> Ended {
    Ended {
        how: How::Exit(status),
        output: text.to_owned(),
    }
}

impl World for &mut Fake {
    fn inject(&mut self, command: &str) -> Result<String> {
        let words: Vec<_> = command.split(' ').collect();
        match words[..] {
            ["place", ..] => {}
            ["arm", "discover"] => (self.armed, self.failed, self.hits) = (None, false, Vec::new()),
            ["arm", "one", id] => {
                self.armed = Some(u64::from_str_radix(id, 16)?);
                (self.failed, self.hits) = (false, Vec::new());
            }
            ["disarm"] => self.armed = None,
            ["status"] => {
                let failed = u8::from(self.failed);
                return Ok(format!(
                    "mode=off failed={failed} missed={} full=0",
                    self.missed
                ));
            }
            ["points"] => return Ok(self.known.iter().map(|id| self.line(*id)).collect()),
            _ => bail!("refused: {command}"),
        }
        Ok(String::new())
    }

    fn run(&mut self, command: &str, _: Duration) -> Result<Ended> {
        let armed = self.armed;
        let ended = match command {
            "use" => self.used(),
            "check" => end(i32::from(!self.in_effect), "not in effect"),
            "undo" => {
                self.in_effect = false;
                end(0, "")
            }
            _ => end(127, "not found"),
        };
        // Checks and undo commands must run without a fault.
        assert!(
            command == "use" || armed.is_none(),
            "{command} with a fault"
        );
        Ok(ended)
    }

    fn log(&mut self) -> Result<Vec<String>> {
        Ok(std::mem::take(&mut self.log))
    }

    fn mark(&mut self, text: &str) {
        self.marks.push(text.to_owned());
    }

    fn remember(&mut self) -> Result<()> {
        self.remembered = (self.leaked, self.files.clone());
        Ok(())
    }

    fn forget(&mut self) {
        self.remembered = Default::default();
    }

    fn compare(&mut self) -> Result<(Vec<String>, Grown)> {
        let (leaked, files) = &self.remembered;
        let left = self.files.difference(files).cloned().collect();
        let lines =
            (self.leaked > *leaked).then(|| "1 objects of kmalloc-64: f+0x1 [m]".to_owned());
        let grown = Grown {
            lines: lines.into_iter().collect(),
            unsure: false,
        };
        Ok((left, grown))
    }

    fn kmemleak(&mut self) -> Result<Option<String>> {
        Ok(Some("kmemleak confirms".to_owned()))
    }

    fn has_stacks(&self) -> bool {
        true
    }

    fn pause(&mut self, _: Duration) {}
}

/// A watcher that stops the campaign when it is asked for the given number of times.
struct Looks(RefCell<usize>);

impl Watcher for Looks {
    fn seen(&self, _: &State, _: &str) {}

    fn stops(&self) -> bool {
        let mut left = self.0.borrow_mut();
        *left = left.saturating_sub(1);
        *left == 0
    }
}

const TEXT: &str =
    "name = \"w\"\nmodules = [\"m\"]\n[[operation]]\nname = \"use\"\ncommand = \"use\"\n\
    check = \"check\"\nundo = \"undo\"\nerrors = [\"Cannot allocate memory\"]\n";

fn start() -> Event {
    Event::Start(Start {
        workload: "w".into(),
        text: TEXT.into(),
        operations: vec!["use".into()],
        modules: vec!["m".into()],
        kernel: "k".into(),
        has_stacks: true,
    })
}

fn run(
    fake: &mut Fake,
    events: &[Event],
    looks: usize,
    journal: Option<Journal>,
) -> Result<(End, State)> {
    let workload = Workload::parse(TEXT).unwrap();
    let watcher = Looks(RefCell::new(looks));
    let mut campaign = Campaign {
        workload: &workload,
        world: fake,
        state: State::of(events)?,
        journal,
        watcher: &watcher,
    };
    campaign.begin()?;
    campaign.add(start())?;
    let end = campaign.run(None)?;
    Ok((end, campaign.state))
}

fn kinds(state: &State) -> Vec<(String, Kind)> {
    let report = Report::of(state).unwrap();
    let cases = report.findings.iter();
    cases
        .map(|case| (case.id.trim_start_matches('0').to_owned(), case.kind))
        .collect()
}

#[test]
fn every_point_fails_once_and_those_that_appear_are_queued() {
    let mut fake = Fake::new(Defect::None, 0);
    let (end, state) = run(&mut fake, &[], usize::MAX, None).unwrap();
    assert_eq!(end, End::Finished);
    let faults = &state.operations[0].faults;
    let ids: Vec<_> = faults
        .iter()
        .map(|fault| u64::from_str_radix(&fault.point.id, 16).unwrap())
        .collect();
    assert_eq!(ids, CALLS);
    // The last one is called only after the second one has failed, so alone it is not reached.
    let injected: Vec<_> = faults.iter().map(|fault| fault.was_injected()).collect();
    assert_eq!(injected, [true, true, true, false]);
    assert!(faults.iter().all(|fault| fault.attempts.len() == 1));
    assert!(kinds(&state).is_empty() && state.finished);
    assert_eq!(
        fake.marks[0],
        "FAULT INJECTED: kmalloc returns null at m:f+0x1"
    );
}

#[test]
fn each_kind_of_defect_is_found_at_its_point() {
    for (defect, kind) in [
        (Defect::Leak, Kind::Leak),
        (Defect::Success, Kind::FalseSuccess),
        (Defect::Errno, Kind::WrongError),
    ] {
        // The second fault is injected alone, and the third one in a row with the next one.
        for at in [2, 3] {
            let mut fake = Fake::new(defect, at);
            let (end, state) = run(&mut fake, &[], usize::MAX, None).unwrap();
            assert_eq!(end, End::Finished, "{kind:?}");
            assert_eq!(kinds(&state), [(at.to_string(), kind)]);
            assert_eq!(state.operations[0].doubts.len(), usize::from(at == 3));
        }
    }
}

/// Starts a new machine whenever the campaign asks for it.
#[test]
fn a_campaign_goes_on_after_the_machine_was_started_anew() {
    let defects = [
        (Defect::Warning, Kind::Report),
        (Defect::File, Kind::LeftBehind),
        (Defect::Stuck, Kind::Hang),
        (Defect::Sticky, Kind::FailsAfterwards),
    ];
    for ((defect, kind), at) in defects.into_iter().flat_map(|one| [(one, 2), (one, 3)]) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut starts = 0;
        let state = loop {
            starts += 1;
            let events = if path.exists() {
                journal::read(&path).unwrap()
            } else {
                Vec::new()
            };
            let journal = Some(Journal::open(&path).unwrap());
            let mut fake = Fake::new(defect, at);
            match run(&mut fake, &events, usize::MAX, journal).unwrap() {
                (End::Finished, state) => break state,
                (end, _) => assert!(matches!(end, End::Reset(_)), "{end:?}"),
            }
        };
        // Each of three injections needs a new machine, and the rest of the campaign needs one as
        // well. If the fault is first injected in a row, one more is needed. After a report that a
        // single fault has caused, the campaign continues without a new machine.
        let alone = if kind == Kind::Report { 1 } else { 4 };
        assert_eq!(starts, alone + usize::from(at == 3), "{kind:?}");
        assert_eq!(kinds(&state), [(at.to_string(), kind)]);
    }
}

#[test]
fn a_campaign_that_is_stopped_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let journal = Some(Journal::open(&path).unwrap());
    let (end, state) = run(&mut Fake::new(Defect::None, 0), &[], 3, journal).unwrap();
    assert_eq!((end, state.count().0), (End::Stopped, 2));
    let events = journal::read(&path).unwrap();
    let (end, state) = run(&mut Fake::new(Defect::None, 0), &events, usize::MAX, None).unwrap();
    assert_eq!((end, state.count()), (End::Finished, (4, 4)));
    // The points are not discovered again.
    assert_eq!(state.operations[0].discoveries, 2);
}

#[test]
fn a_run_that_missed_calls_is_not_valid() {
    let mut fake = Fake::new(Defect::None, 0);
    fake.missed = 1;
    let error = run(&mut fake, &[], usize::MAX, None)
        .unwrap_err()
        .to_string();
    assert!(error.contains("missed 1 calls"), "{error}");
}

#[test]
fn a_workload_that_fails_without_a_fault_is_refused() {
    let mut fake = Fake::new(Defect::None, 0);
    fake.broken = true;
    let error = run(&mut fake, &[], usize::MAX, None)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("use fails without a fault: Device or resource busy"),
        "{error}"
    );
}

#[test]
fn a_fault_is_replayed() {
    let workload = Workload::parse(TEXT).unwrap();
    let mut fake = Fake::new(Defect::Leak, 3);
    let watcher = Looks(RefCell::new(usize::MAX));
    let mut campaign = Campaign {
        workload: &workload,
        world: &mut fake,
        state: State::of(&[start()]).unwrap(),
        journal: None,
        watcher: &watcher,
    };
    let attempts = campaign.replay(0, "0000000000000003", 2).unwrap();
    assert_eq!(attempts.len(), 2);
    assert!(attempts
        .iter()
        .all(|attempt| attempt.findings[0].kind == Kind::Leak));
    let details = &attempts[0].findings[0].details;
    assert_eq!(details[0], "kmemleak confirms", "{details:?}");
}
