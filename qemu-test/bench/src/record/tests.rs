// SPDX-License-Identifier: GPL-2.0

use super::*;
use crate::origin::test_origin;

fn figure(case: &str, subject: &str, value: f64) -> Figure {
    Figure {
        key: Key {
            suite: "hooks".into(),
            case: case.into(),
            subject: subject.into(),
            metric: "insn_per_call".into(),
        },
        value,
        unit: "instructions".into(),
    }
}

fn figures() -> Vec<Figure> {
    vec![
        figure("bare", "bench_tracee", 7.0),
        figure("bare", "ftrace-ops", 8.0),
        figure("nop", "c-ops", 48.0),
        figure("nop", "rust-ops", 37.0),
        figure("nop", "c-ops-assist", 88.0),
    ]
}

fn value<'a>(records: &'a [Record], subject: &str) -> &'a Record {
    let found = records.iter().find(|record| record.key.subject == subject);
    found.unwrap()
}

#[test]
fn values_are_over_their_own_baseline() {
    let records = records(&figures(), &test_origin()).unwrap();
    assert_eq!(value(&records, "c-ops").value, 40.0);
    assert_eq!(
        value(&records, "c-ops").baseline.as_deref(),
        Some("bare/ftrace-ops")
    );
    assert_eq!(value(&records, "rust-ops").value, 30.0);
    assert_eq!(value(&records, "bench_tracee").value, 7.0);
    assert_eq!(value(&records, "bench_tracee").baseline, None);
}

#[test]
fn a_case_may_have_a_baseline_of_its_own() {
    let mut figures = figures();
    figures.push(figure("nop", "bench_tracee", 30.0));
    let records = records(&figures, &test_origin()).unwrap();
    assert_eq!(value(&records, "rust-ops").value, 7.0);
    assert_eq!(
        value(&records, "rust-ops").baseline.as_deref(),
        Some("nop/bench_tracee")
    );
    assert_eq!(value(&records, "c-ops").value, 40.0);
}

#[test]
fn ratios_are_to_the_original_of_the_same_kind() {
    let records = records(&figures(), &test_origin()).unwrap();
    assert_eq!(value(&records, "rust-ops").ratio, Some(0.75));
    assert_eq!(value(&records, "c-ops").ratio, Some(1.0));
    assert_eq!(value(&records, "c-ops-assist").ratio, Some(1.0));
    assert_eq!(value(&records, "ftrace-ops").ratio, None);
}

#[test]
fn without_its_original_a_value_has_no_ratio() {
    let mut figures = figures();
    figures.retain(|figure| figure.key.subject != "c-ops");
    let records = records(&figures, &test_origin()).unwrap();
    assert_eq!(value(&records, "rust-ops").ratio, None);
}

#[test]
fn what_is_missing_or_there_twice_is_named() {
    let without: Vec<_> = figures().split_off(1);
    let error = records(&without, &test_origin()).unwrap_err().to_string();
    assert!(error.contains("hooks bare bench_tracee"), "{error}");
    let mut twice = figures();
    twice.push(twice[2].clone());
    let error = records(&twice, &test_origin()).unwrap_err().to_string();
    assert!(error.contains("nop c-ops"), "{error}");
}

#[test]
fn a_drift_is_more_than_half_a_percent() {
    let boot = |value| {
        let mut figures = figures();
        figures[2].value = value;
        records(&figures, &test_origin()).unwrap()
    };
    // The figure is 40 over the baseline, so the limit is 0.2, whichever boot has the higher value.
    for (other, drifts) in [(48.0, 0), (48.19, 0), (48.21, 1), (47.79, 1)] {
        let (_, found) = merge([boot(48.0), boot(other)]).unwrap();
        assert_eq!(found.len(), drifts, "{other}");
    }
    let (_, found) = merge([boot(48.0), boot(49.0)]).unwrap();
    assert_eq!(found[0].values, [40.0, 41.0]);
    assert!(
        found[0].to_string().contains("40.00 and 41.00, 2.50 %"),
        "{}",
        found[0]
    );
}

#[test]
fn of_two_boots_the_smaller_value_counts() {
    let mut higher = figures();
    higher[2].value = 48.1;
    let mut other = figures();
    other[3].value = 37.1;
    let boots = [higher, other].map(|figures| records(&figures, &test_origin()).unwrap());
    let (merged, _) = merge(boots).unwrap();
    assert_eq!(value(&merged, "c-ops").value, 40.0);
    assert_eq!(value(&merged, "rust-ops").value, 30.0);
    // The ratio is that of the merged values, not that of one boot.
    assert_eq!(value(&merged, "rust-ops").ratio, Some(0.75));
}

#[test]
fn boots_that_measured_different_things_are_refused() {
    let all = records(&figures(), &test_origin()).unwrap();
    let fewer = all[..4].to_vec();
    assert!(merge([all, fewer]).is_err());
}

#[test]
fn a_record_is_flat_json() {
    let records = records(&figures(), &test_origin()).unwrap();
    let json = serde_json::to_value(value(&records, "rust-ops")).unwrap();
    let expected = serde_json::json!({
        "suite": "hooks",
        "case": "nop",
        "subject": "rust-ops",
        "metric": "insn_per_call",
        "value": 30.0,
        "unit": "instructions",
        "baseline": "bare/bench_tracee",
        "ratio": 0.75,
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "kernel": "7.3.4",
        "qemu": "10.0.2",
        "accelerator": "tcg",
    });
    assert_eq!(json, expected);
}
