// SPDX-License-Identifier: GPL-2.0

//! Reads the VMAs of a task from `/proc/PID/smaps` and `/proc/PID/numa_maps`, and finds those that
//! the kernel does not scan.
//!
//! C original: `task_numa_work()` in `kernel/sched/fair.c`, `vma_migratable()` and
//! `vma_policy_mof()` in `mm/mempolicy.c`.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::{Context, Result};

use super::reason::Reason;
use crate::numa::row::ByNode;

/// A VMA.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vma {
    /// The addresses.
    pub range: Range<u64>,
    /// Whether it maps a file.
    pub is_file: bool,
    /// The flags, of two letters each (`VmFlags`).
    flags: Vec<String>,
    /// The size of its memory in KiB, without huge pages of hugetlbfs.
    pub rss_kb: u64,
    /// Its memory policy, in the kernel's notation.
    pub policy: String,
    /// Its pages by node, in pages of `page_kb`.
    pub pages: ByNode,
    /// The size of its pages in KiB.
    pub page_kb: u64,
}

impl Vma {
    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|one| one == flag)
    }

    /// Returns why the kernel does not scan the VMA; [`None`] if the kernel scans it.
    pub fn reason(&self) -> Option<Reason> {
        let is_accessible = ["rd", "wr", "ex"].iter().any(|flag| self.has(flag));
        match self {
            vma if vma.has("ht") => Some(Reason::Hugetlb),
            vma if vma.has("io") || vma.has("pf") => Some(Reason::Unmigratable),
            vma if vma.has("mm") => Some(Reason::MixedMap),
            vma if !migrates_on_fault(&vma.policy) => Some(Reason::Policy),
            vma if vma.is_file && vma.has("rd") && !vma.has("wr") => Some(Reason::ReadOnlyFile),
            _ if !is_accessible => Some(Reason::Inaccessible),
            _ => None,
        }
    }

    /// Returns whether its page frames are mapped without being counted as memory of the task.
    pub fn is_raw(&self) -> bool {
        ["io", "pf", "mm"].iter().any(|flag| self.has(flag))
    }

    /// Returns whether `numa_maps` has the node of each page. It does not have those of reserved
    /// pages, such as the pages of the vDSO (`can_gather_numa_stats()` in `fs/proc/task_mmu.c`).
    pub fn has_all_nodes(&self) -> bool {
        self.page_kb * self.pages.values().sum::<u64>() >= self.rss_kb
    }

    /// Returns whether a write to one of its pages can cause a copy (`vma_is_cow_mapping()`).
    pub fn is_cow(&self) -> bool {
        self.has("mw") && !self.has("sh")
    }

    /// Returns whether it is a shared mapping.
    pub fn is_shared(&self) -> bool {
        self.has("sh")
    }
}

/// Returns whether a policy migrates pages on a fault (`MPOL_F_MOF`). The default policy does, and
/// so do policies that were set with `MPOL_F_NUMA_BALANCING`.
fn migrates_on_fault(policy: &str) -> bool {
    policy.is_empty() || policy == "default" || policy.contains("balancing")
}

/// Parses all VMAs of a task.
///
/// # Errors
/// Returns an error if `smaps` does not begin with a VMA.
pub fn vmas(smaps: &str, numa_maps: &str) -> Result<Vec<Vma>> {
    let mut found: Vec<Vma> = Vec::new();
    for line in smaps.lines() {
        if let Some(vma) = heading(line) {
            found.push(vma);
            continue;
        }
        let vma = found
            .last_mut()
            .with_context(|| format!("smaps begins with '{line}'"))?;
        match line.split_once(':') {
            Some(("Rss", value)) => vma.rss_kb = kib(value),
            Some(("VmFlags", value)) => {
                vma.flags = value.split_whitespace().map(str::to_owned).collect();
            }
            _ => {}
        }
    }
    let numa: BTreeMap<u64, Vma> = numa_maps.lines().filter_map(numa_line).collect();
    for vma in &mut found {
        if let Some(numa) = numa.get(&vma.range.start) {
            vma.policy.clone_from(&numa.policy);
            vma.pages.clone_from(&numa.pages);
            vma.page_kb = numa.page_kb;
        }
    }
    Ok(found)
}

