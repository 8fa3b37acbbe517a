// SPDX-License-Identifier: GPL-2.0

//! Reads the files of `numa_stat`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{bail, Context, Result};

use super::debugfs;
use super::numa::Stat;

/// The module.
pub const MODULE: &str = "numa_stat";

/// A row: its keys and values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row(BTreeMap<String, String>);

impl Row {
    fn parse(line: &str) -> Result<Self> {
        let mut row = Self::default();
        for field in line.split(' ') {
            let Some((key, value)) = field.split_once('=') else {
                bail!("'{field}' is not KEY=VALUE: '{line}'");
            };
            if row.0.insert(key.into(), value.into()).is_some() {
                bail!("two values of {key}: '{line}'");
            }
        }
        Ok(row)
    }

    /// Returns the number of a key, or 0 if the row does not have the key.
    pub fn get(&self, key: &str) -> u64 {
        let value = self.0.get(key).and_then(|value| value.parse().ok());
        value.unwrap_or(0)
    }

    /// Returns the value of a key, which is empty if the row does not have the key.
    pub fn word(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    /// Returns the element of a list, such as `0` of `mem`, or `1>0` of `moved`.
    pub fn at(&self, key: &str, index: &str) -> u64 {
        let elements = self.word(key).split(',');
        let pairs = elements.filter_map(|element| element.split_once(':'));
        let mut numbers = pairs.filter(|(name, _)| *name == index);
        let number = numbers.next().and_then(|(_, number)| number.parse().ok());
        number.unwrap_or(0)
    }

    /// Returns the sum of a list.
    pub fn sum(&self, key: &str) -> u64 {
        let elements = self.word(key).split(',');
        let pairs = elements.filter_map(|element| element.split_once(':'));
        pairs
            .filter_map(|(_, number)| number.parse::<u64>().ok())
            .sum()
    }

    /// Returns a list with one number for each node.
    pub fn nodes(&self, key: &str, nodes: usize) -> Vec<u64> {
        (0..nodes)
            .map(|node| self.at(key, &node.to_string()))
            .collect()
    }
}

fn parse(text: &str, id: &str) -> Result<BTreeMap<String, Row>> {
    let mut rows = BTreeMap::new();
    for line in text.lines() {
        let row = Row::parse(line)?;
        let name = row.word(id).to_owned();
        if name.is_empty() {
            bail!("no {id}: '{line}'");
        }
        if rows.insert(name, row).is_some() {
            bail!("two rows of one {id}: '{line}'");
        }
    }
    Ok(rows)
}

/// Returns the rows of a file, such as `tasks`, by the value of the key `id`, such as `pid`.
///
/// # Errors
///
/// The module is not loaded, or the file has another form.
pub fn rows(file: &str, id: &str) -> Result<BTreeMap<String, Row>> {
    let text = debugfs::read(debugfs::tackle(&format!("{MODULE}/{file}")))?;
    parse(&text, id).with_context(|| format!("in the file {file}"))
}

/// Returns the rows of a file without a unique key, such as `wakeups`.
///
/// # Errors
///
/// See [`rows`].
pub fn lines(file: &str) -> Result<Vec<Row>> {
    let text = debugfs::read(debugfs::tackle(&format!("{MODULE}/{file}")))?;
    let rows = text.lines().map(Row::parse).collect::<Result<_>>();
    rows.with_context(|| format!("in the file {file}"))
}

/// Returns the row of a task, if it has one.
///
/// # Errors
///
/// See [`rows`].
pub fn task(pid: u32) -> Result<Option<Row>> {
    Ok(rows("tasks", "pid")?.remove(&pid.to_string()))
}

/// Returns the path of the file `total`.
fn total_file() -> PathBuf {
    debugfs::tackle(&format!("{MODULE}/total"))
}

/// Returns a number of the file `total`.
///
/// # Errors
///
/// There is no such number.
pub fn total(name: &str) -> Result<u64> {
    debugfs::number(total_file(), name)
}

/// Returns those numbers of `total` that are also in `/proc/vmstat`.
///
/// # Errors
///
/// A number is missing.
pub fn totals() -> Result<Stat> {
    Stat::parse(&debugfs::read(total_file())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_keys_and_lists() {
        let rows = parse(
            "pid=1 comm=a mem=0:3,1:4 moved=1>0:4\npid=others faults=2\n",
            "pid",
        );
        let rows = rows.unwrap();
        let row = &rows["1"];
        assert_eq!(
            (row.sum("mem"), row.at("mem", "1"), row.at("mem", "2")),
            (7, 4, 0)
        );
        assert_eq!((row.at("moved", "1>0"), row.word("comm")), (4, "a"));
        assert_eq!(row.nodes("mem", 3), [3, 4, 0]);
        assert_eq!(rows["others"].get("faults"), 2);
    }

    #[test]
    fn other_forms_are_refused() {
        assert!(parse("pid=1\npid=1\n", "pid").is_err());
        assert!(parse("pid=1 x\n", "pid").is_err());
        assert!(parse("pid=1 a=1 a=2\n", "pid").is_err());
        assert!(parse("tgid=1\n", "pid").is_err());
    }
}
