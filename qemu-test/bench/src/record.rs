// SPDX-License-Identifier: GPL-2.0

//! Makes records from figures: subtracts baselines, and divides by the C originals.

use std::fmt;

use anyhow::{ensure, Context, Result};
use serde::{Deserialize, Serialize};

use crate::origin::Origin;
use crate::subject::{find, BARE};

/// The maximum difference of the figures of two boots, as a part of the smaller one.
pub const DRIFT: f64 = 0.005;

/// Identifies a record or a figure. The key does not change between commits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The suite.
    pub suite: String,
    /// The case in the suite.
    pub case: String,
    /// What was measured.
    pub subject: String,
    /// The metric, such as `insn_per_call`.
    pub metric: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            suite,
            case,
            subject,
            metric,
        } = self;
        write!(f, "{suite} {case} {subject} {metric}")
    }
}

/// A figure as reported by the guest, including the cost of the bare call or the bare packet.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Figure {
    /// The key.
    #[serde(flatten)]
    pub key: Key,
    /// The value.
    pub value: f64,
    /// Its unit.
    pub unit: String,
}

/// A line of the results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The key.
    #[serde(flatten)]
    pub key: Key,
    /// The figure, over the baseline if there is one.
    pub value: f64,
    /// Its unit.
    pub unit: String,
    /// `CASE/SUBJECT` of the record whose value was subtracted. If no value was subtracted, the C
    /// original, if there is one.
    pub baseline: Option<String>,
    /// The value divided by that of the C original.
    pub ratio: Option<f64>,
    /// The quartiles of the rounds whose median is `value`; only for rounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<[f64; 2]>,
    /// The quartiles of the pairs whose median is `ratio`; only for rounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio_spread: Option<[f64; 2]>,
    /// The origin of the record.
    #[serde(flatten)]
    pub origin: Origin,
}

/// A figure that could not be measured.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Skipped {
    /// The suite.
    pub suite: String,
    /// The case in the suite.
    pub case: String,
    /// The subject that was not measured.
    pub subject: String,
    /// The reason.
    pub reason: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            suite,
            case,
            subject,
            reason,
        } = self;
        write!(f, "{suite} {case} {subject}: {reason}")
    }
}

/// A record whose value differed between two boots.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    /// The key.
    pub key: Key,
    /// The values.
    pub values: [f64; 2],
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b] = self.values;
        write!(
            f,
            "{}: {a:.2} and {b:.2}, {:.2} % apart (limit {} %)",
            self.key,
            difference(a, b) * 100.0,
            DRIFT * 100.0
        )
    }
}

/// Makes the records of one boot.
///
/// # Errors
/// Fails when the baseline of a figure is missing, when there are two figures with the same key, or
/// when a subject is not known.
pub fn records(figures: &[Figure], origin: &Origin) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for (index, figure) in figures.iter().enumerate() {
        let key = &figure.key;
        let twice = figures[..index].iter().any(|other| other.key == *key);
        ensure!(!twice, "the guest measured {key} twice");
        let (value, baseline) = over(figure, figures)?;
        records.push(Record {
            key: key.clone(),
            value: rounded(value),
            unit: figure.unit.clone(),
            baseline,
            ratio: None,
            spread: None,
            ratio_spread: None,
            origin: origin.clone(),
        });
    }
    with_ratios(records)
}

/// Merges the records of two boots. The smaller value is used, because other activity in a guest
/// can only add instructions. Also returns the records that differ by more than [`DRIFT`].
///
/// # Errors
/// Fails when the boots did not measure the same figures.
pub fn merge(boots: [Vec<Record>; 2]) -> Result<(Vec<Record>, Vec<Drift>)> {
    let [first, second] = boots;
    let keys = |records: &[Record]| -> Vec<Key> {
        records.iter().map(|record| record.key.clone()).collect()
    };
    ensure!(
        keys(&first) == keys(&second),
        "the two boots did not measure the same"
    );
    let mut drifts = Vec::new();
    let mut merged = Vec::new();
    for (a, b) in first.into_iter().zip(second) {
        let values = [a.value, b.value];
        if difference(a.value, b.value) > DRIFT {
            let key = a.key.clone();
            drifts.push(Drift { key, values });
        }
        merged.push(if a.value <= b.value { a } else { b });
    }
    Ok((with_ratios(merged)?, drifts))
}

/// Returns the difference of two values, as a part of the smaller one.
pub fn difference(a: f64, b: f64) -> f64 {
    if a == b {
        return 0.0;
    }
    (a - b).abs() / a.abs().min(b.abs())
}

/// Returns the value of a figure minus its baseline, and the baseline's name. The baseline is in
/// the same case, if the case has its own.
fn over(figure: &Figure, figures: &[Figure]) -> Result<(f64, Option<String>)> {
    let key = &figure.key;
    let Some(baseline) = find(&key.suite, &key.subject)?.baseline else {
        return Ok((figure.value, None));
    };
    let wanted = |case: &str| Key {
        case: case.to_owned(),
        subject: baseline.to_owned(),
        ..key.clone()
    };
    let own = [&key.case, BARE].map(wanted);
    let bare = own
        .iter()
        .find_map(|key| figures.iter().find(|other| other.key == *key));
    let bare = bare.with_context(|| format!("the guest did not measure {}", own[1]))?;
    Ok((
        figure.value - bare.value,
        Some(format!("{}/{baseline}", bare.key.case)),
    ))
}

fn with_ratios(mut records: Vec<Record>) -> Result<Vec<Record>> {
    let ratios: Vec<_> = records
        .iter()
        .map(|record| ratio(record, &records))
        .collect::<Result<_>>()?;
    for (record, ratio) in records.iter_mut().zip(ratios) {
        record.ratio = ratio;
    }
    Ok(records)
}

fn ratio(record: &Record, records: &[Record]) -> Result<Option<f64>> {
    let key = &record.key;
    let Some(original) = find(&key.suite, &key.subject)?.original else {
        return Ok(None);
    };
    let wanted = Key {
        subject: original.to_owned(),
        ..key.clone()
    };
    let found = records.iter().find(|other| other.key == wanted);
    Ok(found
        .filter(|original| original.value != 0.0)
        .map(|original| rounded(record.value / original.value)))
}

/// Rounds to a thousandth, since the clocks are not more precise.
pub fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Returns a record of SUITE, CASE and SUBJECT for tests.
#[cfg(test)]
pub(crate) fn test_record([suite, case, subject]: [&str; 3], value: f64) -> Record {
    Record {
        key: Key {
            suite: suite.into(),
            case: case.into(),
            subject: subject.into(),
            metric: "insn_per_packet".into(),
        },
        value,
        unit: "instructions".into(),
        baseline: None,
        ratio: None,
        spread: None,
        ratio_spread: None,
        origin: crate::origin::test_origin(),
    }
}

#[cfg(test)]
mod tests;
