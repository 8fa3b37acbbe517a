// SPDX-License-Identifier: GPL-2.0

use super::*;
use crate::origin::test_origin;

fn summary(values: &[f64]) -> (f64, [f64; 2]) {
    let summary = Summary::of(values).unwrap();
    (summary.median, summary.spread)
}

#[test]
fn a_median_and_its_quartiles() {
    assert_eq!(summary(&[5.0, 1.0, 3.0, 2.0, 4.0]), (3.0, [2.0, 4.0]));
    assert_eq!(summary(&[4.0, 1.0, 3.0, 2.0]), (2.5, [1.75, 3.25]));
    assert_eq!(summary(&[7.0]), (7.0, [7.0, 7.0]));
    assert_eq!(Summary::of(&[]), None);
}

#[test]
fn one_slow_round_changes_nothing() {
    let mut values = vec![10.0; 20];
    values[3] = 1e6;
    assert_eq!(summary(&values), (10.0, [10.0, 10.0]));
}

#[test]
fn the_order_turns_around_from_round_to_round() {
    let mut order = String::new();
    let all = alternate(&["a", "b", "c"], 3, |subject| {
        order += subject;
        Ok(order.len() as f64)
    });
    assert_eq!(order, "abccbaabc");
    let all = all.unwrap();
    assert_eq!(all[0].subject, "a");
    assert_eq!(all[0].values, [1.0, 6.0, 7.0]);
    assert_eq!(all[2].values, [3.0, 4.0, 9.0]);
}

#[test]
fn the_first_failure_ends_it() {
    let mut runs = 0;
    let error = alternate(&["a", "b"], 3, |_| {
        runs += 1;
        ensure!(runs < 3, "run {runs}");
        Ok(1.0)
    });
    assert_eq!(error.unwrap_err().to_string(), "run 3");
    assert_eq!(runs, 3);
}

fn case() -> Key {
    Key {
        suite: "core".into(),
        case: "codel-no-drop".into(),
        subject: String::new(),
        metric: "ns_per_call".into(),
    }
}

fn series(subject: &str, value: impl Fn(usize) -> f64) -> Series {
    Series {
        subject: subject.into(),
        values: (0..MIN_ROUNDS).map(value).collect(),
    }
}

#[test]
fn ratios_are_those_of_the_pairs() {
    // The machine gets slower all the time, but the ratio does not change.
    let all = [
        series("c", |round| 10.0 + round as f64),
        series("rust", |round| (10.0 + round as f64) * 0.8),
    ];
    let records = records(&case(), "ns", &all, MIN_ROUNDS, &test_origin()).unwrap();
    assert_eq!(records[0].value, 17.0);
    assert_eq!(records[0].spread, Some([13.5, 20.5]));
    assert_eq!(
        (records[0].ratio, records[0].baseline.as_ref()),
        (Some(1.0), None)
    );
    assert_eq!(records[1].value, 13.6);
    assert_eq!(records[1].ratio, Some(0.8));
    assert_eq!(records[1].ratio_spread, Some([0.8, 0.8]));
    assert_eq!(records[1].baseline.as_deref(), Some("codel-no-drop/c"));
    assert_eq!(records[1].key.subject, "rust");
}

#[test]
fn without_an_original_there_is_no_ratio() {
    let all = [series("rust", |_| 2.0)];
    let records = records(&case(), "ns", &all, MIN_ROUNDS, &test_origin()).unwrap();
    assert_eq!(records[0].ratio, None);
    assert_eq!(records[0].ratio_spread, None);
    assert_eq!(records[0].baseline, None);
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let refused = |all: &[Series]| {
        let error = records(&case(), "ns", all, MIN_ROUNDS, &test_origin()).unwrap_err();
        error.to_string()
    };
    let mut few = series("c", |_| 1.0);
    few.values.pop();
    assert!(refused(&[few]).contains("14 rounds, 15 are needed"));
    let mut more = series("rust", |_| 1.0);
    more.values.push(1.0);
    let error = refused(&[series("c", |_| 1.0), more]);
    assert!(error.contains("16 rounds, but 15 of c"), "{error}");
    let error = refused(&[series("c", |_| 0.0), series("rust", |_| 1.0)]);
    assert!(error.contains("c took no time"), "{error}");
}