/// Parses `7f00-8000 rw-p 00000000 fe:01 123   /bin/cat`.
fn heading(line: &str) -> Option<Vma> {
    let mut words = line.split_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let range = number(start)?..number(end)?;
    let inode = words.nth(3)?;
    let is_path = words.next().is_some_and(|path| path.starts_with('/'));
    Some(Vma {
        range,
        is_file: inode != "0" || is_path,
        ..Vma::default()
    })
}

fn kib(value: &str) -> u64 {
    let number = value.split_whitespace().next();
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Parses `7f00 prefer (many)=balancing:0-1 anon=3 N0=3 kernelpagesize_kB=4`.
fn numa_line(line: &str) -> Option<(u64, Vma)> {
    let (start, rest) = line.split_once(' ')?;
    let start = u64::from_str_radix(start, 16).ok()?;
    // The names of two policies contain a blank.
    let skip = ["weighted interleave", "prefer (many)"]
        .into_iter()
        .find(|name| rest.starts_with(name))
        .map_or(0, str::len);
    let end = rest[skip..].find(' ').map_or(rest.len(), |end| skip + end);
    let mut vma = Vma {
        policy: rest[..end].to_owned(),
        ..Vma::default()
    };
    for word in rest[end..].split_whitespace() {
        let Some((key, value)) = word.split_once('=') else {
            continue;
        };
        let Ok(value) = value.parse() else {
            continue;
        };
        if key == "kernelpagesize_kB" {
            vma.page_kb = value;
        } else if let Some(node) = key.strip_prefix('N').and_then(|node| node.parse().ok()) {
            vma.pages.insert(node, value);
        }
    }
    Some((start, vma))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(heading: &str, flags: &str, numa: &str) -> Vma {
        let smaps = format!("{heading}\nRss:  12 kB\nVmFlags: {flags}\n");
        vmas(&smaps, numa).unwrap().remove(0)
    }

    #[test]
    fn reserved_pages_have_no_node() {
        let vdso = |numa: &str| one("1000-4000 r-xp 00000000 00:00 0  [vdso]", "rd ex", numa);
        assert!(!vdso("1000 bind:1").has_all_nodes());
        assert!(!vdso("1000 bind:1 N0=2 kernelpagesize_kB=4").has_all_nodes());
        assert!(vdso("1000 bind:1 N0=2 N1=1 kernelpagesize_kB=4").has_all_nodes());
    }

    #[test]
    fn vmas_that_are_not_scanned_have_a_reason() {
        let anonymous = "1000-4000 rw-p 00000000 00:00 0";
        let file = "1000-4000 r--p 00000000 fe:01 12   /lib/a b.so";
        let usual = "rd wr mr mw me ac";
        for (heading, flags, policy, reason) in [
            (anonymous, usual, "default", None),
            (anonymous, usual, "bind=static|balancing:0", None),
            (anonymous, "rd wr mr mw lo", "default", None),
            (anonymous, usual, "bind:0", Some(Reason::Policy)),
            (anonymous, usual, "local", Some(Reason::Policy)),
            (anonymous, usual, "prefer (many):0-1", Some(Reason::Policy)),
            (anonymous, "rd wr ht", "bind:0", Some(Reason::Hugetlb)),
            (
                anonymous,
                "rd wr pf io",
                "default",
                Some(Reason::Unmigratable),
            ),
            (anonymous, "rd wr mm", "default", Some(Reason::MixedMap)),
            (file, "rd mr mw me", "default", Some(Reason::ReadOnlyFile)),
            (file, usual, "default", None),
            (anonymous, "mr mw me", "default", Some(Reason::Inaccessible)),
        ] {
            let vma = one(heading, flags, &format!("1000 {policy} file=x N0=1"));
            assert_eq!(vma.reason(), reason, "{flags}, {policy}");
        }
    }

    #[test]
    fn pages_are_those_of_numa_maps() {
        let numa = "1000 prefer (many)=balancing:0-1 anon=3 dirty=3 N0=1 N63=2 kernelpagesize_kB=4";
        let vma = one("1000-4000 rw-p 00000000 00:00 0", "rd wr mw", numa);
        assert_eq!(vma.policy, "prefer (many)=balancing:0-1");
        assert_eq!(vma.pages, ByNode::from([(0, 1), (63, 2)]));
        assert_eq!(
            (vma.page_kb, vma.rss_kb, vma.range),
            (4, 12, 0x1000..0x4000)
        );
    }
}
