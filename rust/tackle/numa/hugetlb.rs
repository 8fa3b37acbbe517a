// SPDX-License-Identifier: GPL-2.0

//! Implements the count of the huge pages of hugetlbfs by node.
//!
//! The scan of NUMA balancing leaves out mappings of hugetlbfs (`task_numa_work()` in
//! `kernel/sched/fair.c`), so these pages take no hinting faults, and balancing does not migrate
//! them. A policy can only move the task to them.
//!
//! C headers: [`include/linux/hugetlb.h`](srctree/include/linux/hugetlb.h),
//! [`include/linux/mm.h`](srctree/include/linux/mm.h)

use super::node::index;
use crate::bindings;
use core::{iter, ptr::NonNull};
use kernel::{
    bindings::{find_vma, get_task_mm},
    mm::{
        virt::{flags, VmaRef},
        MmWithUser, MmapReadGuard,
    },
    page::PAGE_SIZE,
    prelude::*,
    sync::aref::ARef,
};
use tackle_core::numa::policy::Samples;

/// The maximum number of pages that are looked up in an address space.
const MOST_SAMPLES: u64 = 256;

/// The maximum number of VMAs that are read in an address space.
const MOST_VMAS: usize = 4096;

/// Estimates how many pages of hugetlbfs in a task's address space are on each node.
///
/// Adds the estimate to the element of `counts` for the node, in pages of `PAGE_SIZE`. The
/// estimate comes from at most 256 places in the mappings, at pseudo-random distances. Only the
/// first 4096 VMAs of the address space count. Huge pages that the process has not touched yet do
/// not count.
///
/// # Errors
///
/// - `ESRCH`: the task has no address space: it is a kernel thread, or has ended.
/// - `EAGAIN`: another thread holds the mmap lock for writing, or waits for it.
///
/// `counts` is as before after an error.
///
/// # Context
///
/// May sleep: page tables of hugetlbfs have a lock on which this waits.
pub fn count_hugetlb(task: &kernel::task::Task, counts: &mut [u64]) -> Result {
    // SAFETY: The task is valid.
    let mm = NonNull::new(unsafe { get_task_mm(task.as_ptr()) }).ok_or(ESRCH)?;
    // SAFETY: `get_task_mm` has taken a reference to the address space's users, which the `ARef`
    // takes over.
    let mm: ARef<MmWithUser> = unsafe { ARef::from_raw(mm.cast()) };
    // If this is the last reference, a worker of the kernel frees the address space: that can wait
    // for asynchronous I/O.
    let mm = MmWithUser::into_mmput_async(mm);
    // A task can hold the lock for any time, so this does not wait for it.
    let space = Locked::new(&mm).ok_or(EAGAIN)?;
    let bytes = space
        .hugetlb()
        .map(|(start, end)| end - start)
        .sum::<usize>();
    let samples = Samples::new(bytes as u64, MOST_SAMPLES);
    let pages = samples.distance / PAGE_SIZE as u64;
    let mut offsets = samples.offsets().peekable();
    let mut before = 0;
    for (start, end) in space.hugetlb() {
        let length = (end - start) as u64;
        while let Some(offset) = offsets.next_if(|&offset| offset < before + length) {
            // CAST: An offset in an address space.
            let node = space.node_at(start + (offset - before) as usize);
            if let Some(count) = node.and_then(|node| counts.get_mut(node)) {
                *count = count.saturating_add(pages);
            }
        }
        before += length;
    }
    Ok(())
}

/// An address space whose mmap lock is held for reading.
///
/// # Invariants
///
/// `_lock` is the lock of `mm`.
struct Locked<'a> {
    mm: &'a MmWithUser,
    _lock: MmapReadGuard<'a>,
}

impl<'a> Locked<'a> {
    /// Locks an address space; [`None`] if this would have to wait.
    fn new(mm: &'a MmWithUser) -> Option<Self> {
        let lock = mm.mmap_read_trylock()?;
        // INVARIANT: This is the lock of `mm`.
        Some(Self { mm, _lock: lock })
    }

    /// Returns the start and the end of each mapping of hugetlbfs.
    fn hugetlb(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let mut address = 0;
        let all = iter::from_fn(move || {
            // SAFETY: By the type invariants the address space is valid and its lock is held.
            let vma = NonNull::new(unsafe { find_vma(self.mm.as_raw(), address) })?;
            // SAFETY: A VMA is valid while the lock is held.
            let vma = unsafe { VmaRef::from_raw(vma.as_ptr()) };
            address = vma.end();
            Some(vma)
        });
        all.take(MOST_VMAS)
            .filter(|vma| vma.flags() & flags::HUGETLB != 0)
            .map(|vma| (vma.start(), vma.end()))
    }

    /// Returns the node of the page that is mapped at an address; [`None`] if there is none.
    fn node_at(&self, address: usize) -> Option<usize> {
        // SAFETY: By the type invariants the address space is valid and its lock is held.
        index(unsafe { bindings::mapped_node(self.mm.as_raw(), address) })
    }
}
