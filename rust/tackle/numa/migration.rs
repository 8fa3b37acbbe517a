// SPDX-License-Identifier: GPL-2.0

//! Implements the event `migration`: the kernel has migrated a misplaced folio, or has failed to.
//!
//! C source: `migrate_misplaced_folio_prepare()` and `migrate_misplaced_folio()` in
//! `mm/migrate.c`

use super::{node::index, registration::Shared, Observer, Task};
use crate::{
    bindings,
    ftrace::{Call, ExitHandler, Return},
    time,
};
use core::ptr;
use kernel::{
    ffi::{c_int, c_void},
    prelude::*,
    sync::Arc,
};

/// The outcome of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Outcome {
    /// The folio is on the target node now.
    Done = bindings::TACKLE_NUMA_MIGRATION_DONE as i32,
    /// The target node has too little free memory.
    NodeFull = bindings::TACKLE_NUMA_NODE_FULL as i32,
    /// The folio is not in an LRU list: other code has isolated it.
    Isolated = bindings::TACKLE_NUMA_ISOLATED as i32,
    /// The folio is a dirty folio of a file.
    Dirty = bindings::TACKLE_NUMA_DIRTY as i32,
    /// The folio belongs to a file and is executable, and several processes map it.
    SharedExec = bindings::TACKLE_NUMA_SHARED_EXEC as i32,
    /// The folio may be pinned for DMA.
    Pinned = bindings::TACKLE_NUMA_PINNED as i32,
    /// `migrate_pages()` failed: the folio is in use, or there is no memory.
    Refused = bindings::TACKLE_NUMA_REFUSED as i32,
}

/// A migration of a folio that has ended.
///
/// # Context
///
/// If the migration has failed in `migrate_misplaced_folio_prepare()`, the page table lock is held.
#[repr(C)]
pub struct Migration<'a> {
    size: usize,
    task: Task<'a>,
    order: u32,
    source: c_int,
    target: c_int,
    result: Outcome,
    duration: u64,
    cgroup: u64,
}

same_layout!(
    Migration, tackle_numa_migration:
    size, task, order, source, target, result, duration, cgroup
);

impl<'a> Migration<'a> {
    /// Returns the current task.
    #[inline]
    pub fn task(&self) -> Task<'a> {
        self.task
    }

    /// Returns the order of the folio.
    #[inline]
    pub fn order(&self) -> u32 {
        self.order
    }

    /// Returns how many pages the folio has.
    #[inline]
    pub fn pages(&self) -> u64 {
        1 << (self.order & 31)
    }

    /// Returns the node from which the folio was to be migrated.
    #[inline]
    pub fn source(&self) -> Option<usize> {
        index(self.source)
    }

    /// Returns the node to which the folio was to be migrated.
    #[inline]
    pub fn target(&self) -> Option<usize> {
        index(self.target)
    }

    /// Returns the outcome. The reason of a failure is derived from the state of the folio after
    /// the failure, so it can be wrong if that state changes at the same time.
    #[inline]
    pub fn outcome(&self) -> Outcome {
        self.result
    }

    /// Returns how long `migrate_misplaced_folio()` took, in nanoseconds; 0 if it was not
    /// called.
    #[inline]
    pub fn duration(&self) -> u64 {
        self.duration
    }

    /// Returns the ID of the memory cgroup that the folio is charged to; 0 if there is none.
    #[inline]
    pub fn cgroup(&self) -> u64 {
        self.cgroup
    }
}

/// The data that a hook passes from the function's entry to its exit.
#[derive(Clone, Copy)]
pub(super) struct Before {
    start: u64,
    folio: usize,
    order: u32,
    source: c_int,
    target: c_int,
    pinned: bool,
    cgroup: u64,
}

impl Before {
    /// Reads the state of a folio before its migration.
    ///
    /// # Safety
    ///
    /// `folio` is the address of a folio that is not freed during the call, since there is a
    /// reference to it.
    unsafe fn new(folio: usize, target: usize) -> Self {
        let address: *mut c_void = ptr::with_exposed_provenance_mut(folio);
        // SAFETY: By the function's requirements.
        unsafe {
            Self {
                start: time::mono_fast_ns(),
                folio,
                order: bindings::folio_order(address),
                source: bindings::folio_nid(address),
                // CAST: An `int` is the lower 32 bits of its register.
                target: target as c_int,
                pinned: bindings::folio_maybe_dma_pinned(address),
                cgroup: bindings::folio_cgroup_id(address),
            }
        }
    }

    fn report<T: Observer>(&self, shared: &Shared<T>, result: Outcome, duration: u64) {
        let Some(observer) = shared.active() else {
            return;
        };
        observer.migration(&Migration {
            size: size_of::<Migration<'_>>(),
            // SAFETY: The handler, and so the current task, outlives this `Task`.
            task: unsafe { Task::current() },
            order: self.order,
            source: self.source,
            target: self.target,
            result,
            duration,
            cgroup: self.cgroup,
        });
    }
}

/// The hook for `int migrate_misplaced_folio_prepare(struct folio *folio, struct vm_area_struct
/// *vma, int node)`.
pub(super) struct OnPrepare<T>(pub(super) Arc<Shared<T>>);

impl<T> OnPrepare<T> {
    pub(super) const FUNCTION: &'static CStr = c"migrate_misplaced_folio_prepare";
}

impl<T: Observer> ExitHandler for OnPrepare<T> {
    type Data = Before;

    #[inline]
    fn entry(&self, call: &Call) -> Option<Before> {
        // SAFETY: A page table whose lock is held maps the folio, which gives it a reference.
        Some(unsafe { Before::new(call.argument(0)?, call.argument(2)?) })
    }

    #[inline]
    fn exit(&self, ret: &Return, before: Before) {
        // CAST: An `int` is the lower 32 bits of its register.
        let error = ret.value() as c_int;
        if error == 0 {
            // `migrate_misplaced_folio()` follows, and its hook reports the migration.
            return;
        }
        let folio: *mut c_void = ptr::with_exposed_provenance_mut(before.folio);
        // SAFETY: The page table lock is still held, so the folio is not freed.
        let (is_dirty, in_lru) = unsafe {
            (
                bindings::folio_is_dirty_file(folio),
                bindings::folio_test_lru(folio),
            )
        };
        let result = if error == EACCES.to_errno() {
            Outcome::SharedExec
        } else if is_dirty {
            Outcome::Dirty
        } else if !in_lru {
            Outcome::Isolated
        } else {
            Outcome::NodeFull
        };
        before.report(&self.0, result, 0);
    }
}

/// The hook for `int migrate_misplaced_folio(struct folio *folio, int node)`.
pub(super) struct OnMigrate<T>(pub(super) Arc<Shared<T>>);

impl<T> OnMigrate<T> {
    pub(super) const FUNCTION: &'static CStr = c"migrate_misplaced_folio";
}

impl<T: Observer> ExitHandler for OnMigrate<T> {
    type Data = Before;

    #[inline]
    fn entry(&self, call: &Call) -> Option<Before> {
        // SAFETY: The caller has isolated the folio, which gives it a reference.
        Some(unsafe { Before::new(call.argument(0)?, call.argument(1)?) })
    }

    #[inline]
    fn exit(&self, ret: &Return, before: Before) {
        let duration = time::mono_fast_ns().saturating_sub(before.start);
        // CAST: An `int` is the lower 32 bits of its register.
        let result = match ret.value() as c_int {
            0 => Outcome::Done,
            _ if before.pinned => Outcome::Pinned,
            _ => Outcome::Refused,
        };
        before.report(&self.0, result, duration);
    }
}
