// SPDX-License-Identifier: GPL-2.0

//! Implements `tackle numa unseen`: prints the memory of a task that has no NUMA hinting faults,
//! by reason and node.
//!
//! The command checks the kernel's conditions with the data in procfs: those of each VMA ([`vma`])
//! and those of each page ([`frames`]). [`HIDDEN`] lists the conditions that procfs does not show.

pub mod frames;
pub mod owner;
pub mod reason;
pub mod vma;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{bail, Context, Result};
use nix::unistd::{sysconf, SysconfVar};
use procfs_core::process::Stat;
use procfs_core::FromRead;
use serde::Serialize;

use super::nodes::{nodes, of_cpus};
use super::process;
use super::row::ByNode;
use crate::files;
use crate::roots::Roots;
use crate::table::{columns, json, say};
use frames::{Frames, Page};
use owner::Owners;
use reason::Reason;
use vma::{vmas, Vma};

/// Conditions that the kernel does not show to user space.
pub const HIDDEN: [&str; 3] = [
    "pages pinned for DMA: they have no faults, and are among those of another row",
    "mappings of files whose memory has to be in a lower zone",
    "large folios mapped by several processes in parts: each page is judged by itself",
];

/// The pages of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pages {
    /// The number of VMAs that have such pages, or are of this kind but have no pages.
    pub vmas: u64,
    /// The number of all pages.
    pub pages: u64,
    /// The number of pages by node.
    pub nodes: ByNode,
    /// The number of pages whose node is not known.
    pub elsewhere: u64,
}

impl Pages {
    fn add(&mut self, node: Option<u32>, pages: u64) {
        self.pages += pages;
        match node {
            Some(node) => *self.nodes.entry(node).or_insert(0) += pages,
            None => self.elsewhere += pages,
        }
    }
}

/// The memory of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// The thread ID.
    pub pid: u32,
    /// The process ID.
    pub tgid: u32,
    /// The name of the task.
    pub comm: String,
    /// The size of a page in bytes.
    pub page_size: u64,
    /// The pages that can have faults.
    pub seen: Pages,
    /// The pages that cannot have faults, by reason.
    pub unseen: BTreeMap<Reason, Pages>,
    /// The number of pages that are swapped out.
    pub swapped: u64,
    /// Reasons why the kernel scans no memory of the task at all.
    pub warnings: Vec<String>,
    /// The conditions in [`HIDDEN`].
    pub hidden: Vec<&'static str>,
}

/// Decides whether the pages of a task can have faults.
struct Judge {
    owners: Owners,
    /// The node on which the task runs, if it is the only thread of its process.
    single_on: Option<u32>,
}

impl Judge {
    /// Returns why a page of a scanned VMA has no faults, in the order of the checks in
    /// `folio_can_map_prot_numa()`.
    fn reason(&self, vma: &Vma, page: &Page, node: Option<u32>) -> Option<Reason> {
        match page {
            page if page.is_device() => Some(Reason::Device),
            page if page.is_zero() => Some(Reason::Zero),
            page if page.is_ksm() => Some(Reason::Ksm),
            page if vma.is_cow() && !page.is_exclusive => Some(Reason::CowShared),
            page if page.is_dirty_file() => Some(Reason::DirtyFile),
            _ if !vma.is_shared() && node.is_some() && node == self.single_on => {
                Some(Reason::LocalSingle)
            }
            _ => None,
        }
    }
}

/// Prints the memory of a task that has no faults.
///
/// # Errors
/// Returns the errors of [`memory`].
pub fn run(roots: &Roots, pid: u32, as_json: bool) -> Result<()> {
    let memory = memory(roots, pid)?;
    for line in &memory.warnings {
        eprintln!("tackle: {line}");
    }
    if as_json {
        return json(&memory);
    }
    say(&text(&memory));
    Ok(())
}

