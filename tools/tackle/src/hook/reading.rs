// SPDX-License-Identifier: GPL-2.0

//! What a hook has counted.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use tackle_core::hooks::Misses;

use super::errno::described;
use super::numbers::time;
use super::Hooks;
use crate::files;

/// How often a call took some time, or returned some value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// The time or the value.
    pub label: String,
    /// How often.
    pub count: u64,
}

/// The numbers of a hook at one time.
#[derive(Clone, Debug)]
pub struct Reading {
    /// When they were read.
    pub at: Instant,
    /// The hook.
    pub name: String,
    /// Its function.
    pub function: String,
    /// What it does.
    pub kind: String,
    /// Calls that it has seen.
    pub calls: u64,
    /// Calls that it has not seen, by reason.
    pub missed: Misses,
    /// Times in order, values with the most frequent first; none where it only counts.
    pub bars: Vec<Bar>,
}

impl Hooks {
    /// Reads the hook `name`.
    ///
    /// # Errors
    /// When there is none, or its files are not as they should be.
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

    /// Reads these hooks, or all when there are none.
    ///
    /// # Errors
    /// As [`read`](Self::read), and [`list`](Self::list).
    pub fn read_all(&self, names: &[String]) -> Result<Vec<Reading>> {
        if names.is_empty() {
            let all = self.list()?;
            return all.iter().map(|hook| self.read(&hook.name)).collect();
        }
        names.iter().map(|name| self.read(name)).collect()
    }
}

/// Reads a hook's bars, if it has some.
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

/// `LOW HIGH COUNT`, in nanoseconds; the last bucket there can be has a HIGH that is no
/// 64-bit number.
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

/// `VALUE COUNT`, or `other COUNT`.
fn value(line: &str, returns: &str) -> Option<Bar> {
    let (label, count) = line.split_once(' ')?;
    Some(Bar {
        label: described(label, returns),
        count: count.trim().parse().ok()?,
    })
}

impl Reading {
    /// Calls a second since `before`, which is of the same hook.
    pub fn rate(&self, before: &Self) -> Option<f64> {
        let seconds = (self.at - before.at).as_secs_f64();
        // A hook of the same name may be a new one.
        let calls = self.calls.checked_sub(before.calls)?;
        (seconds > 0.0).then(|| calls as f64 / seconds)
    }
}
