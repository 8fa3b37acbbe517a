// SPDX-License-Identifier: GPL-2.0

//! What the kernel and `numa_stat` tell about NUMA faults of a task.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{bail, ensure, Context, Result};
use regex::Regex;

use super::debugfs;

/// Pages of a process on each node, from `/proc/PID/numa_maps`.
///
/// # Errors
///
/// There is no such process.
pub fn pages(pid: u32) -> Result<Vec<u64>> {
    let text = debugfs::read(format!("/proc/{pid}/numa_maps"))?;
    Ok(parse_pages(&text, nodes()?))
}

fn parse_pages(numa_maps: &str, nodes: usize) -> Vec<u64> {
    static COUNT: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\bN(\d+)=(\d+)\b").expect("a fixed pattern"));
    let mut pages = vec![0; nodes];
    for found in COUNT.captures_iter(numa_maps) {
        let node: usize = found[1].parse().unwrap_or(usize::MAX);
        if let (Some(sum), Ok(count)) = (pages.get_mut(node), found[2].parse::<u64>()) {
            *sum += count;
        }
    }
    pages
}

/// How many nodes there are.
///
/// # Errors
///
/// sysfs cannot be read.
pub fn nodes() -> Result<usize> {
    let text = debugfs::read("/sys/devices/system/node/online")?;
    Ok(parse_list(&text)?.len())
}

/// The first processor of a node.
///
/// # Errors
///
/// The node has none, or there is no such node.
pub fn cpu_of(node: usize) -> Result<usize> {
    let text = debugfs::read(format!("/sys/devices/system/node/node{node}/cpulist"))?;
    let cpus = parse_list(&text)?;
    cpus.first()
        .copied()
        .with_context(|| format!("node {node} has no processor"))
}

/// Reads a list such as `0-2,5`.
fn parse_list(text: &str) -> Result<Vec<usize>> {
    let mut numbers = Vec::new();
    for range in text.split(',').filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        numbers.extend(first.parse::<usize>()?..=last.parse::<usize>()?);
    }
    Ok(numbers)
}

/// The kernel's own counts, from `/proc/PID/sched`. The counts of faults fade
/// with time; the one of pages migrated does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sched {
    /// Pages that were migrated by faults of the task.
    pub migrated: u64,
    /// Faded sum of the faults.
    pub total: u64,
    /// Faded faults on each node, private and shared together.
    pub nodes: Vec<u64>,
}

impl Sched {
    /// Reads the counts of a task.
    ///
    /// # Errors
    ///
    /// There is no such task, or the kernel does not balance.
    pub fn of(pid: u32) -> Result<Self> {
        Self::parse(&debugfs::read(format!("/proc/{pid}/sched"))?)
    }

    fn parse(text: &str) -> Result<Self> {
        static NODE: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r"numa_faults node=\d+ task_private=(\d+) task_shared=(\d+)")
                .expect("a fixed pattern")
        });
        let number = |name: &str| -> Result<u64> {
            let line = text.lines().find(|line| line.starts_with(name));
            let value = line.and_then(|line| line.split(':').nth(1));
            let value = value.with_context(|| format!("no {name} in /proc/PID/sched"))?;
            Ok(value.trim().parse()?)
        };
        let mut nodes = Vec::new();
        for found in NODE.captures_iter(text) {
            nodes.push(found[1].parse::<u64>()? + found[2].parse::<u64>()?);
        }
        Ok(Self {
            migrated: number("numa_pages_migrated")?,
            total: number("total_numa_faults")?,
            nodes,
        })
    }
}

/// A task in the table of `numa_stat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Identity of the process.
    pub tgid: u32,
    /// Faults on each node, in pages.
    pub nodes: Vec<u64>,
    /// Pages migrated by these faults.
    pub migrated: u64,
}

impl Row {
    /// Faults on all nodes, in pages.
    pub fn sum(&self) -> u64 {
        self.nodes.iter().sum()
    }
}

/// The table of `numa_stat`, by the identity of the task.
///
/// # Errors
///
/// The module is not loaded, or the table has another form.
pub fn table() -> Result<BTreeMap<u32, Row>> {
    parse_table(&debugfs::read(debugfs::tackle("numa_stat/faults"))?)
}

fn parse_table(text: &str) -> Result<BTreeMap<u32, Row>> {
    let mut lines = text.lines();
    let header: Vec<_> = lines.next().unwrap_or("").split_whitespace().collect();
    let [pid, tgid, comm, nodes @ .., migrated] = &header[..] else {
        bail!("the table's header is {header:?}");
    };
    let numbered = nodes
        .iter()
        .enumerate()
        .all(|(number, name)| *name == format!("node{number}"));
    ensure!(
        (*pid, *tgid, *comm, *migrated) == ("pid", "tgid", "comm", "migrated") && numbered,
        "the table's header is {header:?}"
    );
    let columns = nodes.len() + 1;
    lines.map(|line| parse_row(line, columns)).collect()
}

