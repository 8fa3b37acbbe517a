// SPDX-License-Identifier: GPL-2.0

//! Watching hooks: on a terminal, or line by line.

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

/// The longest bar in plain lines.
const WIDTH: u64 = 40;

/// A hook's numbers now, and how fast it is called.
#[derive(Clone, Debug)]
pub struct Row {
    /// The numbers.
    pub reading: Reading,
    /// Calls a second since they were last read.
    pub rate: Option<f64>,
}

/// Reads the hooks again; `before` are their last numbers.
///
/// # Errors
/// As [`Hooks::read_all`].
pub fn rows(hooks: &Hooks, names: &[String], before: &[Row]) -> Result<Vec<Row>> {
    let readings = hooks.read_all(names)?;
    let row = |reading: Reading| {
        let last = before.iter().find(|row| row.reading.name == reading.name);
        let rate = last.and_then(|row| reading.rate(&row.reading));
        Row { reading, rate }
    };
    Ok(readings.into_iter().map(row).collect())
}

/// Writes the hooks' numbers each `interval`, for as long as somebody reads them.
///
/// # Errors
/// As [`rows`], and when a hook goes away.
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

/// Draws the hooks' numbers each `interval`, until the user has seen enough.
///
/// # Errors
/// As [`lines`], and when the terminal cannot be used.
pub fn picture(hooks: &Hooks, names: &[String], interval: Duration) -> Result<()> {
    // What is wrong with the names is for the terminal as it was.
    let first = rows(hooks, names, &[])?;
    terminal::show(
        interval,
        first,
        |frame, rows| draw(frame, rows),
        |last| rows(hooks, names, last),
    )
}

/// A hook in plain lines: its counters, and a line for each bar.
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
        // None is left out, however few they are.
        let length = (u128::from(bar.count) * u128::from(WIDTH)).div_ceil(u128::from(most.max(1)));
        let marks = "#".repeat(length as usize);
        // A string takes anything.
        let _ = write!(
            text,
            "\n  {:>label$}  {:>count$}  {marks}",
            bar.label, bar.count
        );
    }
    text
}
