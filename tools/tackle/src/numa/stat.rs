// SPDX-License-Identifier: GPL-2.0

//! Implements `tackle numa stat`: prints the statistics of the module `numa_stat` as tables.

use std::collections::BTreeSet;

use anyhow::{bail, Result};
use clap::Args;

use super::kernel::Kernel;
use super::row::{Row, COUNTERS, OTHERS};
use super::source::{nodes_of, Level, Statistics};
use crate::hook::numbers::time;
use crate::roots::Roots;
use crate::table::{columns, json, say};

/// What to print.
#[derive(Args, Clone, Debug, Default)]
#[group(skip)]
pub struct Request {
    /// A row for each task
    #[arg(long, group = "level")]
    task: bool,
    /// A row for each process
    #[arg(long, group = "level")]
    process: bool,
    /// A row for each NUMA group: tasks that share memory
    #[arg(long, group = "level")]
    group: bool,
    /// A row for each cgroup
    #[arg(long, group = "level")]
    cgroup: bool,
    /// A column for each node [default]
    #[arg(long, group = "level")]
    node: bool,
    /// As JSON, with all counters
    #[arg(long)]
    json: bool,
    /// Only these: a number, or a part of the name or path
    #[arg(value_name = "WHICH")]
    which: Vec<String>,
}

impl Request {
    /// Returns the kind of objects that the rows describe.
    pub fn level(&self) -> Level {
        match self {
            Self { task: true, .. } => Level::Task,
            Self { process: true, .. } => Level::Process,
            Self { group: true, .. } => Level::Group,
            Self { cgroup: true, .. } => Level::Cgroup,
            _ => Level::Node,
        }
    }

    /// Prints the statistics.
    ///
    /// # Errors
    /// Returns the errors of [`Self::rows`], and an error if the module is not loaded.
    pub fn run(&self, roots: &Roots) -> Result<()> {
        let statistics = Statistics::open(roots)?;
        let rows = self.rows(&statistics)?;
        Kernel::read(roots)?.warn();
        let totals = statistics.totals()?;
        for (name, what) in [
            (
                "evicted",
                "rows were evicted: their sum is the row 'others'",
            ),
            ("missed", "events were missed"),
        ] {
            if let Some(count) = totals.get(name).filter(|count| **count > 0) {
                eprintln!("tackle: {count} {what}");
            }
        }
        if self.json {
            return json(&rows);
        }
        say(&text(self.level(), &rows));
        Ok(())
    }

    /// Reads the requested rows.
    ///
    /// # Errors
    /// Returns the errors of [`Statistics::rows`], and an error if a requested row does not exist.
    pub fn rows(&self, statistics: &Statistics) -> Result<Vec<Row>> {
        let level = self.level();
        let mut rows = statistics.rows(level)?;
        select(&mut rows, level, &self.which)?;
        Ok(rows)
    }
}

/// Keeps the rows that match one of `words`: the number of a row, or a part of its name.
///
/// # Errors
/// Returns an error if a word matches no row.
fn select(rows: &mut Vec<Row>, level: Level, words: &[String]) -> Result<()> {
    let is_about = |row: &Row, word: &String| {
        let name = row.text("comm").or_else(|| row.text("path"));
        row.text(level.key()).as_ref() == Some(word)
            || name.is_some_and(|name| word.parse::<u64>().is_err() && name.contains(word.as_str()))
    };
    for word in words {
        if !rows.iter().any(|row| is_about(row, word)) {
            bail!(
                "no NUMA hinting fault was counted of the {} {word:?}",
                level.word()
            );
        }
    }
    rows.retain(|row| words.is_empty() || words.iter().any(|word| is_about(row, word)));
    Ok(())
}

/// Returns the rows as a table.
pub fn text(level: Level, rows: &[Row]) -> String {
    if rows.is_empty() {
        return "no NUMA hinting fault was counted".into();
    }
    match level {
        Level::Node => by_node(rows),
        _ => by_row(level, rows),
    }
}

/// Returns a table in the format of `numastat`: a row for each counter, and a column for each
/// node.
fn by_node(rows: &[Row]) -> String {
    let heading = std::iter::once(String::new())
        .chain(rows.iter().map(|row| format!("NODE {}", name(row, "node"))))
        .chain(["TOTAL".to_owned()])
        .collect();
    let counted = |key: &&&str| rows.iter().any(|row| row.count(key) > 0);
    let lines = COUNTERS.iter().filter(counted).map(|key| {
        let values = rows.iter().map(|row| row.count(key));
        let total = match is_maximum(key) {
            true => values.clone().max().unwrap_or(0),
            false => values.clone().sum(),
        };
        std::iter::once((*key).to_owned())
            .chain(values.map(|value| value.to_string()))
            .chain([total.to_string()])
            .collect()
    });
    columns(heading, |index| index > 0, lines)
}

/// Returns whether a counter is a maximum, and no sum.
fn is_maximum(key: &str) -> bool {
    key.ends_with("_max_ns")
}

/// Returns a table with a row for each task, process, group or cgroup. The last columns are the
/// pages by the node of the memory.
fn by_row(level: Level, rows: &[Row]) -> String {
    let nodes = nodes_of(rows.iter(), "mem");
    let first = first_columns(level);
    let numbers = [
        "PAGES", "LOCAL", "SHARED", "MIGRATED", "FAILED", "STALLED", "LONGEST",
    ];
    let heading: Vec<_> = first
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .chain(numbers.map(String::from))
        .chain(nodes.iter().map(|node| format!("NODE {node}")))
        .collect();
    let texts: BTreeSet<usize> = (0..first.len())
        .filter(|index| matches!(first[*index].1, "comm" | "path"))
        .collect();
    let lines = rows.iter().map(|row| line(row, first, &nodes));
    columns(heading, |index| !texts.contains(&index), lines)
}

/// Returns heading and key of the columns that identify a row.
fn first_columns(level: Level) -> &'static [(&'static str, &'static str)] {
    match level {
        Level::Task => &[
            ("PID", "pid"),
            ("PROCESS", "tgid"),
            ("COMMAND", "comm"),
            ("GROUP", "group"),
            ("PREFERRED", "preferred"),
        ],
        Level::Process => &[("PID", "tgid"), ("COMMAND", "comm")],
        Level::Group => &[("GROUP", "group")],
        Level::Cgroup => &[("ID", "cgroup"), ("CGROUP", "path")],
        Level::Node => &[("NODE", "node")],
    }
}

fn line(row: &Row, first: &[(&str, &str)], nodes: &BTreeSet<u32>) -> Vec<String> {
    let memory = row.by_node("mem");
    let share = row
        .local_share()
        .map_or("-".into(), |share| format!("{:.0}%", 100.0 * share));
    let on = |node| memory.get(node).copied().unwrap_or(0).to_string();
    first
        .iter()
        .map(|(_, key)| name(row, key))
        .chain([
            row.count("pages").to_string(),
            share,
            row.count("shared").to_string(),
            row.count("migrated").to_string(),
            row.count("migrate_failed").to_string(),
            time(row.count("stall_ns")),
            time(row.count("stall_max_ns")),
        ])
        .chain(nodes.iter().map(on))
        .collect()
}

/// Returns the value of a key as text, or a dash if there is none.
fn name(row: &Row, key: &str) -> String {
    let is_sum = key == "comm" && row.text("pid").as_deref() == Some(OTHERS);
    let text = row.text(key).filter(|text| !text.is_empty() && !is_sum);
    text.unwrap_or_else(|| "-".into())
}
