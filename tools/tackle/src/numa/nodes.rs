// SPDX-License-Identifier: GPL-2.0

//! Reads the NUMA nodes of the machine from `/sys/devices/system/node`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{anyhow, ensure, Context, Result};
use serde::Serialize;

use crate::files;
use crate::roots::Roots;

/// Numbers of nodes or CPUs.
pub type Numbers = BTreeSet<u32>;

/// A NUMA node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Node {
    /// The node's number.
    pub node: u32,
    /// Its CPUs in the kernel's notation: `0-3,8`. Empty if it has none.
    pub cpus: String,
    /// Its memory in KiB.
    pub memory_kb: u64,
    /// Its free memory in KiB.
    pub free_kb: u64,
    /// The distance to each node.
    pub distances: BTreeMap<u32, u32>,
}

impl Node {
    /// Returns the numbers of its CPUs.
    ///
    /// # Errors
    /// Returns the errors of [`list`].
    pub fn cpu_numbers(&self) -> Result<Numbers> {
        list(&self.cpus)
    }
}

/// Parses a list such as `0-3,8`.
///
/// # Errors
/// Returns an error if `text` is no such list.
pub fn list(text: &str) -> Result<Numbers> {
    let mut numbers = Numbers::new();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let range = first.parse::<u32>().ok().zip(last.parse().ok());
        let (first, last) = range.with_context(|| format!("'{text}' is no list of numbers"))?;
        // No machine has more CPUs or nodes.
        ensure!(last < 1 << 16, "'{text}' is no list of numbers");
        numbers.extend(first..=last);
    }
    Ok(numbers)
}

/// Returns the folder of all nodes.
pub fn folder(roots: &Roots) -> PathBuf {
    roots.sys.join("devices/system/node")
}

/// Returns the numbers of the nodes that are online; none without `CONFIG_NUMA`.
///
/// # Errors
/// Returns an error if the file cannot be read or is no list.
pub fn online(roots: &Roots) -> Result<Numbers> {
    list(&files::read(&folder(roots).join("online"))?.unwrap_or_default())
}

/// Reads all nodes that are online, in ascending order.
///
/// # Errors
/// Returns an error if the kernel has no NUMA, or if a file cannot be read or is not valid.
pub fn nodes(roots: &Roots) -> Result<Vec<Node>> {
    let online = online(roots)?;
    ensure!(!online.is_empty(), "this kernel has no NUMA (CONFIG_NUMA)");
    online
        .iter()
        .map(|node| read(roots, *node, &online))
        .collect()
}

fn read(roots: &Roots, number: u32, online: &Numbers) -> Result<Node> {
    let folder = folder(roots).join(format!("node{number}"));
    let text =
        |file: &str| Ok::<_, anyhow::Error>(files::read(&folder.join(file))?.unwrap_or_default());
    let meminfo = text("meminfo")?;
    let distances = text("distance")?;
    let words: Vec<u32> = distances
        .split_whitespace()
        .map(|word| {
            word.parse()
                .map_err(|_| anyhow!("the distances of node {number} are '{distances}'"))
        })
        .collect::<Result<_>>()?;
    Ok(Node {
        node: number,
        cpus: text("cpulist")?,
        memory_kb: kib(&meminfo, "MemTotal"),
        free_kb: kib(&meminfo, "MemFree"),
        // The kernel prints one distance for each node that is online, in ascending order.
        distances: online.iter().copied().zip(words).collect(),
    })
}

/// Returns a value of a node's `meminfo`, whose lines are such as `Node 0 MemTotal:  24684092 kB`.
fn kib(meminfo: &str, name: &str) -> u64 {
    let value = meminfo.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(2);
        (words.next()?.trim_end_matches(':') == name).then(|| words.next()?.parse().ok())?
    });
    value.unwrap_or(0)
}

/// Returns the node of each CPU.
///
/// # Errors
/// Returns the errors of [`list`].
pub fn of_cpus(nodes: &[Node]) -> Result<BTreeMap<u32, u32>> {
    let mut all = BTreeMap::new();
    for node in nodes {
        let cpus = node.cpu_numbers()?;
        all.extend(cpus.into_iter().map(|cpu| (cpu, node.node)));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_ranges() {
        let numbers: Vec<_> = list("0-2,8\n").unwrap().into_iter().collect();
        assert_eq!(numbers, [0, 1, 2, 8]);
        assert!(list("").unwrap().is_empty());
        for wrong in ["a", "0-", "1-x", "0-4294967295"] {
            assert!(list(wrong).is_err(), "{wrong}");
        }
    }
}