/// Classifies all memory of a task.
///
/// # Errors
/// Returns an error if the kernel has no NUMA, if there is no such task, if it has no memory of
/// its own, or if the user is not root.
pub fn memory(roots: &Roots, pid: u32) -> Result<Memory> {
    let nodes = nodes(roots)?;
    let status = process::task(roots, pid)?;
    let folder = process::folder(roots, pid);
    let text = |file: &str| {
        let text = files::read(&folder.join(file))?;
        text.with_context(|| format!("task {pid} has ended"))
    };
    let all = vmas(&text("smaps")?, &text("numa_maps")?)?;
    if all.is_empty() {
        bail!(
            "{} ({pid}) has no memory of its own: it is a kernel thread or has ended",
            status.comm
        );
    }
    let page_size = sysconf(SysconfVar::PAGE_SIZE)?.context("the page size is not known")?;
    let page_size = u64::try_from(page_size)?;
    let single_on = match status.threads {
        1 => running_on(&folder.join("stat"), &of_cpus(&nodes)?),
        _ => None,
    };
    let judge = Judge {
        owners: Owners::read(roots, page_size)?,
        single_on,
    };
    let frames = Frames::open(&folder, &roots.proc, page_size)?;
    let mut memory = Memory {
        pid,
        tgid: status.tgid,
        comm: status.comm,
        page_size,
        hidden: HIDDEN.to_vec(),
        ..Memory::default()
    };
    if status.memory.len() == 1 && nodes.len() > 1 {
        memory.warnings.push(format!(
            "the cpuset of task {pid} allows memory of one node only: the kernel does not scan it"
        ));
    }
    for vma in &all {
        memory.add(vma, &judge, &frames)?;
    }
    Ok(memory)
}

/// Returns the node of the CPU on which a task ran last.
fn running_on(stat: &std::path::Path, nodes: &BTreeMap<u32, u32>) -> Option<u32> {
    let stat = Stat::from_file(stat).ok()?;
    let cpu = u32::try_from(stat.processor?).ok()?;
    nodes.get(&cpu).copied()
}

impl Memory {
    fn add(&mut self, vma: &Vma, judge: &Judge, frames: &Frames) -> Result<()> {
        let whole = vma.reason();
        if let Some(reason) = whole.filter(|_| !vma.is_raw() && vma.has_all_nodes()) {
            // `numa_maps` has the pages by node already.
            let kind = self.unseen.entry(reason).or_default();
            kind.vmas += 1;
            let factor = ((vma.page_kb << 10) / self.page_size).max(1);
            for (node, pages) in &vma.pages {
                kind.add(Some(*node), pages * factor);
            }
            return Ok(());
        }
        let mut kinds: BTreeMap<Option<Reason>, Pages> = BTreeMap::new();
        if let Some(reason) = whole {
            kinds.entry(Some(reason)).or_default();
        }
        // A VMA without memory is skipped, since it may be very large.
        if vma.rss_kb > 0 || vma.is_raw() {
            let range = vma.range.clone();
            self.swapped += frames.walk(range, |page| {
                let node = judge.owners.node(page.pfn);
                let reason = whole.or_else(|| judge.reason(vma, &page, node));
                kinds.entry(reason).or_default().add(node, 1);
            })?;
        }
        for (reason, pages) in kinds {
            let kind = match reason {
                Some(reason) => self.unseen.entry(reason).or_default(),
                None => &mut self.seen,
            };
            kind.vmas += 1;
            kind.pages += pages.pages;
            kind.elsewhere += pages.elsewhere;
            for (node, count) in pages.nodes {
                *kind.nodes.entry(node).or_insert(0) += count;
            }
        }
        Ok(())
    }
}

/// Returns the memory of a task as a table.
pub fn text(memory: &Memory) -> String {
    let kinds: Vec<_> = memory
        .unseen
        .iter()
        .map(|(reason, pages)| (reason.words(), pages))
        .chain([("can have faults", &memory.seen)])
        .collect();
    let nodes: BTreeSet<u32> = kinds
        .iter()
        .flat_map(|(_, kind)| kind.nodes.keys().copied())
        .collect();
    let has_others = kinds.iter().any(|(_, kind)| kind.elsewhere > 0);
    let heading = ["WHY", "VMAS", "PAGES"]
        .map(String::from)
        .into_iter()
        .chain(nodes.iter().map(|node| format!("NODE {node}")))
        .chain(has_others.then(|| "NO NODE".to_owned()))
        .collect();
    let rows = kinds.iter().map(|(words, kind)| {
        let on = |node| kind.nodes.get(node).copied().unwrap_or(0).to_string();
        [
            (*words).to_owned(),
            kind.vmas.to_string(),
            kind.pages.to_string(),
        ]
        .into_iter()
        .chain(nodes.iter().map(on))
        .chain(has_others.then(|| kind.elsewhere.to_string()))
        .collect()
    });
    let table = columns(heading, |index| index > 0, rows);
    let (comm, pid, size) = (&memory.comm, memory.pid, memory.page_size);
    let mut text = format!("{comm} ({pid}), pages of {size} bytes\n\n{table}\n");
    if memory.swapped > 0 {
        text += &format!("\nswapped out: {} pages", memory.swapped);
    }
    text += "\nnot visible in user space:";
    for what in &memory.hidden {
        text += &format!("\n  {what}");
    }
    text
}
