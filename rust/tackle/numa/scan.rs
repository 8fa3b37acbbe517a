// SPDX-License-Identifier: GPL-2.0

//! Implements the event `scan`: a task has done its part of the scan of its address space.
//!
//! C source: `task_numa_work()` in `kernel/sched/fair.c`

use super::{registration::Shared, Observer, Task};
use crate::{
    bindings,
    ftrace::{Call, ExitHandler, Return},
    time,
};
use kernel::{ffi::c_int, prelude::*, sync::Arc};

/// The result of a call of `task_numa_work()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum ScanResult {
    /// The task has walked page tables.
    Scanned = bindings::TACKLE_NUMA_SCANNED as i32,
    /// The task exits.
    Exiting = bindings::TACKLE_NUMA_EXITING as i32,
    /// The task's cpuset allows memory of one node only.
    OneNode = bindings::TACKLE_NUMA_ONE_NODE as i32,
    /// The scan period of the address space has not ended, or another thread scans.
    TooEarly = bindings::TACKLE_NUMA_TOO_EARLY as i32,
    /// Another task held `mmap_lock`.
    Busy = bindings::TACKLE_NUMA_BUSY as i32,
}

/// A call of `task_numa_work()` that has returned.
#[repr(C)]
pub struct Scan<'a> {
    size: usize,
    task: Task<'a>,
    duration: u64,
    result: ScanResult,
}

same_layout!(Scan, tackle_numa_scan: size, task, duration, result);

impl<'a> Scan<'a> {
    /// Returns the current task.
    #[inline]
    pub fn task(&self) -> Task<'a> {
        self.task
    }

    /// Returns how long the call took, in nanoseconds.
    #[inline]
    pub fn duration(&self) -> u64 {
        self.duration
    }

    /// Returns the result of the call.
    #[inline]
    pub fn result(&self) -> ScanResult {
        self.result
    }
}

/// The position of the scan in an address space, and the time of the next scan.
#[derive(Clone, Copy, PartialEq)]
struct Position {
    next_scan: usize,
    offset: usize,
    seq: c_int,
}

impl Position {
    /// Reads the position in the address space of `task`, the current task; [`None`] if it has no
    /// address space.
    fn of_current(task: Task<'_>) -> Option<Self> {
        if !task.has_mm() {
            return None;
        }
        // SAFETY: The current task has an address space, and only the task itself drops its
        // reference to it. Other threads may change the fields, so the reads are volatile.
        unsafe {
            let mm = (*task.as_ptr()).mm;
            let fields = &raw const (*mm).__bindgen_anon_1;
            Some(Self {
                next_scan: (&raw const (*fields).numa_next_scan).read_volatile(),
                offset: (&raw const (*fields).numa_scan_offset).read_volatile(),
                seq: (&raw const (*fields).numa_scan_seq).read_volatile(),
            })
        }
    }
}

/// The data that the hook passes from the function's entry to its exit.
#[derive(Clone, Copy)]
pub(super) struct Before {
    start: u64,
    position: Option<Position>,
    one_node: bool,
}

/// The hook for `void task_numa_work(struct callback_head *work)`.
pub(super) struct OnScan<T>(pub(super) Arc<Shared<T>>);

impl<T> OnScan<T> {
    pub(super) const FUNCTION: &'static CStr = c"task_numa_work";
}

impl<T: Observer> ExitHandler for OnScan<T> {
    type Data = Before;

    #[inline]
    fn entry(&self, _call: &Call) -> Option<Before> {
        self.0.active()?;
        // SAFETY: The handler, and so the current task, outlives this `Task`.
        let task = unsafe { Task::current() };
        Some(Before {
            start: time::mono_fast_ns(),
            position: Position::of_current(task),
            // SAFETY: The helper only reads `mems_allowed` of the current task.
            one_node: unsafe { bindings::one_node_allowed() },
        })
    }

    #[inline]
    fn exit(&self, _ret: &Return, before: Before) {
        let Some(observer) = self.0.active() else {
            return;
        };
        // SAFETY: The handler, and so the current task, outlives this `Task`.
        let task = unsafe { Task::current() };
        let result = match (before.position, Position::of_current(task)) {
            _ if task.is_exiting() => ScanResult::Exiting,
            (Some(then), Some(now)) => result(then, now, before.one_node),
            // An exiting task has no address space any more.
            _ => ScanResult::Exiting,
        };
        observer.scan(&Scan {
            size: size_of::<Scan<'_>>(),
            task,
            duration: time::mono_fast_ns().saturating_sub(before.start),
            result,
        });
    }
}

/// Returns the result of a call that has moved the scan from `then` to `now`.
fn result(then: Position, now: Position, one_node: bool) -> ScanResult {
    if one_node {
        ScanResult::OneNode
    } else if (then.offset, then.seq) != (now.offset, now.seq) {
        ScanResult::Scanned
    } else if then.next_scan == now.next_scan || then.next_scan == 0 {
        // The first call for an address space only sets the time of the next scan.
        ScanResult::TooEarly
    } else {
        ScanResult::Busy
    }
}
