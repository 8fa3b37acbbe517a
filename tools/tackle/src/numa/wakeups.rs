// SPDX-License-Identifier: GPL-2.0

//! Implements `tackle numa wakeups`: prints which tasks wake tasks of other nodes, and how often.
//! The module `numa_stat` counts this with the parameter `wakeups=1`.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use anyhow::Result;

use super::row::{Row, OTHERS};
use super::source::Statistics;
use crate::roots::Roots;
use crate::table::{json, say, table};

/// Prints the pairs, the most frequent first.
///
/// # Errors
/// Returns the errors of [`read`], and an error if the sums cannot be read.
pub fn run(roots: &Roots, as_json: bool) -> Result<()> {
    let statistics = Statistics::open(roots)?;
    let rows = read(&statistics)?;
    let totals = statistics.totals()?;
    if let Some(evicted) = totals.get("wakeup_pairs_evicted").filter(|&&n| n > 0) {
        eprintln!("tackle: {evicted} pairs were evicted: their sum is the row 'others'");
    }
    if as_json {
        return json(&rows);
    }
    say(&text(&rows, &totals));
    Ok(())
}

/// Reads the pairs, the most frequent first. The sum of evicted pairs is last.
///
/// # Errors
/// Returns an error if the module is not loaded or does not count wake-ups, or if the file is not
/// valid.
pub fn read(statistics: &Statistics) -> Result<Vec<Row>> {
    let mut rows = statistics.wakeups()?;
    let is_sum = |row: &Row| row.text("waker").as_deref() == Some(OTHERS);
    rows.sort_by_key(|row| (is_sum(row), Reverse(row.count("count"))));
    Ok(rows)
}

/// Returns the pairs as a table, after a line with the sums.
pub fn text(rows: &[Row], totals: &BTreeMap<String, u64>) -> String {
    let total = |name| totals.get(name).copied().unwrap_or(0);
    let (all, across) = (total("wakeups"), total("wakeups_across"));
    let sums = format!("{across} of {all} wake-ups were across nodes");
    if rows.is_empty() {
        return sums;
    }
    let heading = [
        "COUNT", "WAKER", "COMMAND", "NODE", "WAKES", "COMMAND", "NODE",
    ];
    let keys = [
        "count",
        "waker",
        "waker_comm",
        "waker_node",
        "wakee",
        "wakee_comm",
        "wakee_node",
    ];
    let cell = |row: &Row, key| {
        let text = row.text(key).filter(|text| !text.is_empty());
        text.unwrap_or_else(|| "-".into())
    };
    let lines = rows.iter().map(|row| keys.map(|key| cell(row, key)));
    format!("{sums}\n{}", table(heading, &[0, 1, 3, 4, 6], lines))
}
