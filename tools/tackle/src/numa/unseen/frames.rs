// SPDX-License-Identifier: GPL-2.0

//! Reads the pages of a task, and the flags of their page frames.
//!
//! Formats: `Documentation/admin-guide/mm/pagemap.rst`,
//! `include/uapi/linux/kernel-page-flags.h`.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{bail, Context, Result};

/// The size of an entry in bytes.
const ENTRY: u64 = 8;
/// The maximum number of entries that are read at once.
const CHUNK: u64 = 1 << 15;

/// Bits of an entry of `/proc/PID/pagemap`.
const PM_PFRAME: u64 = (1 << 55) - 1;
const PM_MMAP_EXCLUSIVE: u64 = 1 << 56;
const PM_SWAP: u64 = 1 << 62;
const PM_PRESENT: u64 = 1 << 63;

/// Bits of an entry of `/proc/kpageflags`.
const KPF_DIRTY: u64 = 1 << 4;
const KPF_SWAPBACKED: u64 = 1 << 14;
const KPF_NOPAGE: u64 = 1 << 20;
const KPF_KSM: u64 = 1 << 21;
const KPF_ZERO_PAGE: u64 = 1 << 24;

/// A page of a task. The page is in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The number of its page frame.
    pub pfn: u64,
    /// Whether only one process maps the page.
    pub is_exclusive: bool,
    flags: u64,
}

impl Page {
    /// Returns whether it is memory of a device, or has no `struct page`.
    pub fn is_device(&self) -> bool {
        self.flags & KPF_NOPAGE != 0
    }

    /// Returns whether KSM has merged it with other pages.
    pub fn is_ksm(&self) -> bool {
        self.flags & KPF_KSM != 0
    }

    /// Returns whether it is the zero page, which all tasks share.
    pub fn is_zero(&self) -> bool {
        self.flags & KPF_ZERO_PAGE != 0
    }

    /// Returns whether it is a dirty page of a file. Shared memory does not count as a file, as in
    /// `folio_is_file_lru()`.
    pub fn is_dirty_file(&self) -> bool {
        self.flags & KPF_DIRTY != 0 && self.flags & KPF_SWAPBACKED == 0
    }
}

/// Reads the pages of a task.
#[derive(Debug)]
pub struct Frames {
    pagemap: File,
    kpageflags: File,
    page_size: u64,
}

impl Frames {
    /// Opens the files of the task whose folder in procfs is `task`.
    ///
    /// # Errors
    /// Returns an error if a file cannot be opened. Only root may open them, and the kernel needs
    /// `CONFIG_PROC_PAGE_MONITOR`.
    pub fn open(task: &Path, proc: &Path, page_size: u64) -> Result<Self> {
        let open = |path: &Path| {
            let file = File::open(path);
            file.with_context(|| {
                format!("cannot read {} (CONFIG_PROC_PAGE_MONITOR)", path.display())
            })
        };
        Ok(Self {
            pagemap: open(&task.join("pagemap"))?,
            kpageflags: open(&proc.join("kpageflags"))?,
            page_size,
        })
    }

    /// Calls `visit` with each page in this range of addresses that is in memory. Returns the
    /// number of pages that are swapped out.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read, or if the kernel hides the numbers of page
    /// frames.
    pub fn walk(&self, range: Range<u64>, mut visit: impl FnMut(Page)) -> Result<u64> {
        let (first, last) = (range.start / self.page_size, range.end / self.page_size);
        let mut swapped = 0;
        let mut next = first;
        while next < last {
            let count = CHUNK.min(last - next);
            let entries = entries(&self.pagemap, next, count).context("cannot read pagemap")?;
            // There are no entries if the task has ended or has no page tables here.
            if entries.is_empty() {
                break;
            }
            let is_swapped = |entry: &&u64| **entry & (PM_PRESENT | PM_SWAP) == PM_SWAP;
            swapped += entries.iter().filter(is_swapped).count() as u64;
            let present: Vec<u64> = entries
                .into_iter()
                .filter(|entry| entry & PM_PRESENT != 0)
                .collect();
            self.visit(&present, &mut visit)?;
            next += count;
        }
        Ok(swapped)
    }

    /// Calls `visit` with these pages. The flags of consecutive frames are read at once.
    fn visit(&self, entries: &[u64], visit: &mut impl FnMut(Page)) -> Result<()> {
        let pfn = |entry: u64| entry & PM_PFRAME;
        for run in entries.chunk_by(|a, b| pfn(*a) + 1 == pfn(*b)) {
            let first = pfn(run[0]);
            if first == 0 {
                bail!("only root may see the numbers of page frames (CAP_SYS_ADMIN)");
            }
            let flags = self::entries(&self.kpageflags, first, run.len() as u64);
            let flags = flags.context("cannot read kpageflags")?;
            for (index, entry) in run.iter().enumerate() {
                visit(Page {
                    pfn: pfn(*entry),
                    is_exclusive: entry & PM_MMAP_EXCLUSIVE != 0,
                    // The file ends after the last frame that has a `struct page`.
                    flags: flags.get(index).copied().unwrap_or(KPF_NOPAGE),
                });
            }
        }
        Ok(())
    }
}

/// Reads `count` entries, starting with number `first`. At the end of the file there are fewer.
fn entries(file: &File, first: u64, count: u64) -> io::Result<Vec<u64>> {
    let mut bytes = vec![0; (count * ENTRY) as usize];
    let mut done = 0;
    while done < bytes.len() {
        let place = first * ENTRY + done as u64;
        match file.read_at(&mut bytes[done..], place)? {
            0 => break,
            more => done += more,
        }
    }
    let words = bytes[..done].chunks_exact(ENTRY as usize);
    let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_ne_bytes);
    Ok(words.map(word).collect())
}
