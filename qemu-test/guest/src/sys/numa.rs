// SPDX-License-Identifier: GPL-2.0

//! Reads the nodes of the guest and the kernel's own counts of NUMA balancing, and changes its
//! settings.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::LazyLock;

use anyhow::{ensure, Context, Result};
use nix::sched::{sched_setaffinity, CpuSet};
use nix::unistd::Pid;
use regex::Regex;

use super::debugfs::{self, Settings};

/// Returns the pages of a process on each node, from `/proc/PID/numa_maps`.
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

/// Returns how many nodes there are.
///
/// # Errors
///
/// sysfs cannot be read.
pub fn nodes() -> Result<usize> {
    Ok(nodes_that("online")?.len())
}

/// Returns the nodes in a file of `/sys/devices/system/node`, such as `online`, `has_cpu` or
/// `has_memory`.
///
/// # Errors
///
/// There is no such file.
pub fn nodes_that(file: &str) -> Result<Vec<usize>> {
    parse_list(&debugfs::read(format!("/sys/devices/system/node/{file}"))?)
}

/// Returns the distances from a node to each node.
///
/// # Errors
///
/// There is no such node.
pub fn distances(node: usize) -> Result<Vec<u32>> {
    let text = debugfs::read(format!("/sys/devices/system/node/node{node}/distance"))?;
    let numbers = text.split_whitespace().map(str::parse);
    Ok(numbers.collect::<Result<_, _>>()?)
}

/// Returns the first processor of a node.
///
/// # Errors
///
/// The node has no processor, or there is no such node.
pub fn cpu_of(node: usize) -> Result<usize> {
    let text = debugfs::read(format!("/sys/devices/system/node/node{node}/cpulist"))?;
    let cpus = parse_list(&text)?;
    cpus.first()
        .copied()
        .with_context(|| format!("node {node} has no processor"))
}

/// Returns the fields of a task's file `stat`, from the third field on, which is the state.
///
/// # Errors
///
/// There is no such task.
pub fn task_stat(path: impl AsRef<Path>) -> Result<String> {
    let stat = debugfs::read(path)?;
    // The name before the state may have blanks and parentheses.
    let (_, fields) = stat.rsplit_once(") ").context("no state")?;
    Ok(fields.to_owned())
}

/// Returns the node of the processor that a task runs on, or has run on last.
///
/// # Errors
///
/// There is no such task.
pub fn runs_on(pid: u32) -> Result<usize> {
    let fields = task_stat(format!("/proc/{pid}/stat"))?;
    let cpu = fields.split(' ').nth(39 - 3).context("no processor")?;
    let cpu: usize = cpu.parse()?;
    let nodes = nodes_that("has_cpu")?;
    for node in nodes {
        let list = debugfs::read(format!("/sys/devices/system/node/node{node}/cpulist"))?;
        if parse_list(&list)?.contains(&cpu) {
            return Ok(node);
        }
    }
    anyhow::bail!("processor {cpu} is on no node")
}

/// Returns the processors that are online.
///
/// # Errors
///
/// sysfs cannot be read.
pub fn online_cpus() -> Result<Vec<usize>> {
    parse_list(&debugfs::read("/sys/devices/system/cpu/online")?)
}

/// Binds this thread to a processor.
///
/// # Errors
///
/// There is no such processor.
pub fn pin_to(cpu: usize) -> Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &cpus)
        .with_context(|| format!("cannot run on processor {cpu}"))
}

/// Reads a list such as `0-2,5`.
///
/// # Errors
///
/// The text is not such a list.
pub fn parse_list(text: &str) -> Result<Vec<usize>> {
    let mut numbers = Vec::new();
    for range in text.split(',').filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        numbers.extend(first.parse::<usize>()?..=last.parse::<usize>()?);
    }
    Ok(numbers)
}

/// The kernel's counts in `/proc/PID/sched`. The counts of faults are halved at the end of each
/// scan window. The count of migrated pages only grows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sched {
    /// Pages that were migrated by faults of the task.
    pub migrated: u64,
    /// Average of private faults on each node.
    pub private: Vec<u64>,
    /// Average of shared faults on each node.
    pub shared: Vec<u64>,
    /// The preferred node, if there is one.
    pub preferred: Option<u64>,
    /// The NUMA group, 0 without one.
    pub group: u64,
    /// How often the address space was scanned from end to end.
    pub scans: u64,
}

