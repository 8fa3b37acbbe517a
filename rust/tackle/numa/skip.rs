// SPDX-License-Identifier: GPL-2.0

//! Implements the event `skip`: a scan skips a VMA.
//!
//! The kernel reports skipped VMAs with the tracepoint `sched_skip_vma_numa`
//! (`rust/tackle/numa/probe.rs`).

use super::{probe::Point, registration::Shared, Observer, Task};
use crate::{
    bindings,
    ftrace::{Call, EntryHandler},
};
use core::ptr;
use kernel::{ffi::c_void, sync::Arc};

/// Why a scan skips a VMA: `enum numa_vmaskip_reason`. With `IgnorePid` the VMA is scanned
/// nevertheless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum SkipReason {
    /// The VMA cannot be migrated, its memory policy forbids migration, it belongs to hugetlbfs, or
    /// it has `VM_MIXEDMAP`.
    Unsuitable = bindings::TACKLE_NUMA_SKIP_UNSUITABLE as i32,
    /// The VMA maps a file read-only, or is the vDSO.
    SharedReadOnly = bindings::TACKLE_NUMA_SKIP_SHARED_RO as i32,
    /// The VMA cannot be accessed.
    Inaccessible = bindings::TACKLE_NUMA_SKIP_INACCESSIBLE as i32,
    /// The scan delay of the VMA is not over.
    ScanDelay = bindings::TACKLE_NUMA_SKIP_SCAN_DELAY as i32,
    /// The task has not accessed the VMA lately.
    PidInactive = bindings::TACKLE_NUMA_SKIP_PID_INACTIVE as i32,
    /// The task has not accessed the VMA, but it is scanned, since a scan of it had begun already.
    IgnorePid = bindings::TACKLE_NUMA_SKIP_IGNORE_PID as i32,
    /// The VMA was scanned in this round already.
    SeqCompleted = bindings::TACKLE_NUMA_SKIP_SEQ_COMPLETED as i32,
}

impl SkipReason {
    /// The reasons, in the order of their numbers.
    pub const ALL: [Self; bindings::TACKLE_NUMA_SKIP_REASONS as usize] = [
        Self::Unsuitable,
        Self::SharedReadOnly,
        Self::Inaccessible,
        Self::ScanDelay,
        Self::PidInactive,
        Self::IgnorePid,
        Self::SeqCompleted,
    ];
}

const _: () = {
    assert!(bindings::numa_vmaskip_reason_NUMAB_SKIP_UNSUITABLE == 0);
    assert!(
        bindings::numa_vmaskip_reason_NUMAB_SKIP_SEQ_COMPLETED
            == bindings::TACKLE_NUMA_SKIP_SEQ_COMPLETED
    );
};

/// A VMA that is skipped.
///
/// # Context
///
/// The task holds `mmap_lock` for reading.
#[repr(C)]
pub struct Skip<'a> {
    size: usize,
    task: Task<'a>,
    start: usize,
    end: usize,
    reason: SkipReason,
}

same_layout!(Skip, tackle_numa_skip: size, task, start, end, reason);

impl<'a> Skip<'a> {
    /// Returns the current task.
    #[inline]
    pub fn task(&self) -> Task<'a> {
        self.task
    }

    /// Returns the first address of the VMA.
    #[inline]
    pub fn start(&self) -> usize {
        self.start
    }

    /// Returns the address after the last address of the VMA.
    #[inline]
    pub fn end(&self) -> usize {
        self.end
    }

    /// Returns why the scan skips the VMA.
    #[inline]
    pub fn reason(&self) -> SkipReason {
        self.reason
    }
}

/// The hook for
/// `tackle_numa_skip_probe(void *data, struct mm_struct *mm, struct vm_area_struct *vma, int
/// reason)`.
pub(super) struct OnSkip<T>(pub(super) Arc<Shared<T>>);

impl<T> OnSkip<T> {
    pub(super) const POINT: Point = Point::Skip;

    /// Returns the data with which the probe is registered. It identifies the observer: each
    /// observer has a registration of its own.
    pub(super) fn data(&self) -> *mut c_void {
        Arc::as_ptr(&self.0).cast_mut().cast()
    }
}

impl<T: Observer> EntryHandler for OnSkip<T> {
    #[inline]
    fn entry(&self, call: &Call) {
        let [Some(data), Some(vma), Some(reason)] = [0, 2, 3].map(|n| call.argument(n)) else {
            return;
        };
        // CAST: An `int` is the lower 32 bits of its register.
        let reason = SkipReason::ALL.get(reason as u32 as usize);
        // The probe was called for the registration of another observer.
        if data != self.data().addr() {
            return;
        }
        let (Some(observer), Some(&reason)) = (self.0.active(), reason) else {
            return;
        };
        let vma: *const kernel::bindings::vm_area_struct = ptr::with_exposed_provenance(vma);
        // SAFETY: The current task holds `mmap_lock` of the address space that it scans, so the VMA
        // is valid and its range does not change.
        let (start, end) = unsafe {
            let range = &raw const (*vma).__bindgen_anon_1.__bindgen_anon_1;
            ((*range).vm_start, (*range).vm_end)
        };
        observer.skip(&Skip {
            size: size_of::<Skip<'_>>(),
            // SAFETY: The handler, and so the current task, outlives this `Task`.
            task: unsafe { Task::current() },
            start,
            end,
            reason,
        });
    }
}