fn parse_row(line: &str, columns: usize) -> Result<(u32, Row)> {
    let words: Vec<_> = line.split_whitespace().collect();
    // A task's name may have blanks, so the numbers count from both ends.
    ensure!(words.len() >= columns + 3, "a short row: '{line}'");
    let numbers: Vec<u64> = words[words.len() - columns..]
        .iter()
        .map(|word| word.parse())
        .collect::<Result<_, _>>()
        .with_context(|| format!("a row with other than numbers: '{line}'"))?;
    let (nodes, migrated) = numbers.split_at(columns - 1);
    let row = Row {
        tgid: words[1].parse()?,
        nodes: nodes.to_vec(),
        migrated: migrated[0],
    };
    Ok((words[0].parse()?, row))
}

/// Where the kernel's NUMA balancing is switched on and off.
const SWITCH: &str = "/proc/sys/kernel/numa_balancing";

/// Whether the kernel can balance memory among nodes (`CONFIG_NUMA_BALANCING`). Without it
/// there is no function for `numa_stat` to hook. Kernels with PREEMPT_RT do not have it.
pub fn can_balance() -> bool {
    Path::new(SWITCH).exists()
}

/// Makes the kernel look for misplaced pages soon and often, as long as the
/// value lives; the defaults wait for seconds of running time.
pub struct Eager {
    restore: Vec<(PathBuf, String)>,
}

impl Eager {
    /// Switches balancing on and sets short periods.
    ///
    /// # Errors
    ///
    /// The kernel does not balance.
    pub fn new() -> Result<Self> {
        let folder = Path::new("/sys/kernel/debug/sched/numa_balancing");
        let settings = [
            (PathBuf::from(SWITCH), "1"),
            (folder.join("scan_delay_ms"), "100"),
            (folder.join("scan_period_min_ms"), "100"),
            (folder.join("scan_period_max_ms"), "1000"),
        ];
        let mut eager = Self {
            restore: Vec::new(),
        };
        for (path, value) in settings {
            let old = debugfs::read(&path)?;
            debugfs::set(&path, value)?;
            eager.restore.push((path, old));
        }
        Ok(eager)
    }
}

impl Drop for Eager {
    fn drop(&mut self) {
        for (path, old) in &self.restore {
            if let Err(error) = debugfs::set(path, old) {
                eprintln!("{error:#}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_summed_by_node() {
        let text = "55d0 default file=/x mapped=3 N0=2 N1=1 kernelpagesize_kB=4\n\
                    7f00 default anon=100 dirty=100 N1=100 kernelpagesize_kB=4\n";
        assert_eq!(parse_pages(text, 2), [2, 101]);
        assert_eq!(parse_pages("", 2), [0, 0]);
    }

    #[test]
    fn lists_have_ranges() {
        assert_eq!(parse_list("0-2,5").unwrap(), [0, 1, 2, 5]);
        assert_eq!(parse_list("3").unwrap(), [3]);
        assert!(parse_list("").unwrap().is_empty());
        assert!(parse_list("a-b").is_err());
    }

    #[test]
    fn the_kernels_counts() {
        let text = "numa_pages_migrated                          :                   12\n\
                    numa_preferred_nid                           :                    1\n\
                    total_numa_faults                            :                   34\n\
                    current_node=0, numa_group_id=0\n\
                    numa_faults node=0 task_private=1 task_shared=2 group_private=0 group_shared=0\n\
                    numa_faults node=1 task_private=30 task_shared=1 group_private=0 group_shared=0\n";
        let expected = Sched {
            migrated: 12,
            total: 34,
            nodes: vec![3, 31],
        };
        assert_eq!(Sched::parse(text).unwrap(), expected);
        assert!(Sched::parse("nothing").is_err());
    }

    #[test]
    fn a_table_has_a_row_for_a_task() {
        let text = "pid tgid comm node0 node1 migrated\n\
                    12 11 worker 3 40 40\n\
                    13 11 two words 0 1 0\n";
        let table = parse_table(text).unwrap();
        assert_eq!(table[&12].nodes, [3, 40]);
        assert_eq!((table[&12].sum(), table[&12].migrated), (43, 40));
        assert_eq!((table[&13].tgid, table[&13].sum()), (11, 1));
    }

    #[test]
    fn a_table_of_another_form_is_refused() {
        assert!(parse_table("").is_err());
        assert!(parse_table("pid comm node0 migrated\n").is_err());
        assert!(parse_table("pid tgid comm node1 migrated\n").is_err());
        assert!(parse_table("pid tgid comm node0 migrated\n1 1 a x 0\n").is_err());
        assert!(parse_table("pid tgid comm node0 migrated\n1 1 0 0\n").is_err());
    }
}