impl Sched {
    /// Reads the counts of a task.
    ///
    /// # Errors
    ///
    /// There is no such task, or the kernel has no NUMA balancing.
    pub fn of(pid: u32) -> Result<Self> {
        Self::parse(&debugfs::read(format!("/proc/{pid}/sched"))?)
    }

    fn parse(text: &str) -> Result<Self> {
        static NODE: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r"numa_faults node=\d+ task_private=(\d+) task_shared=(\d+)")
                .expect("a fixed pattern")
        });
        static GROUP: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(r"numa_group_id=(\d+)").expect("a fixed pattern"));
        let number = |name: &str| sched_value::<i64>(text, name);
        let mut this = Self {
            migrated: u64::try_from(number("numa_pages_migrated")?)?,
            preferred: u64::try_from(number("numa_preferred_nid")?).ok(),
            group: match GROUP.captures(text) {
                Some(found) => found[1].parse()?,
                None => 0,
            },
            scans: u64::try_from(number("mm->numa_scan_seq").unwrap_or(0))?,
            ..Self::default()
        };
        for found in NODE.captures_iter(text) {
            this.private.push(found[1].parse()?);
            this.shared.push(found[2].parse()?);
        }
        Ok(this)
    }
}

/// Returns a value of the text of `/proc/PID/sched`.
///
/// # Errors
///
/// The value does not exist, or it is not a `T`.
pub fn sched_value<T>(text: &str, name: &str) -> Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split(':').nth(1));
    let value = value.with_context(|| format!("no {name} in /proc/PID/sched"))?;
    Ok(value.trim().parse()?)
}

/// Counts of `/proc/vmstat`, or of a cgroup's `memory.stat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// `numa_hint_faults`
    pub hint_faults: u64,
    /// `numa_hint_faults_local`; 0 for a cgroup.
    pub hint_faults_local: u64,
    /// `numa_pages_migrated`
    pub pages_migrated: u64,
    /// `numa_pte_updates`
    pub pte_updates: u64,
}

impl Stat {
    /// Reads the counts of the whole system.
    ///
    /// # Errors
    ///
    /// The kernel does not balance.
    pub fn system() -> Result<Self> {
        Self::parse(&debugfs::read("/proc/vmstat")?)
    }

    /// Reads the counts of a cgroup.
    ///
    /// # Errors
    ///
    /// There is no such cgroup, or it has no memory controller.
    pub fn of_cgroup(folder: &Path) -> Result<Self> {
        Self::parse(&debugfs::read(folder.join("memory.stat"))?)
    }

    /// Reads lines of names and numbers.
    ///
    /// # Errors
    ///
    /// A number is missing.
    pub fn parse(text: &str) -> Result<Self> {
        let number = |name: &str| -> Result<Option<u64>> {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let number = line.map(|line| line.trim().parse()).transpose();
            number.with_context(|| format!("{name} is not a number"))
        };
        let missing = "no numa_hint_faults";
        Ok(Self {
            hint_faults: number("numa_hint_faults ")?.context(missing)?,
            hint_faults_local: number("numa_hint_faults_local ")?.unwrap_or(0),
            pages_migrated: number("numa_pages_migrated ")?.context(missing)?,
            pte_updates: number("numa_pte_updates ")?.unwrap_or(0),
        })
    }

    /// Returns the difference to the earlier counts.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            hint_faults: self.hint_faults - earlier.hint_faults,
            hint_faults_local: self.hint_faults_local - earlier.hint_faults_local,
            pages_migrated: self.pages_migrated - earlier.pages_migrated,
            pte_updates: self.pte_updates - earlier.pte_updates,
        }
    }
}

/// The file that switches the kernel's NUMA balancing on and off.
const SWITCH: &str = "/proc/sys/kernel/numa_balancing";

/// Returns whether the kernel has NUMA balancing (`CONFIG_NUMA_BALANCING`). Without it, the
/// functions that `numa_stat` hooks do not exist. Kernels with PREEMPT_RT do not have it.
pub fn can_balance() -> bool {
    Path::new(SWITCH).exists()
}

/// The folder with the settings of scans.
const SCANS: &str = "/sys/kernel/debug/sched/numa_balancing";

/// Makes the kernel scan soon and often until this is dropped. By default the kernel waits for
/// seconds of running time.
pub struct Eager {
    _settings: Settings,
}

impl Eager {
    /// Switches balancing on and sets short periods.
    ///
    /// # Errors
    ///
    /// The kernel does not balance.
    pub fn new() -> Result<Self> {
        balance("1", ["100", "100", "200"]).map(|settings| Self {
            _settings: settings,
        })
    }
}

