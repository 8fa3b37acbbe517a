// SPDX-License-Identifier: GPL-2.0

//! Implements the count of the huge pages of hugetlbfs by node.
//!
//! The scan of NUMA balancing leaves out mappings of hugetlbfs (`task_numa_work()` in
//! `kernel/sched/fair.c`), so these pages take no hinting faults and never migrate. A policy can
//! only move the task to them.
//!
//! C headers: [`include/linux/hugetlb.h`](srctree/include/linux/hugetlb.h),
//! [`include/linux/mm.h`](srctree/include/linux/mm.h)

use super::node::index;
use crate::bindings;
use core::ptr::NonNull;
use kernel::{
    bindings::{find_vma, get_task_mm},
    mm::{
        virt::{flags, VmaRef},
        MmWithUser,
    },
    prelude::*,
    sync::aref::ARef,
};

/// How many huge pages of one mapping are looked up at most.
const SAMPLES: usize = 64;

/// How many huge pages of one address space are looked up at most.
const ALL_SAMPLES: usize = 1024;

/// Finds out on which nodes the huge pages of hugetlbfs in a task's address space are.
///
/// Adds the size of the pages on each node to the element of `counts` for the node, in pages of
/// `PAGE_SIZE`. Of each mapping at most 64 huge pages are looked up, at equal distances; each
/// stands for those up to the next one. At most 1024 are looked up in one call. Huge pages that the
/// task has not touched yet do not count.
///
/// # Errors
///
/// - `ESRCH`: the task has no address space: it is a kernel thread, or has ended.
/// - `EAGAIN`: a thread changes the address space at this moment.
///
/// `counts` is as before after an error.
///
/// # Context
///
/// May sleep.
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
    let lock = mm.mmap_read_trylock().ok_or(EAGAIN)?;
    let (mut address, mut left) = (0, ALL_SAMPLES);
    while left > 0 {
        // SAFETY: The address space is valid, and its lock is held.
        let Some(raw) = NonNull::new(unsafe { find_vma(mm.as_raw(), address) }) else {
            break;
        };
        // SAFETY: A VMA is valid while the lock is held.
        let vma = unsafe { VmaRef::from_raw(raw.as_ptr()) };
        address = vma.end();
        if vma.flags() & flags::HUGETLB == 0 {
            continue;
        }
        // SAFETY: As above.
        let size = unsafe { bindings::vma_kernel_pagesize(raw.as_ptr()) };
        let huge_pages = (vma.end() - vma.start()).checked_div(size).unwrap_or(0);
        let distance = huge_pages.div_ceil(SAMPLES).max(1);
        for sample in (0..huge_pages).step_by(distance).take(left) {
            left -= 1;
            // SAFETY: The lock of the address space is held.
            let node = unsafe { bindings::mapped_node(mm.as_raw(), vma.start() + sample * size) };
            let count = index(node).and_then(|node| counts.get_mut(node));
            if let Some(count) = count {
                let pages = distance.min(huge_pages - sample) * (size / kernel::page::PAGE_SIZE);
                *count = count.saturating_add(pages as u64);
            }
        }
    }
    drop(lock);
    Ok(())
}
