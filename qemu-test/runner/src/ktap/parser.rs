// SPDX-License-Identifier: GPL-2.0

//! Parses a stream of KTAP, in which a result can contain a block of further results.

use super::line::{classify, Directive, Line, ResultLine};

/// The number of diagnostic lines that are kept for one test. The limit prevents that a test that
/// logs in a loop fills the memory.
const MAX_NOTES: usize = 200;

/// How a test ended, according to its result line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// `ok`, or a failure that was expected (`XFAIL`).
    Passed,
    /// `not ok`, or one of the directives `TIMEOUT` and `ERROR`.
    Failed,
    /// The directive `SKIP`, after `ok` or `not ok`.
    Skipped,
}

/// A finished test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The description on the result line, or `test N` where there is none.
    pub name: String,
    /// How it ended.
    pub status: Status,
    /// The text of the result line after the hash sign; may be empty.
    pub reason: String,
    /// The diagnostic and unknown lines that came before the result.
    pub notes: Vec<String>,
    /// How many results the block inside this test had, passed or not.
    pub subtests: u32,
    /// The subtests from the third level on. The two levels above come as events of their own.
    pub children: Vec<Node>,
}

/// What follows from a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A test with this name begins.
    Begin(String),
    /// A test on level 0 (a suite) or 1 (a test of a suite) has ended. Deeper
    /// ones come as the children of a level 1 test.
    Finished(usize, Node),
}

/// The progress of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The number of results planned, once a plan was seen.
    pub planned: Option<u32>,
    /// The number of results seen.
    pub seen: u32,
}

impl Progress {
    /// Returns whether there was a plan and all planned results have come.
    pub fn complete(&self) -> bool {
        self.planned == Some(self.seen)
    }
}

#[derive(Debug, Default)]
struct Block {
    progress: Progress,
    notes: Vec<String>,
    nodes: Vec<Node>,
}

/// A parser that gets one line at a time.
#[derive(Debug, Default)]
pub struct Parser {
    /// The open blocks; the index is the level.
    blocks: Vec<Block>,
    problems: Vec<String>,
}

impl Parser {
    /// Returns a parser that has read no line.
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses one line, with or without its line end.
    pub fn feed(&mut self, raw: &str) -> Option<Event> {
        let (depth, line) = classify(raw);
        match line {
            Line::Version => self.open(depth),
            Line::Plan(count) if depth < self.blocks.len() => self.plan(depth, count),
            Line::Result(result) if depth < self.blocks.len() => {
                return self.result(depth, &result)
            }
            Line::Begin(name) => return Some(Event::Begin(name.to_owned())),
            Line::Diagnostic(text) | Line::Unknown(text) => self.note(text),
            // A result or a plan that is deeper than all blocks belongs to no block.
            Line::Plan(_) | Line::Result(_) => self.note(raw.trim()),
            Line::Blank => {}
        }
        None
    }

    /// Returns the progress of the open block at `depth`, or `None` if there is no such block.
    pub fn progress(&self, depth: usize) -> Option<Progress> {
        self.blocks.get(depth).map(|block| block.progress)
    }

    /// Removes and returns the notes that belong to no result yet.
    pub fn take_notes(&mut self) -> Vec<String> {
        self.blocks
            .iter_mut()
            .flat_map(|block| std::mem::take(&mut block.notes))
            .collect()
    }

    /// Returns the violations of the protocol so far: numbers out of order, plans that were not
    /// met, and blocks without a result of their own.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    fn open(&mut self, depth: usize) {
        if depth > self.blocks.len() {
            self.problem(format!("a block on level {depth} has no block around it"));
            return;
        }
        if depth < self.blocks.len() {
            self.problem(format!(
                "a block on level {depth} has ended without a result"
            ));
            self.blocks.truncate(depth);
        }
        self.blocks.push(Block::default());
    }

    fn plan(&mut self, depth: usize, count: u32) {
        let progress = &mut self.blocks[depth].progress;
        match progress.planned {
            None => progress.planned = Some(count),
            Some(before) => {
                self.problem(format!("a second plan 1..{count} follows 1..{before}"));
            }
        }
    }

    fn result(&mut self, depth: usize, line: &ResultLine<'_>) -> Option<Event> {
        if self.blocks.len() > depth + 2 {
            self.problem(format!(
                "a block on level {} has ended without a result",
                depth + 2
            ));
            self.blocks.truncate(depth + 2);
        }
        let inner = if self.blocks.len() == depth + 2 {
            self.blocks.pop()
        } else {
            None
        };
        let name = match line.description {
            "" => format!("test {}", line.number),
            description => description.to_owned(),
        };
        let block = &mut self.blocks[depth];
        block.progress.seen = block.progress.seen.saturating_add(1);
        let expected = block.progress.seen;
        let mut notes = std::mem::take(&mut block.notes);
        if expected != line.number {
            self.problem(format!(
                "{name}: number {} instead of {expected}",
                line.number
            ));
        }
        let (subtests, children) = match inner {
            None => (0, Vec::new()),
            Some(inner) => {
                self.check_plan(&name, inner.progress);
                notes.extend(inner.notes);
                (inner.progress.seen, inner.nodes)
            }
        };
        let node = Node {
            name,
            status: status(line),
            reason: line.data.to_owned(),
            notes,
            subtests,
            children,
        };
        if depth > 1 {
            self.blocks[depth].nodes.push(node);
            return None;
        }
        Some(Event::Finished(depth, node))
    }

    fn check_plan(&mut self, name: &str, progress: Progress) {
        if let Some(planned) = progress.planned {
            if planned != progress.seen {
                self.problem(format!(
                    "{name}: {planned} tests planned, {} seen",
                    progress.seen
                ));
            }
        }
    }

    fn note(&mut self, text: &str) {
        // Before the first version line there is nothing to attach a note to.
        if let Some(block) = self.blocks.last_mut() {
            // Keep the last notes, which help most.
            if block.notes.len() == MAX_NOTES {
                block.notes.remove(0);
            }
            block.notes.push(text.to_owned());
        }
    }

    fn problem(&mut self, text: String) {
        if self.problems.len() < MAX_NOTES {
            self.problems.push(text);
        }
    }
}

fn status(line: &ResultLine<'_>) -> Status {
    match (line.directive, line.ok) {
        (Some(Directive::Skip), _) => Status::Skipped,
        (Some(Directive::Xfail), _) => Status::Passed,
        (Some(Directive::Timeout | Directive::Error), _) => Status::Failed,
        (None, true) => Status::Passed,
        (None, false) => Status::Failed,
    }
}
