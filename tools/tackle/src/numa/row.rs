// SPDX-License-Identifier: GPL-2.0

//! Parses the rows of the module `numa_stat`: `pid=7 tgid=7 comm=cat pages=12 mem=0:4,1:8`.
//!
//! The module leaves out counters that are 0. Keys that this version of the command does not know
//! are kept for the JSON output.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::table::printable;

/// Pages by node.
pub type ByNode = BTreeMap<u32, u64>;

/// The key of the row in which the module sums the rows that it has evicted.
pub const OTHERS: &str = "others";

/// The counters of a row.
pub const COUNTERS: [&str; 43] = [
    "faults",
    "pages",
    "local",
    "private",
    "shared",
    "migrated",
    "migrate_failed",
    "stalls",
    "stall_ns",
    "stall_max_ns",
    "migrations",
    "migration_ns",
    "migration_max_ns",
    "failed_node_full",
    "failed_isolated",
    "failed_dirty",
    "failed_shared_exec",
    "failed_pinned",
    "failed_refused",
    "scans",
    "scan_ns",
    "scan_max_ns",
    "scan_scanned",
    "scan_exiting",
    "scan_one_node",
    "scan_too_early",
    "scan_busy",
    "skip_unsuitable",
    "skip_shared_ro",
    "skip_inaccessible",
    "skip_scan_delay",
    "skip_pid_inactive",
    "skip_ignore_pid",
    "skip_seq_completed",
    "windows",
    "preferred_changes",
    "moves",
    "moves_failed",
    "swaps",
    "swaps_failed",
    // Only rows of cgroups have these.
    "hint_faults",
    "hint_faults_local",
    "pages_migrated",
];

/// The value of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Number(u64),
    ByNode(ByNode),
    /// Pages that were moved from one node to another.
    Moved(BTreeMap<(u32, u32), u64>),
    Text(String),
}

/// A row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    values: BTreeMap<String, Value>,
}

impl Row {
    /// Parses a row.
    ///
    /// # Errors
    /// Returns an error if a word is no `key=value`.
    pub fn parse(line: &str) -> Result<Self> {
        let mut row = Self::default();
        for word in line.split_whitespace() {
            let pair = word.split_once('=');
            let (key, value) = pair.with_context(|| format!("a row has '{word}'"))?;
            let value = match key {
                "comm" | "waker_comm" | "wakee_comm" => Value::Text(unescape(value)),
                _ => Value::parse(value),
            };
            row.values.insert(key.to_owned(), value);
        }
        Ok(row)
    }

    /// Returns a counter, or 0 if the row does not have it.
    pub fn count(&self, key: &str) -> u64 {
        self.number(key).unwrap_or(0)
    }

    /// Returns a number for which a missing key does not mean 0, such as a node.
    pub fn number(&self, key: &str) -> Option<u64> {
        match self.values.get(key) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// Returns pages by node.
    pub fn by_node(&self, key: &str) -> ByNode {
        match self.values.get(key) {
            Some(Value::ByNode(pages)) => pages.clone(),
            _ => ByNode::new(),
        }
    }

    /// Returns the value of a key as text.
    pub fn text(&self, key: &str) -> Option<String> {
        match self.values.get(key)? {
            Value::Number(number) => Some(number.to_string()),
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// Adds a text that the module does not supply.
    pub fn set_text(&mut self, key: &str, text: String) {
        self.values.insert(key.to_owned(), Value::Text(text));
    }

    /// Returns the share of local pages, from 0 to 1. [`None`] without pages.
    pub fn local_share(&self) -> Option<f64> {
        let pages = self.count("pages");
        (pages > 0).then(|| self.count("local") as f64 / pages as f64)
    }
}

impl Value {
    fn parse(value: &str) -> Self {
        let number = value.parse().ok().map(Self::Number);
        number
            .or_else(|| pairs(value, |node| node.parse().ok()).map(Self::ByNode))
            .or_else(|| pairs(value, from_to).map(Self::Moved))
            .unwrap_or_else(|| Self::Text(value.to_owned()))
    }
}

/// Parses `KEY:COUNT,KEY:COUNT,...`.
fn pairs<K: Ord>(value: &str, key: impl Fn(&str) -> Option<K>) -> Option<BTreeMap<K, u64>> {
    let pair = |word: &str| {
        let (name, count) = word.split_once(':')?;
        Some((key(name)?, count.parse().ok()?))
    };
    value.split(',').map(pair).collect()
}

/// Parses `FROM>TO`.
fn from_to(word: &str) -> Option<(u32, u32)> {
    let (from, to) = word.split_once('>')?;
    from.parse().ok().zip(to.parse().ok())
}

/// Decodes a name in which some bytes are written in octal, as in `/proc/mounts`: `a\040b`. `-`
/// stands for the empty name.
pub(crate) fn unescape(text: &str) -> String {
    if text == "-" {
        return String::new();
    }
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let digits = more.get(..3).filter(|_| *first == b'\\');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[3..];
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    printable(&String::from_utf8_lossy(&bytes))
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Moved {
            from: u32,
            to: u32,
            pages: u64,
        }
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in &self.values {
            match value {
                Value::Number(number) => map.serialize_entry(key, number)?,
                Value::ByNode(pages) => map.serialize_entry(key, pages)?,
                Value::Text(text) => map.serialize_entry(key, text)?,
                Value::Moved(moved) => {
                    let one =
                        |(&(from, to), &pages): (&(u32, u32), &u64)| Moved { from, to, pages };
                    map.serialize_entry(key, &moved.iter().map(one).collect::<Vec<_>>())?;
                }
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_numbers_and_vectors() {
        let row = Row::parse(
            r"pid=7 tgid=6 comm=a\040b\134c pages=10 local=4 mem=0:4,63:6 moved=0>63:2,63>0:1",
        );
        let row = row.unwrap();
        assert_eq!(row.text("comm").unwrap(), r"a b\c");
        assert_eq!((row.count("pages"), row.count("faults")), (10, 0));
        assert_eq!(row.local_share(), Some(0.4));
        assert_eq!(row.by_node("mem"), ByNode::from([(0, 4), (63, 6)]));
        let json = serde_json::to_value(&row).unwrap();
        assert_eq!(json["mem"]["63"], 6);
        assert_eq!(json["moved"][1]["from"], 63);
        assert_eq!(json["pages"], 10);
    }

    #[test]
    fn what_is_new_is_kept() {
        let row = Row::parse("node=1 colour=blue heat=0:1").unwrap();
        let json = serde_json::to_value(&row).unwrap();
        assert_eq!(json["colour"], "blue");
        assert_eq!(json["heat"]["0"], 1);
        assert!(Row::parse("node=1 broken").is_err());
    }

    #[test]
    fn names_cannot_change_the_terminal() {
        let name = |comm: &str| {
            Row::parse(&format!("comm={comm}"))
                .unwrap()
                .text("comm")
                .unwrap()
        };
        assert_eq!(name("-"), "");
        assert_eq!(name(r"\033[2J"), "?[2J");
        assert_eq!(name(r"\303\244"), "ä");
        assert_eq!(name(r"\9"), r"\9");
        assert_eq!(name("12"), "12");
    }
}
