// SPDX-License-Identifier: GPL-2.0

//! Computes the changes between two readings of the statistics.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::row::{ByNode, Row};
use super::source::Level;

/// A reading of the statistics.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// The time of the reading; [`None`] for the state before the first reading.
    pub at: Option<Instant>,
    /// The rows of the tasks.
    pub tasks: Vec<Row>,
    /// The rows of the nodes.
    pub nodes: Vec<Row>,
}

impl Sample {
    /// Returns the time since `before`; [`None`] if there was no reading before.
    pub fn since(&self, before: &Self) -> Option<Duration> {
        Some(self.at?.saturating_duration_since(before.at?))
    }
}

/// The changes per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// NUMA hinting faults.
    pub faults: f64,
    /// Pages of these faults.
    pub pages: f64,
    /// Pages that were migrated.
    pub migrated: f64,
    /// Moves of the task to another node, by itself or in exchange for another task.
    pub moves: f64,
    /// Nanoseconds for which tasks waited until a fault was handled.
    pub stall_ns: f64,
}

/// The counters of a task or a node, and their changes since the last reading.
#[derive(Clone, Debug)]
pub struct Line {
    /// The counters.
    pub row: Row,
    /// The changes. [`None`] at the first reading, and if the row has been replaced by a new one.
    pub rates: Option<Rates>,
    /// The share of local pages, from 0 to 1.
    pub local: Option<f64>,
    /// The pages since the last reading, by the node of the memory. The first reading has all
    /// pages.
    pub memory: ByNode,
    /// The pages since the last reading, by the node of the CPU.
    pub cpus: ByNode,
}

impl Line {
    /// Returns whether a counter has changed, or whether the changes are not known.
    pub fn is_active(&self) -> bool {
        self.rates.is_none_or(|rates| rates != Rates::default())
    }
}

/// Compares `rows` with those of the reading `before`, which was taken `elapsed` ago.
pub fn lines(rows: &[Row], before: &[Row], level: Level, elapsed: Option<Duration>) -> Vec<Line> {
    let key = |row: &Row| row.text(level.key()).unwrap_or_default();
    let before: BTreeMap<_, _> = before.iter().map(|row| (key(row), row)).collect();
    let line = |row: &Row| line(row, before.get(&key(row)).copied(), elapsed);
    rows.iter().map(line).collect()
}

fn line(row: &Row, before: Option<&Row>, elapsed: Option<Duration>) -> Line {
    let seconds = elapsed.map(|elapsed| elapsed.as_secs_f64());
    let seconds = seconds.filter(|seconds| *seconds > 0.0);
    let rates = seconds.and_then(|seconds| rates(row, before, seconds));
    // Without rates the line shows everything that was counted.
    let before = before.filter(|_| rates.is_some());
    let pages = grown(row, before, "pages").unwrap_or(0);
    let local = grown(row, before, "local").unwrap_or(0);
    Line {
        rates,
        local: (pages > 0).then(|| local as f64 / pages as f64),
        memory: since(row, before, "mem"),
        cpus: since(row, before, "cpu"),
        row: row.clone(),
    }
}

/// Returns how much a counter has grown; [`None`] if it has decreased. A new row has counted
/// everything since the last reading.
fn grown(row: &Row, before: Option<&Row>, key: &str) -> Option<u64> {
    let before = before.map_or(0, |before| before.count(key));
    row.count(key).checked_sub(before)
}

fn rates(row: &Row, before: Option<&Row>, seconds: f64) -> Option<Rates> {
    let rate = |key| Some(grown(row, before, key)? as f64 / seconds);
    Some(Rates {
        faults: rate("faults")?,
        pages: rate("pages")?,
        migrated: rate("migrated")?,
        moves: rate("moves")? + rate("swaps")?,
        stall_ns: rate("stall_ns")?,
    })
}

fn since(row: &Row, before: Option<&Row>, key: &str) -> ByNode {
    let old = before.map(|before| before.by_node(key)).unwrap_or_default();
    let mut pages = row.by_node(key);
    for (node, pages) in &mut pages {
        *pages = pages.saturating_sub(old.get(node).copied().unwrap_or(0));
    }
    pages.retain(|_, pages| *pages > 0);
    pages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> Row {
        Row::parse(text).unwrap()
    }

    fn one(now: &str, before: &[Row], elapsed: Option<u64>) -> Line {
        let elapsed = elapsed.map(Duration::from_secs);
        lines(&[row(now)], before, Level::Task, elapsed).remove(0)
    }

    #[test]
    fn rates_are_of_the_time_between_two_readings() {
        let before = [row(
            "pid=7 faults=10 pages=10 local=10 mem=0:10 stall_ns=100 swaps=1",
        )];
        let now = "pid=7 faults=20 pages=30 local=15 migrated=4 mem=0:12,1:18 stall_ns=300 \
                   moves=2 swaps=3";
        let line = one(now, &before, Some(2));
        let expected = Rates {
            faults: 5.0,
            pages: 10.0,
            migrated: 2.0,
            moves: 2.0,
            stall_ns: 100.0,
        };
        assert_eq!(line.rates, Some(expected));
        assert_eq!(line.local, Some(0.25));
        assert_eq!(line.memory, ByNode::from([(0, 2), (1, 18)]));
    }

    #[test]
    fn the_first_reading_has_no_rates() {
        let line = one("pid=7 pages=4 local=1", &[], None);
        assert_eq!((line.rates, line.local), (None, Some(0.25)));
    }

    #[test]
    fn a_new_task_was_counted_since() {
        let line = one("pid=7 faults=4", &[row("pid=8 faults=100")], Some(2));
        assert_eq!(line.rates.unwrap().faults, 2.0);
    }

    #[test]
    fn a_counter_that_shrinks_is_of_another_task() {
        let line = one(
            "pid=7 faults=4 pages=4 local=4",
            &[row("pid=7 faults=9")],
            Some(2),
        );
        assert_eq!((line.rates, line.local), (None, Some(1.0)));
    }

    #[test]
    fn a_task_without_faults_is_not_active() {
        let before = [row("pid=7 faults=4")];
        assert!(!one("pid=7 faults=4", &before, Some(1)).is_active());
        assert!(one("pid=7 faults=5", &before, Some(1)).is_active());
    }
}
