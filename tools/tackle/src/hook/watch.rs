// SPDX-License-Identifier: GPL-2.0

//! Implements `tackle hook watch`: shows hooks on a terminal, or prints them line by line.

use std::fmt::Write as _;
use std::io::Write;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;

use super::numbers::rate;
use super::reading::Reading;
use super::screen::draw;
use super::Hooks;
use crate::terminal;

/// The length of the longest bar in plain lines.
const WIDTH: u64 = 40;

/// A hook's counters, and the rate of its calls.
#[derive(Clone, Debug)]
pub struct Row {
    /// The counters.
    pub reading: Reading,
    /// The calls per second since the reading before.
    pub rate: Option<f64>,
}

/// Reads the hooks again. `before` has their readings before.
///
/// # Errors
/// Returns the errors of [`Hooks::read_all`].
pub fn rows(hooks: &Hooks, names: &[String], before: &[Row]) -> Result<Vec<Row>> {
    let readings = hooks.read_all(names)?;
    let row = |reading: Reading| {
        let last = before.iter().find(|row| row.reading.name == reading.name);
        let rate = last.and_then(|row| reading.rate(&row.reading));
        Row { reading, rate }
    };
    Ok(readings.into_iter().map(row).collect())
}

/// Writes the hooks' counters after each `interval`, until `out` is closed.
///
/// # Errors
/// Returns the errors of [`rows`], also if a hook is removed.
pub fn lines(
    hooks: &Hooks,
    names: &[String],
    interval: Duration,
    out: &mut impl Write,
) -> Result<()> {
    let mut last = rows(hooks, names, &[])?;
    loop {
        let mut told = last.iter().map(|row| writeln!(out, "{}", plain(row)));
        if told.any(|line| line.is_err()) {
            return Ok(());
        }
        sleep(interval);
        last = rows(hooks, names, &last)?;
    }
}

/// Draws the hooks' counters after each `interval`, until the user ends it.
///
/// # Errors
/// Returns the errors of [`rows`], and an error if the terminal cannot be used.
pub fn picture(hooks: &Hooks, names: &[String], interval: Duration) -> Result<()> {
    // Errors about names must be reported before the terminal is switched to full screen.
    let first = rows(hooks, names, &[])?;
    terminal::show(
        interval,
        first,
        |frame, rows| draw(frame, rows),
        |last| rows(hooks, names, last),
    )
}

/// Returns a hook as plain lines: its counters, and one line for each bar.
pub fn plain(row: &Row) -> String {
    let Row {
        reading,
        rate: rate_,
    } = row;
    let mut text = format!(
        "{} {} {} calls={} per-second={} {}",
        reading.name,
        reading.function,
        reading.kind,
        reading.calls,
        rate(*rate_),
        reading.missed
    );
    let bars = &reading.bars;
    let most = bars.iter().map(|bar| bar.count).max().unwrap_or(0);
    let label = bars.iter().map(|bar| bar.label.len()).max().unwrap_or(0);
    let count = most.to_string().len();
    for bar in bars {
        // The length is rounded up, so that each bar has at least one mark.
        let length = (u128::from(bar.count) * u128::from(WIDTH)).div_ceil(u128::from(most.max(1)));
        let marks = "#".repeat(length as usize);
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "\n  {:>label$}  {:>count$}  {marks}",
            bar.label, bar.count
        );
    }
    text
}
