// SPDX-License-Identifier: GPL-2.0

//! Compares the records of two commits.

use std::fmt;

use crate::record::{Key, Record};

/// Changes by less than this part of the older value are not reported.
pub const LIMIT: f64 = 0.01;

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The old and the new value.
    Value(Key, f64, f64),
    /// The old and the new ratio to the C original. This is for real time, where values vary with
    /// the state of the machine.
    Ratio(Key, f64, f64),
    /// A value that only the newer records have.
    New(Key, f64),
    /// A value that only the older records have.
    Gone(Key),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(key, old, new) if *old != 0.0 => {
                let percent = (new - old) / old.abs() * 100.0;
                write!(f, "{key}: {old:.2} -> {new:.2} ({percent:+.1} %)")
            }
            Self::Value(key, old, new) => write!(f, "{key}: {old:.2} -> {new:.2}"),
            Self::Ratio(key, old, new) => {
                write!(f, "{key}: {old:.3} -> {new:.3} times the C original")
            }
            Self::New(key, value) => write!(f, "{key}: new, {value:.2}"),
            Self::Gone(key) => write!(f, "{key}: gone"),
        }
    }
}

/// Returns the changes in suites with new records. Counted figures have changed if they differ by
/// more than [`LIMIT`]. For measured figures, the spreads must also not overlap.
pub fn changes(old: &[Record], new: &[Record]) -> Vec<Change> {
    let mut changes = Vec::new();
    for record in new {
        match find(old, &record.key) {
            None => changes.push(Change::New(record.key.clone(), record.value)),
            Some(before) => changes.extend(change(before, record)),
        }
    }
    let measured = |key: &Key| new.iter().any(|record| record.key.suite == key.suite);
    let gone = old
        .iter()
        .map(|record| &record.key)
        .filter(|key| measured(key) && find(new, key).is_none());
    changes.extend(gone.map(|key| Change::Gone(key.clone())));
    changes
}

fn change(old: &Record, new: &Record) -> Option<Change> {
    let key = || new.key.clone();
    if let (Some(a), Some(b)) = (old.ratio_spread, new.ratio_spread) {
        let (from, to) = (old.ratio?, new.ratio?);
        return (differs(from, to) && apart(a, b)).then(|| Change::Ratio(key(), from, to));
    }
    let noise = old.spread.zip(new.spread);
    let noise = noise.is_some_and(|(a, b)| !apart(a, b));
    let differs = differs(old.value, new.value) && !noise;
    differs.then(|| Change::Value(key(), old.value, new.value))
}

fn differs(old: f64, new: f64) -> bool {
    (new - old).abs() > LIMIT * old.abs()
}

/// Returns whether two ranges have nothing in common.
fn apart([a, b]: [f64; 2], [c, d]: [f64; 2]) -> bool {
    b < c || d < a
}

fn find<'a>(records: &'a [Record], key: &Key) -> Option<&'a Record> {
    records.iter().find(|record| record.key == *key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::test_record;

    fn record(suite: &str, subject: &str, value: f64) -> Record {
        test_record([suite, "root", subject], value)
    }

    fn lines(old: &[Record], new: &[Record]) -> Vec<String> {
        changes(old, new).iter().map(Change::to_string).collect()
    }

    #[test]
    fn more_than_one_percent_is_a_change() {
        let old = [record("qdisc", "codel", 200.0)];
        for same in [200.0, 202.0, 198.0] {
            let new = [record("qdisc", "codel", same)];
            assert!(lines(&old, &new).is_empty(), "{same}");
        }
        let faster = lines(&old, &[record("qdisc", "codel", 190.0)]);
        assert_eq!(
            faster,
            ["qdisc root codel insn_per_packet: 200.00 -> 190.00 (-5.0 %)"]
        );
        let slower = lines(&old, &[record("qdisc", "codel", 202.1)]);
        assert_eq!(slower.len(), 1, "{slower:?}");
    }

    #[test]
    fn from_nothing_anything_is_a_change() {
        let (old, new) = ([record("q", "s", 0.0)], [record("q", "s", 0.5)]);
        assert_eq!(
            lines(&old, &new),
            ["q root s insn_per_packet: 0.00 -> 0.50"]
        );
        assert!(lines(&old, &old).is_empty());
    }

    #[test]
    fn real_time_has_changed_when_the_spreads_are_apart() {
        let timed = |value: f64| Record {
            spread: Some([value - 1.0, value + 1.0]),
            ..record("core", "rust", value)
        };
        assert!(lines(&[timed(10.0)], &[timed(11.9)]).is_empty());
        let slower = lines(&[timed(10.0)], &[timed(12.1)]);
        assert_eq!(
            slower,
            ["core root rust insn_per_packet: 10.00 -> 12.10 (+21.0 %)"]
        );
        // If there is an original, only the ratio counts.
        let pair = |value, ratio| Record {
            ratio: Some(ratio),
            ratio_spread: Some([ratio - 0.01, ratio + 0.01]),
            ..timed(value)
        };
        assert!(lines(&[pair(10.0, 0.9)], &[pair(90.0, 0.915)]).is_empty());
        assert_eq!(
            lines(&[pair(10.0, 0.9)], &[pair(10.0, 0.95)]),
            ["core root rust insn_per_packet: 0.900 -> 0.950 times the C original"]
        );
    }

    #[test]
    fn new_and_gone_ones_are_told_within_the_suites_that_ran() {
        let old = [record("qdisc", "codel", 1.0), record("hooks", "c", 1.0)];
        let new = [record("qdisc", "rcodel", 2.0)];
        assert_eq!(
            lines(&old, &new),
            [
                "qdisc root rcodel insn_per_packet: new, 2.00",
                "qdisc root codel insn_per_packet: gone"
            ]
        );
    }
}
