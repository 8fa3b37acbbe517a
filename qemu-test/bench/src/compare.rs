// SPDX-License-Identifier: GPL-2.0

//! What has changed from one commit's records to another's.

use std::fmt;

use crate::record::{Key, Record};

/// Changes by less than this part of the older value are not worth a line.
pub const LIMIT: f64 = 0.01;

/// One thing that changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The value, from and to.
    Value(Key, f64, f64),
    /// Only the newer records have it, with this value.
    New(Key, f64),
    /// Only the older records have it.
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
            Self::New(key, value) => write!(f, "{key}: new, {value:.2}"),
            Self::Gone(key) => write!(f, "{key}: gone"),
        }
    }
}

/// What changed by more than [`LIMIT`], in the suites of which there are new records.
pub fn changes(old: &[Record], new: &[Record]) -> Vec<Change> {
    let mut changes = Vec::new();
    for record in new {
        match find(old, &record.key) {
            None => changes.push(Change::New(record.key.clone(), record.value)),
            Some(before) if differs(before.value, record.value) => changes.push(Change::Value(
                record.key.clone(),
                before.value,
                record.value,
            )),
            Some(_) => {}
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

fn differs(old: f64, new: f64) -> bool {
    (new - old).abs() > LIMIT * old.abs()
}

fn find<'a>(records: &'a [Record], key: &Key) -> Option<&'a Record> {
    records.iter().find(|record| record.key == *key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::test_origin;

    fn record(suite: &str, subject: &str, value: f64) -> Record {
        Record {
            key: Key {
                suite: suite.into(),
                case: "root".into(),
                subject: subject.into(),
                metric: "insn_per_packet".into(),
            },
            value,
            unit: "instructions".into(),
            baseline: None,
            ratio: None,
            origin: test_origin(),
        }
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
