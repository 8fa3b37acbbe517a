// SPDX-License-Identifier: GPL-2.0

//! Implements the journal of a campaign on the host: a file with one line of JSON for each event.
//!
//! `tools/tackle/src/fault/journal.rs` describes the events. The host reads only those parts that
//! it needs to continue after a crash.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};

use crate::console;

/// How often a fault with a finding is injected.
const ATTEMPTS: usize = 3;

/// The number of lines of the kernel log that are kept for a crash.
const KEPT: usize = 80;

/// The journal.
#[derive(Debug)]
pub struct Journal {
    file: File,
    events: Vec<Value>,
    /// How often each fault was injected, and whether it has a finding.
    faults: HashMap<(u64, String), (usize, bool)>,
    /// The faults that are being injected: one, or a row of them.
    current: Vec<(u64, String)>,
    /// How often the faults of a row have to be injected again.
    doubts: usize,
    finished: bool,
}

impl Journal {
    /// Opens a journal. A finished journal is emptied.
    ///
    /// # Errors
    /// Fails when the file cannot be read or written.
    pub fn open(path: &Path) -> Result<Self> {
        let shown = path.display();
        let text = fs::read_to_string(path).unwrap_or_default();
        let old: Vec<&str> = text.lines().filter(|line| parse(line).is_some()).collect();
        let finished = old.last().and_then(|line| parse(line));
        let is_finished = finished.is_some_and(|event| event["event"] == "finish");
        let options = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .open(path);
        let mut journal = Self {
            file: options.with_context(|| format!("cannot write {shown}"))?,
            events: Vec::new(),
            faults: HashMap::new(),
            current: Vec::new(),
            doubts: 0,
            finished: false,
        };
        if !is_finished {
            old.into_iter().try_for_each(|line| journal.add(line))?;
        }
        Ok(journal)
    }

    /// Adds an event as the guest printed it. A line that is no valid event is ignored, since a
    /// crash can cut a line.
    ///
    /// # Errors
    /// Fails when the file cannot be written.
    pub fn add(&mut self, line: &str) -> Result<()> {
        let Some(event) = parse(line) else {
            return Ok(());
        };
        let text = event.to_string() + "\n";
        self.file
            .write_all(text.as_bytes())
            .context("cannot write the journal")?;
        self.apply(&event);
        self.events.push(event);
        Ok(())
    }

    fn apply(&mut self, event: &Value) {
        let operation = event["operation"].as_u64().unwrap_or_default();
        match event["event"].as_str().unwrap_or_default() {
            "discovered" | "appeared" => {
                for point in event["points"].as_array().into_iter().flatten() {
                    let id = point["id"].as_str().unwrap_or_default().to_owned();
                    self.faults.entry((operation, id)).or_default();
                }
            }
            "begin" => {
                let id = event["id"].as_str().unwrap_or_default().to_owned();
                self.current.push((operation, id));
            }
            "end" => {
                let is_clean = event["findings"].as_array().is_none_or(Vec::is_empty);
                let is_it = |key: &(u64, String)| key.0 == operation && key.1 == event["id"];
                if let Some(at) = self.current.iter().position(is_it) {
                    let key = self.current.remove(at);
                    self.ended(key, !is_clean);
                }
            }
            "doubt" => {
                self.current.clear();
                self.doubts += 1;
            }
            // A campaign that starts again has lost its guest before.
            "lost" | "start" => {
                let mut current = std::mem::take(&mut self.current);
                // Each fault of a row is injected again, since any of them may be the cause.
                if current.len() > 1 {
                    self.doubts += 1;
                } else if let Some(key) = current.pop() {
                    self.ended(key, true);
                }
            }
            "finish" => self.finished = true,
            _ => {}
        }
    }

    fn ended(&mut self, key: (u64, String), has_finding: bool) {
        let fault = self.faults.entry(key).or_default();
        *fault = (fault.0 + 1, fault.1 || has_finding);
    }

    /// Adds that the guest was lost, with the end of its log. Returns whether a fault was being
    /// injected.
    ///
    /// # Errors
    /// Fails when the file cannot be written.
    pub fn lost(&mut self, what: &str, log: &str) -> Result<bool> {
        let was_injecting = !self.current.is_empty();
        let lines: Vec<_> = log.lines().collect();
        let signs = lines.iter().enumerate();
        let first = signs
            .filter_map(|(at, line)| Some((at, console::sign(line)?.1)))
            .next();
        let (at, text) = first.unwrap_or((lines.len().saturating_sub(KEPT), what));
        let kept = lines[at..].iter().take(KEPT);
        let kept: Vec<_> = kept
            .map(|line| console::message(line).unwrap_or(line).trim_end())
            .collect();
        self.add(&json!({"event": "lost", "text": text, "log": kept}).to_string())?;
        Ok(was_injecting)
    }

    /// Returns a line `FAULT INJECTED` for each fault that is being injected.
    pub fn titles(&self) -> Vec<String> {
        let title = |(_, id): &(u64, String)| {
            let points = self
                .events
                .iter()
                .filter_map(|event| event["points"].as_array());
            let mut points = points.flatten().filter(|point| point["id"] == **id);
            let text = |value: &Value| value.as_str().unwrap_or("unknown").to_owned();
            let point = points.next()?;
            Some(format!(
                "FAULT INJECTED: {} returns {} at {}",
                text(&point["function"]),
                text(&point["value"]),
                text(&point["site"])
            ))
        };
        self.current.iter().filter_map(title).collect()
    }

    /// Returns whether all operations are done.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Returns how many faults were injected.
    pub fn injections(&self) -> usize {
        self.faults.values().map(|(count, _)| count).sum()
    }