/// Reserves huge pages of 2 MiB on each node until the value is dropped. Returns [`None`] if the
/// kernel has no hugetlbfs.
///
/// # Errors
///
/// sysfs cannot be read or written, or a node has too little memory.
pub fn reserve_huge_pages(count: usize) -> Result<Option<Settings>> {
    let count = count.to_string();
    let file = |node| -> PathBuf {
        let folder = "/sys/devices/system/node/node";
        format!("{folder}{node}/hugepages/hugepages-2048kB/nr_hugepages").into()
    };
    let files: Vec<_> = (0..nodes()?).map(|node| (file(node), &*count)).collect();
    if files.iter().any(|(path, _)| !path.exists()) {
        return Ok(None);
    }
    let settings = Settings::new(&files)?;
    for (path, _) in &files {
        let got = debugfs::read(path)?;
        ensure!(
            got.trim() == count,
            "expected {count} huge pages in {}, got {got}",
            path.display()
        );
    }
    Ok(Some(settings))
}

/// Keeps the kernel from using huge pages until this is dropped.
pub struct SmallPages {
    _settings: Option<Settings>,
}

impl SmallPages {
    /// Switches off transparent huge pages. Our own kernels do not have them.
    ///
    /// # Errors
    ///
    /// The file that switches them cannot be written.
    pub fn new() -> Result<Self> {
        let switch = PathBuf::from("/sys/kernel/mm/transparent_hugepage/enabled");
        let settings = switch
            .exists()
            .then(|| Settings::new(&[(switch, "never")]))
            .transpose()?;
        Ok(Self {
            _settings: settings,
        })
    }
}

/// Keeps the kernel from scanning processes that are started before this is dropped. Hinting faults
/// are still handled.
pub struct Still {
    _settings: Settings,
}

impl Still {
    /// Switches balancing on and sets periods of hours of running time.
    ///
    /// # Errors
    ///
    /// The kernel does not balance.
    pub fn new() -> Result<Self> {
        balance("1", ["10000000"; 3]).map(|settings| Self {
            _settings: settings,
        })
    }
}

/// Switches balancing on ("1") or off ("0"). Sets the delay before the first scan, and the minimum
/// and the maximum time between two scans, in milliseconds. The old settings are restored when the
/// value is dropped.
///
/// # Errors
///
/// The kernel does not balance.
pub fn balance(switch: &str, [delay, least, most]: [&str; 3]) -> Result<Settings> {
    let folder = Path::new(SCANS);
    Settings::new(&[
        (PathBuf::from(SWITCH), switch),
        (folder.join("scan_delay_ms"), delay),
        (folder.join("scan_period_min_ms"), least),
        (folder.join("scan_period_max_ms"), most),
    ])
}

/// Switches balancing on until the value is dropped.
///
/// # Errors
///
/// The kernel does not balance.
pub fn switch_on() -> Result<Settings> {
    Settings::new(&[(PathBuf::from(SWITCH), "1")])
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
        let text = "mm->numa_scan_seq                            :                    5\n\
                    numa_pages_migrated                          :                   12\n\
                    numa_preferred_nid                           :                    1\n\
                    total_numa_faults                            :                   34\n\
                    current_node=0, numa_group_id=77\n\
                    numa_faults node=0 task_private=1 task_shared=2 group_private=0 group_shared=0\n\
                    numa_faults node=1 task_private=30 task_shared=1 group_private=0 group_shared=0\n";
        let expected = Sched {
            migrated: 12,
            private: vec![1, 30],
            shared: vec![2, 1],
            preferred: Some(1),
            group: 77,
            scans: 5,
        };
        assert_eq!(Sched::parse(text).unwrap(), expected);
        assert!(Sched::parse("nothing").is_err());
    }

    #[test]
    fn counts_of_the_system() {
        let text = "numa_pte_updates 9\nnuma_hint_faults 7\nnuma_hint_faults_local 5\n\
                    numa_pages_migrated 2\n";
        let stat = Stat::parse(text).unwrap();
        assert_eq!(
            (
                stat.hint_faults,
                stat.hint_faults_local,
                stat.pages_migrated
            ),
            (7, 5, 2)
        );
        assert_eq!(stat.since(stat), Stat::default());
        assert!(Stat::parse("numa_hint_faults x\n").is_err());
        assert!(Stat::parse("").is_err());
    }
}
