// SPDX-License-Identifier: GPL-2.0

//! Reads the counters and the histogram of a hook.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use tackle_core::hooks::Misses;

use super::errno::described;
use super::numbers::time;
use super::Hooks;
use crate::files;

/// The number of calls that took a time in one range, or returned one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// The range of times, or the value.
    pub label: String,
    /// The number of calls.
    pub count: u64,
}

/// The counters of a hook at one time.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The time at which the counters were read.
    pub at: Instant,
    /// The hook's name.
    pub name: String,
    /// The hooked function.
    pub function: String,
    /// The kind of the hook.
    pub kind: String,
    /// The number of calls that the hook has seen.
    pub calls: u64,
    /// The numbers of missed calls, by reason.
    pub missed: Misses,
    /// Times in ascending order, or values with the most frequent first. Empty for a hook of the
    /// kind `count`.
    pub bars: Vec<Bar>,
}

impl Hooks {
    /// Reads the hook `name`.
    ///
    /// # Errors
    /// Returns an error if there is no such hook, or if the contents of its files are not valid.
    pub fn read(&self, name: &str) -> Result<Reading> {
        let folder = self.folder(name)?;
        let text = |file: &str| {
            let text = files::read(&folder.join(file))?;
            text.with_context(|| format!("the hook {name} has gone"))
        };
        let number = |file: &str| {
            let text = text(file)?;
            text.parse()
                .with_context(|| format!("{name}/{file} has '{text}'"))
        };
        Ok(Reading {
            at: Instant::now(),
            name: name.to_owned(),
            function: text("function")?,
            kind: text("kind")?,
            calls: number("calls")?,
            missed: Misses {
                recursion: number("recursion")?,
                no_room: number("no_room")?,
            },
            bars: bars(&folder)?,
        })
    }

    /// Reads the hooks `names`, or all hooks if `names` is empty.
    ///
    /// # Errors
    /// Returns the errors of [`read`](Self::read) and [`list`](Self::list).
    pub fn read_all(&self, names: &[String]) -> Result<Vec<Reading>> {
        if names.is_empty() {
            let all = self.list()?;
            return all.iter().map(|hook| self.read(&hook.name)).collect();
        }
        names.iter().map(|name| self.read(name)).collect()
    }
}

/// Returns a hook's bars, or none for a hook of the kind `count`.
fn bars(folder: &Path) -> Result<Vec<Bar>> {
    let lines = |file: &str, parse: &dyn Fn(&str) -> Option<Bar>| {
        let Some(text) = files::read(&folder.join(file))? else {
            return Ok(None);
        };
        let bar = |line| parse(line).with_context(|| format!("{file} has '{line}'"));
        text.lines().map(bar).collect::<Result<Vec<_>>>().map(Some)
    };
    if let Some(bars) = lines("histogram", &bucket)? {
        return Ok(bars);
    }
    let returns = files::read(&folder.join("returns"))?.unwrap_or_default();
    let bars = lines("values", &|line| value(line, &returns))?;
    Ok(bars.unwrap_or_default())
}

/// Parses `LOW HIGH COUNT`, in nanoseconds. HIGH of the last possible bucket does not fit into 64
/// bits.
fn bucket(line: &str) -> Option<Bar> {
    let mut words = line.split_whitespace();
    let (low, high) = (words.next()?.parse().ok()?, words.next()?.parse().ok());
    let count = words.next()?.parse().ok()?;
    let label = match high {
        Some(high) => format!("{} - {}", time(low), time(high)),
        None => format!("from {}", time(low)),
    };
    Some(Bar { label, count })
}

/// Parses `VALUE COUNT`, or `other COUNT`.
fn value(line: &str, returns: &str) -> Option<Bar> {
    let (label, count) = line.split_once(' ')?;
    Some(Bar {
        label: described(label, returns),
        count: count.trim().parse().ok()?,
    })
}

impl Reading {
    /// Returns the calls per second since `before`, an earlier reading of the same hook.
    pub fn rate(&self, before: &Self) -> Option<f64> {
        let seconds = (self.at - before.at).as_secs_f64();
        // If the count has decreased, the hook was removed and a new one has its name.
        let calls = self.calls.checked_sub(before.calls)?;
        (seconds > 0.0).then(|| calls as f64 / seconds)
    }
}