    /// Returns a number that grows with each new result about a fault.
    pub fn progress(&self) -> usize {
        self.injections() + self.doubts
    }

    /// Returns how many faults were injected, and how many injections are known to be needed in
    /// total.
    pub fn count(&self) -> (usize, usize) {
        let done = self.injections();
        let left = self.faults.values().map(|(count, has_finding)| {
            let wanted = if *has_finding { ATTEMPTS } else { 1 };
            wanted.saturating_sub(*count)
        });
        (done, done + left.sum::<usize>())
    }

    /// Returns the events that the guest needs to continue, without stacks and evidence. They are
    /// compressed by gzip and encoded in base64.
    ///
    /// # Errors
    /// Fails when `gzip` or `base64` cannot be run on the host.
    pub fn packed(&self) -> Result<String> {
        if self.events.is_empty() {
            return Ok(String::new());
        }
        let mut text = String::new();
        for event in &self.events {
            let mut event = event.clone();
            for point in members(&mut event, "points") {
                point["stack"] = json!([]);
            }
            for finding in members(&mut event, "findings") {
                finding["details"] = json!([]);
            }
            if event["event"] == "lost" {
                event["log"] = json!([]);
            }
            text += &(event.to_string() + "\n");
        }
        let packed = filter("gzip", &["-9c"], text.as_bytes())?;
        let packed = filter("base64", &["-w0"], &packed)?;
        String::from_utf8(packed).context("base64")
    }
}

/// Returns the members of the array `key` of a JSON object. There are none if the object lacks the
/// array.
fn members<'a>(event: &'a mut Value, key: &str) -> impl Iterator<Item = &'a mut Value> {
    let array = event.get_mut(key).and_then(Value::as_array_mut);
    array.into_iter().flatten()
}

fn parse(line: &str) -> Option<Value> {
    let event: Value = serde_json::from_str(line).ok()?;
    event["event"].is_string().then_some(event)
}

/// Returns the output of a program for the input `bytes`, which is at most a few MB.
fn filter(program: &str, words: &[&str], bytes: &[u8]) -> Result<Vec<u8>> {
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {program}"))?;
    let mut stdin = child.stdin.take().context("a pipe")?;
    let output = std::thread::scope(|scope| {
        let writer = scope.spawn(move || stdin.write_all(bytes));
        let output = child.wait_with_output();
        writer.join().map_err(|_| anyhow::anyhow!("{program}"))??;
        output.with_context(|| format!("cannot run {program}"))
    })?;
    ensure!(output.status.success(), "{program} fails");
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTS: &str = r#"{"event":"discovered","operation":0,"points":[
        {"id":"a","function":"f","value":"null","site":"m:g+0x1","stack":["x","y"]},
        {"id":"b","function":"f","value":"null","site":"m:g+0x2","stack":["x"]}]}"#;

    fn begin(id: &str) -> String {
        json!({"event": "begin", "operation": 0, "id": id}).to_string()
    }

    #[test]
    fn after_a_crash_in_a_row_each_fault_comes_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(&dir.path().join("journal")).unwrap();
        journal.add(POINTS).unwrap();
        for id in ["a", "b"] {
            journal.add(&begin(id)).unwrap();
        }
        assert!(journal.lost("the kernel crashed", "").unwrap());
        assert_eq!(journal.count(), (0, 2));
        for id in ["a", "b"] {
            journal.add(&begin(id)).unwrap();
        }
        for id in ["a", "b"] {
            let end = json!({"event": "end", "operation": 0, "id": id, "findings": []});
            journal.add(&end.to_string()).unwrap();
        }
        assert_eq!(journal.count(), (2, 2));
        assert_eq!(journal.progress(), 3);
        // The user has interrupted a row of faults and starts the campaign again.
        for id in ["a", "b"] {
            journal.add(&begin(id)).unwrap();
        }
        assert_eq!(journal.titles().len(), 2);
        journal.add("{\"event\":\"start\"}").unwrap();
        assert_eq!((journal.progress(), journal.titles().len()), (4, 0));
        assert!(!journal.lost("the kernel crashed", "").unwrap());
        assert_eq!(journal.progress(), 4);
    }

    #[test]
    fn a_crash_is_of_the_fault_that_had_begun() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut journal = Journal::open(&path).unwrap();
        journal.add(POINTS).unwrap();
        assert_eq!(journal.count(), (0, 2));
        journal.add(&begin("a")).unwrap();
        journal.add("{\"event\":\"end\",\"oper").unwrap();
        let log = "[    1.200000] fine\n\
                   [    1.300000] BUG: kernel NULL pointer dereference, address: 0\n\
                   [    1.400000] x\n";
        assert_eq!(
            journal.titles(),
            ["FAULT INJECTED: f returns null at m:g+0x1"]
        );
        assert!(journal.lost("the kernel crashed", log).unwrap());
        assert_eq!(journal.count(), (1, 4));
        assert!(!journal.lost("the guest hangs", "").unwrap());
        let lost = &journal.events[2];
        assert_eq!(
            lost["text"],
            "BUG: kernel NULL pointer dereference, address: 0"
        );
        assert_eq!(lost["log"][1], "x");

        let again = Journal::open(&path).unwrap();
        assert_eq!(again.events.len(), 4);
        let packed = again.packed().unwrap();
        assert!(!packed.is_empty() && !packed.contains('\n'));
        let mut again = again;
        again.add("{\"event\":\"finish\"}").unwrap();
        assert!(again.is_finished());
        assert!(Journal::open(&path).unwrap().events.is_empty());
    }
}
