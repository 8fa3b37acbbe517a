// SPDX-License-Identifier: GPL-2.0

//! Reads the statistics of the module `numa_stat`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{bail, Context, Result};

use super::cgroup::Cgroups;
use super::interface::{CGROUPS, GROUPS, NODES, PROCESSES, STAT, TASKS, TOTAL, WAKEUPS};
use super::row::{ByNode, Row};
use crate::files;
use crate::roots::Roots;

/// The kind of object that a row describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// A task (a thread).
    Task,
    /// A process.
    Process,
    /// A NUMA group: tasks that share memory.
    Group,
    /// A cgroup.
    Cgroup,
    /// A node.
    Node,
}

impl Level {
    /// Returns the key of the number that identifies a row.
    pub fn key(self) -> &'static str {
        match self {
            Self::Task => "pid",
            Self::Process => "tgid",
            Self::Group => "group",
            Self::Cgroup => "cgroup",
            Self::Node => "node",
        }
    }

    /// Returns the kind of object as text.
    pub fn word(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Process => "process",
            Self::Group => "NUMA group",
            Self::Cgroup => "cgroup",
            Self::Node => "node",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Task => TASKS,
            Self::Process => PROCESSES,
            Self::Group => GROUPS,
            Self::Cgroup => CGROUPS,
            Self::Node => NODES,
        }
    }
}

/// The files of the module `numa_stat`.
#[derive(Debug)]
pub struct Statistics {
    folder: PathBuf,
    cgroups: Cgroups,
}

impl Statistics {
    /// Opens the module's folder below `roots`.
    ///
    /// # Errors
    /// Returns an error if debugfs is not mounted, only root may read it, or the module is not
    /// loaded.
    pub fn open(roots: &Roots) -> Result<Self> {
        Ok(Self {
            folder: STAT.open(roots)?,
            cgroups: Cgroups::new(roots),
        })
    }

    /// Reads all rows of a level, and adds the `path` to rows of cgroups.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or is not valid.
    pub fn rows(&self, level: Level) -> Result<Vec<Row>> {
        let file = level.file();
        let mut rows = parse(&self.text(file)?, file)?;
        if level == Level::Cgroup {
            let paths = self.cgroups.all()?;
            for row in &mut rows {
                let path = row.number("cgroup").and_then(|id| paths.get(&id));
                if let Some(path) = path {
                    row.set_text("path", path.clone());
                }
            }
        }
        Ok(rows)
    }

    /// Reads a row for each pair of tasks of which one has woken the other on another node.
    ///
    /// # Errors
    /// Returns the errors of [`rows`](Self::rows), and an error if the module does not count
    /// wake-ups.
    pub fn wakeups(&self) -> Result<Vec<Row>> {
        // This file always exists while the module is loaded.
        self.text(TOTAL)?;
        let Some(text) = files::read(&self.folder.join(WAKEUPS))? else {
            let module = STAT.module;
            bail!("{module} does not count wake-ups: load it with 'modprobe {module} wakeups=1'");
        };
        parse(&text, WAKEUPS)
    }

    /// Reads the sums over all rows, by name.
    ///
    /// # Errors
    /// Returns the errors of [`rows`](Self::rows).
    pub fn totals(&self) -> Result<BTreeMap<String, u64>> {
        let text = self.text(TOTAL)?;
        let total = |line: &str| {
            let (name, value) = line.split_once(char::is_whitespace)?;
            Some((name.to_owned(), value.trim().parse().ok()?))
        };
        text.lines()
            .map(|line| total(line).with_context(|| format!("{TOTAL} has '{line}'")))
            .collect()
    }

    fn text(&self, file: &str) -> Result<String> {
        let text = files::read(&self.folder.join(file))?;
        text.with_context(|| format!("{} has been unloaded", STAT.module))
    }
}

/// Parses the rows in the text of a file.
fn parse(text: &str, file: &str) -> Result<Vec<Row>> {
    let rows = text.lines().map(Row::parse).collect::<Result<_>>();
    rows.with_context(|| format!("cannot read {file} of {}", STAT.module))
}

/// Returns all nodes in the vectors `key` of the rows.
pub fn nodes_of<'a>(rows: impl Iterator<Item = &'a Row>, key: &str) -> BTreeSet<u32> {
    let nodes = rows.flat_map(|row| row.by_node(key).into_keys());
    nodes.collect()
}

/// Returns the share of the pages on each node, greatest first, as `0:75% 1:25%`; at most `most`
/// of them.
pub fn shares(pages: &ByNode, most: usize) -> String {
    let total: u64 = pages.values().sum();
    let mut sorted: Vec<_> = pages.iter().filter(|(_, pages)| **pages > 0).collect();
    sorted.sort_by_key(|(node, pages)| (std::cmp::Reverse(**pages), **node));
    let share = |(node, pages): &(&u32, &u64)| {
        format!("{node}:{:.0}%", 100.0 * **pages as f64 / total as f64)
    };
    let mut words: Vec<_> = sorted.iter().take(most).map(share).collect();
    if sorted.len() > most {
        words.push("...".into());
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_share_is_first() {
        let pages = ByNode::from([(0, 1), (2, 3), (5, 0)]);
        assert_eq!(shares(&pages, 3), "2:75% 0:25%");
        assert_eq!(shares(&pages, 1), "2:75% ...");
        assert_eq!(shares(&ByNode::new(), 3), "");
    }
}
