// SPDX-License-Identifier: GPL-2.0

//! Measures figures that differ between rounds: lets subjects take turns, and computes medians and
//! their spread.
//!
//! The speed of a machine changes over time (other work, clock rate, cache). So subjects that are
//! compared run right after one another, and the ratio is taken within each round. The order is
//! reversed in every second round, because the first subject may have a colder cache:
//!
//! ```text
//!   round 1    round 2    round 3
//!   C  Rust    Rust  C    C  Rust    ...    ratio: the median of Rust / C in each round
//! ```

use anyhow::{ensure, Context, Result};

use crate::origin::Origin;
use crate::record::{rounded, Key, Record};
use crate::subject::find;

/// The minimum number of rounds for a useful median, if rounds differ little.
pub const MIN_ROUNDS: usize = 15;

/// A median and its quartiles. Half of all values are between the quartiles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The median.
    pub median: f64,
    /// The lower and the upper quartile.
    pub spread: [f64; 2],
}

impl Summary {
    /// Returns the summary of these values, or [`None`] if there are none. Quartiles between two
    /// values are interpolated.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let place = part * sorted.len().checked_sub(1)? as f64;
            let (low, high) = (
                sorted.get(place.floor() as usize)?,
                sorted.get(place.ceil() as usize)?,
            );
            Some(rounded(low + (high - low) * place.fract()))
        };
        Some(Self {
            median: at(0.5)?,
            spread: [at(0.25)?, at(0.75)?],
        })
    }
}

/// The values of one subject, one for each round.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The subject.
    pub subject: String,
    /// The values, in the order of the rounds.
    pub values: Vec<f64>,
}

/// Lets subjects take turns for this many rounds. `run` measures a subject once.
///
/// # Errors
/// Returns the error of the first run that fails.
pub fn alternate(
    subjects: &[&str],
    rounds: usize,
    mut run: impl FnMut(&str) -> Result<f64>,
) -> Result<Vec<Series>> {
    let mut all: Vec<_> = subjects
        .iter()
        .map(|subject| Series {
            subject: (*subject).to_owned(),
            values: Vec::with_capacity(rounds),
        })
        .collect();
    for round in 0..rounds {
        for place in 0..all.len() {
            let place = if round % 2 == 0 {
                place
            } else {
                all.len() - 1 - place
            };
            let series = &mut all[place];
            series.values.push(run(&series.subject)?);
        }
    }
    Ok(all)
}

/// Returns the records of a case. The subject of each key is that of its series.
///
/// # Errors
/// Fails when there are fewer rounds than `fewest`, when a subject is not known, or when the
/// numbers of values of a subject and its original differ.
pub fn records(
    case: &Key,
    unit: &str,
    all: &[Series],
    fewest: usize,
    origin: &Origin,
) -> Result<Vec<Record>> {
    all.iter()
        .map(|series| {
            let key = Key {
                subject: series.subject.clone(),
                ..case.clone()
            };
            let rounds = series.values.len();
            ensure!(
                rounds >= fewest,
                "{key}: {rounds} rounds, {fewest} are needed"
            );
            let value = Summary::of(&series.values).context("no rounds")?;
            let original = find(&key.suite, &key.subject)?.original;
            let original = original.and_then(|name| all.iter().find(|other| other.subject == name));
            let ratio = original
                .map(|original| ratio(&key, series, original))
                .transpose()?;
            Ok(Record {
                value: value.median,
                unit: unit.to_owned(),
                baseline: original
                    .filter(|original| original.subject != series.subject)
                    .map(|original| format!("{}/{}", key.case, original.subject)),
                ratio: ratio.map(|ratio| ratio.median),
                spread: Some(value.spread),
                ratio_spread: ratio.map(|ratio| ratio.spread),
                origin: origin.clone(),
                key,
            })
        })
        .collect()
}

fn ratio(key: &Key, series: &Series, original: &Series) -> Result<Summary> {
    ensure!(
        series.values.len() == original.values.len(),
        "{key}: {} rounds, but {} of {}",
        series.values.len(),
        original.values.len(),
        original.subject
    );
    let pairs = series.values.iter().zip(&original.values);
    let ratios: Vec<_> = pairs.map(|(value, original)| value / original).collect();
    ensure!(
        ratios.iter().all(|ratio| ratio.is_finite()),
        "{key}: {} took no time",
        original.subject
    );
    Summary::of(&ratios).context("no rounds")
}

#[cfg(test)]
mod tests;
