// SPDX-License-Identifier: GPL-2.0

//! Runs rounds of several kinds in parallel, while callers on every processor call the functions
//! that the rounds change.
//!
//! A caller sleeps for longer than it calls. So the rounds make progress even if one thread
//! emulates all processors. Sleeping is a voluntary context switch, so `synchronize_rcu_tasks()`
//! does not wait for long.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, Context as _, Result};

use crate::suite::{panic_text, Context};
use crate::sys::numa;

/// The interval between lines about the progress in the report.
const TELL: Duration = Duration::from_secs(5);

/// The ratio of a caller's sleep to the time of its calls.
const REST: u32 = 3;

/// A batch of calls. It returns the number of calls.
pub type Caller<'a> = Box<dyn FnMut() -> Result<u64> + 'a>;

/// A kind of rounds, and the calls during these rounds.
pub trait Kind: Sync {
    /// Returns the name of the rounds for the report.
    fn name(&self) -> &'static str;

    /// Returns how many tasks make rounds in parallel, each on its own processor.
    fn workers(&self) -> usize {
        1
    }

    /// Makes the caller of one processor. The caller fails when it sees a wrong result.
    ///
    /// # Errors
    ///
    /// A resource that the caller needs is not available.
    fn caller(&self) -> Result<Caller<'_>>;

    /// Runs one or several rounds with their checks, and returns how many. `number` counts the
    /// calls of this function.
    ///
    /// # Errors
    ///
    /// A check has failed. The error states what was expected and what was seen.
    fn round(&self, number: u32) -> Result<u32>;

    /// Returns further figures, besides the numbers of rounds and calls.
    fn figures(&self) -> String {
        String::new()
    }

    /// Cleans up after the last round, and checks that nothing remains.
    ///
    /// # Errors
    ///
    /// See [`Kind::round`].
    fn finish(self) -> Result<()>
    where
        Self: Sized;
}

/// One kind and its progress.
struct Line<'a> {
    kind: &'a dyn Kind,
    begun: AtomicU32,
    done: AtomicU32,
    calls: AtomicU64,
    /// How long the rounds took.
    time: Mutex<Duration>,
}

/// All kinds that run.
struct Crowd<'a> {
    lines: Vec<Line<'a>>,
    /// The minimum number of rounds of each kind.
    rounds: u32,
    start: Instant,
    end: AtomicBool,
    errors: Mutex<Vec<String>>,
}

/// Runs at least this number of rounds of each kind, and reports the figures.
///
/// # Errors
///
/// A round or a caller has failed. The error has the first failure, and further ones until all
/// threads had stopped.
pub fn run(context: &mut Context<'_>, rounds: u32, kinds: &[&dyn Kind]) -> Result<()> {
    let crowd = Crowd {
        lines: kinds.iter().map(|kind| Line::new(*kind)).collect(),
        rounds,
        start: Instant::now(),
        end: AtomicBool::new(false),
        errors: Mutex::new(Vec::new()),
    };
    crowd.run(context);
    let errors = crowd
        .errors
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    for line in &crowd.lines {
        context.note(line.figure())?;
    }
    if !errors.is_empty() {
        bail!(errors.join("\n"));
    }
    Ok(())
}

impl<'a> Line<'a> {
    fn new(kind: &'a dyn Kind) -> Self {
        Self {
            kind,
            begun: AtomicU32::new(0),
            done: AtomicU32::new(0),
            calls: AtomicU64::new(0),
            time: Mutex::default(),
        }
    }

    fn figure(&self) -> String {
        let time = self.time.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = time.as_secs_f64();
        let own = self.kind.figures();
        let comma = if own.is_empty() { "" } else { ", " };
        format!(
            "stress: {} rounds of {} in {seconds:.0} s, {} calls meanwhile{comma}{own}",
            grouped(self.done.load(SeqCst).into()),
            self.kind.name(),
            grouped(self.calls.load(SeqCst)),
        )
    }
}

impl Crowd<'_> {
    fn run(&self, context: &mut Context<'_>) {
        let cpus = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            let mut workers = Vec::new();
            for cpu in 0..cpus {
                scope.spawn(move || self.watched("calls", || self.call(cpu)));
            }
            for line in &self.lines {
                for number in 0..line.kind.workers() {
                    let cpu = (line.kind.workers() > 1).then_some(number % cpus);
                    let work = move || self.watched(line.kind.name(), || self.work(line, cpu));
                    workers.push(scope.spawn(work));
                }
            }
            let mut progress = Progress::default();
            while !workers.iter().all(thread::ScopedJoinHandle::is_finished) {
                thread::sleep(Duration::from_millis(100));
                if let Err(error) = progress.tell(self, context) {
                    self.fail(format!("{error:#}"));
                }
            }
            // No more rounds are made, so let the callers end, too.
            self.end.store(true, SeqCst);
        });
    }

    /// Runs a thread's work. If it fails, all threads end.
    fn watched(&self, name: &str, work: impl FnOnce() -> Result<()>) {
        let text = match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => format!("{error:#}"),
            Err(panic) => format!("panicked: {}", panic_text(&*panic)),
        };
        self.fail(format!("{name}: {text}"));
    }

    fn fail(&self, text: String) {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        errors.push(text);
        self.end.store(true, SeqCst);
    }

    fn call(&self, cpu: usize) -> Result<()> {
        numa::pin_to(cpu)?;
        let mut callers = Vec::new();
        for line in &self.lines {
            callers.push((line, line.kind.caller()?));
        }
        while !self.end.load(SeqCst) {
            let start = Instant::now();
            for (line, caller) in &mut callers {
                let calls = caller().with_context(|| line.kind.name())?;
                line.calls.fetch_add(calls, SeqCst);
            }
            thread::sleep(REST * start.elapsed());
        }
        Ok(())
    }

    fn work(&self, line: &Line<'_>, cpu: Option<usize>) -> Result<()> {
        if let Some(cpu) = cpu {
            numa::pin_to(cpu)?;
        }
        while !self.end.load(SeqCst) && line.done.load(SeqCst) < self.rounds {
            let number = line.begun.fetch_add(1, SeqCst);
            let made = line.kind.round(number);
            let made = made.with_context(|| format!("after {} rounds", line.done.load(SeqCst)))?;
            line.done.fetch_add(made, SeqCst);
        }
        *line.time.lock().unwrap_or_else(PoisonError::into_inner) = self.start.elapsed();
        Ok(())
    }
}

/// The progress in the report. No line is written without progress, so that the runner detects a
/// hang by the silence.
#[derive(Default)]
struct Progress {
    told: Option<Instant>,
    last: Vec<u32>,
}

impl Progress {
    fn tell(&mut self, crowd: &Crowd<'_>, context: &mut Context<'_>) -> Result<()> {
        if self.told.is_some_and(|told| told.elapsed() < TELL) {
            return Ok(());
        }
        self.told = Some(Instant::now());
        let done: Vec<_> = crowd
            .lines
            .iter()
            .map(|line| line.done.load(SeqCst))
            .collect();
        if done == self.last {
            return Ok(());
        }
        let parts: Vec<_> = crowd
            .lines
            .iter()
            .zip(&done)
            .map(|(line, done)| format!("{done} of {}", line.kind.name()))
            .collect();
        self.last = done;
        context.note(format!(
            "{:.0} s: {}",
            crowd.start.elapsed().as_secs_f64(),
            parts.join(", ")
        ))
    }
}

/// Returns a number with commas between its thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(3_412_002), "3,412,002");
    }
}
