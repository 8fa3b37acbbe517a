// SPDX-License-Identifier: GPL-2.0

//! Implements the event `hint`: the kernel handles a hinting fault.
//!
//! C source: `numa_migrate_check()` in `mm/memory.c`

use super::{
    node::{index, this_node},
    registration::Shared,
    Observer, Task,
};
use crate::{
    bindings,
    ftrace::{Call, EntryHandler},
};
use core::ptr;
use kernel::{ffi::c_int, prelude::*, sync::Arc};

/// A hinting fault, which `numa_hint_faults` in `/proc/vmstat` counts.
///
/// # Context
///
/// The page table lock is held.
#[repr(C)]
pub struct Hint<'a> {
    size: usize,
    task: Task<'a>,
    mem_node: c_int,
    cpu_node: c_int,
    pages: u32,
    cgroup: u64,
}

impl<'a> Hint<'a> {
    /// Returns the current task.
    #[inline]
    pub fn task(&self) -> Task<'a> {
        self.task
    }

    /// Returns the node of the folio.
    #[inline]
    pub fn mem_node(&self) -> Option<usize> {
        index(self.mem_node)
    }

    /// Returns the node of the CPU.
    #[inline]
    pub fn cpu_node(&self) -> Option<usize> {
        index(self.cpu_node)
    }

    /// Returns whether the folio and the CPU are on the same node. `numa_hint_faults_local` in
    /// `/proc/vmstat` counts these faults.
    #[inline]
    pub fn is_local(&self) -> bool {
        self.mem_node == self.cpu_node
    }

    /// Returns how many pages the folio has.
    #[inline]
    pub fn pages(&self) -> u32 {
        self.pages
    }

    /// Returns the ID of the memory cgroup that the folio is charged to; 0 if there is none.
    #[inline]
    pub fn cgroup(&self) -> u64 {
        self.cgroup
    }
}

same_layout!(Hint, tackle_numa_hint: size, task, mem_node, cpu_node, pages, cgroup);

/// The hook for `int numa_migrate_check(struct folio *folio, ...)`.
pub(super) struct OnHint<T>(pub(super) Arc<Shared<T>>);

impl<T> OnHint<T> {
    pub(super) const FUNCTION: &'static CStr = c"numa_migrate_check";
}

impl<T: Observer> EntryHandler for OnHint<T> {
    #[inline]
    fn entry(&self, call: &Call) {
        let (Some(observer), Some(folio)) = (self.0.active(), call.argument(0)) else {
            return;
        };
        let folio = ptr::with_exposed_provenance_mut(folio);
        // SAFETY: The function's argument is a folio that is mapped by a page table whose lock is
        // held, so the folio is not freed. A handler is within an RCU read section.
        let (mem_node, order, cgroup) = unsafe {
            (
                bindings::folio_nid(folio),
                bindings::folio_order(folio),
                bindings::folio_cgroup_id(folio),
            )
        };
        observer.hint(&Hint {
            size: size_of::<Hint<'_>>(),
            // SAFETY: The handler, and so the current task, outlives this `Task`.
            task: unsafe { Task::current() },
            mem_node,
            cpu_node: this_node(),
            pages: 1 << (order & 31),
            cgroup,
        });
    }
}
