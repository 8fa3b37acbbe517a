// SPDX-License-Identifier: GPL-2.0

//! Implements the event `window`: a task's scan window closes.
//!
//! C source: `task_numa_placement()` in `kernel/sched/fair.c`, which compilers inline into
//! `task_numa_fault()`. It first calls `task_scan_max()`, which this file hooks. Later
//! `update_task_scan_period()` calls `task_scan_max()` again. The window's counts are zero by then,
//! and the hook ignores this second call.

use super::{node::nodes, registration::Shared, Observer, Task};
use crate::{
    call_at::call_at,
    ftrace::{Call, EntryHandler},
    symbol::{self, Unexported},
};
use core::{
    ops::Range,
    slice,
    sync::atomic::{AtomicUsize, Ordering},
};
use kernel::{ffi::c_int, prelude::*, sync::Arc};

/// A scan window that closes. The kernel is about to halve the averages of the task's faults, and
/// to add the window's counts to them.
#[repr(C)]
pub struct Window<'a> {
    size: usize,
    task: Task<'a>,
    nodes: u32,
    faults: *const usize,
    group: c_int,
}

same_layout!(Window, tackle_numa_window: size, task, nodes, faults, group);

impl<'a> Window<'a> {
    /// Returns the current task.
    #[inline]
    pub fn task(&self) -> Task<'a> {
        self.task
    }

    /// Returns the number of pages of the window's private or shared faults on memory of `node`.
    #[inline]
    pub fn by_memory(&self, node: usize, private: bool) -> u64 {
        self.count(2, node, private)
    }

    /// Returns the number of pages of the window's private or shared faults on CPUs of `node`.
    #[inline]
    pub fn by_cpu(&self, node: usize, private: bool) -> u64 {
        self.count(3, node, private)
    }

    /// Returns the ID of the task's NUMA group, 0 without one.
    #[inline]
    pub fn group(&self) -> i32 {
        self.group
    }

    #[inline]
    fn count(&self, region: usize, node: usize, private: bool) -> u64 {
        // CAST: At most 1024.
        let nodes = self.nodes as usize;
        if node >= nodes {
            return 0;
        }
        // SAFETY: `OnWindow` has made this from the current task. The task's statistics have four
        // regions of 2 * `nodes` elements, and stay valid during the event.
        let faults = unsafe { slice::from_raw_parts(self.faults, 8 * nodes) };
        faults[2 * (region * nodes + node) + usize::from(private)] as u64
    }
}

/// `kallsyms_lookup_size_offset()`, which returns the size of a function.
static SIZE: Unexported = Unexported::new(c"kallsyms_lookup_size_offset");

/// Returns the address ranges of the functions that can contain the code of
/// `task_numa_placement()`.
fn callers() -> Result<[Range<usize>; 2]> {
    let function = SIZE.find()?;
    let range = |name: &CStr| -> Result<Range<usize>> {
        let address = symbol::lookup(name)?;
        let (mut size, mut offset) = (0usize, 0usize);
        // SAFETY: `int kallsyms_lookup_size_offset(unsigned long addr, unsigned long *symbolsize,
        // unsigned long *offset)` takes any address. `size` and `offset` outlive the call.
        unsafe {
            call_at(
                function,
                [
                    address,
                    (&raw mut size).expose_provenance(),
                    (&raw mut offset).expose_provenance(),
                    0,
                    0,
                    0,
                ],
            )
        };
        Ok(address..address + size)
    };
    // If the compiler does not inline `task_numa_placement()`, the function has one of these
    // symbols.
    let apart = [
        c"task_numa_placement",
        c"task_numa_placement.part.0",
        c"task_numa_placement.isra.0",
        c"task_numa_placement.constprop.0",
    ];
    let apart = apart.into_iter().find_map(|name| range(name).ok());
    Ok([range(c"task_numa_fault")?, apart.unwrap_or(0..0)])
}

/// The function that `task_numa_placement()` calls first.
pub(super) const FUNCTION: &CStr = c"task_scan_max";

/// Recognises the calls of [`FUNCTION`] at which a window closes.
pub(super) struct Closing {
    callers: [Range<usize>; 2],
    /// The address to which the first call in `task_numa_placement()` returns; 0 until it is known.
    first: AtomicUsize,
}

impl Closing {
    /// # Errors
    ///
    /// - `ENOENT`: the kernel lacks `task_numa_fault()` or `kallsyms_lookup_size_offset()`.
    /// - `ENOMEM`: there is no memory for the look-ups.
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            callers: callers()?,
            first: AtomicUsize::new(0),
        })
    }

    /// Returns whether `call` is the first call that `task_numa_placement()` makes for the window.
    pub(super) fn is_first(&self, call: &Call, task: Task<'_>) -> bool {
        let caller = call.parent_ip();
        if !self.callers.iter().any(|range| range.contains(&caller)) {
            return false;
        }
        let first = self.first.load(Ordering::Relaxed);
        if first != 0 {
            return first == caller;
        }
        // At the second call the window's counts are zero. So if one is not zero, this is the first
        // call.
        let is_empty = (0..nodes())
            .all(|node| task.in_window(node, false) == 0 && task.in_window(node, true) == 0);
        if !is_empty {
            self.first.store(caller, Ordering::Relaxed);
            return true;
        }
        // If the window was empty, the counts are zero at both calls and do not distinguish them.
        // Between the calls, `numa_get_avg_runtime()` sets `last_task_numa_placement` to
        // `se.exec_start`. So if the two fields are equal, this is the second call. If `exec_start`
        // changes after that, an empty window is reported twice. This can happen only before the
        // first window that is not empty, since that one sets `first`.
        let task = task.as_ptr();
        // SAFETY: `task` is the current task, so it is valid.
        unsafe {
            (&raw const (*task).last_task_numa_placement).read_volatile()
                != (&raw const (*task).se.exec_start).read_volatile()
        }
    }
}

/// The hook for `unsigned int task_scan_max(struct task_struct *p)`.
pub(super) struct OnWindow<T> {
    shared: Arc<Shared<T>>,
    closing: Closing,
}

impl<T> OnWindow<T> {
    pub(super) const FUNCTION: &'static CStr = FUNCTION;

    /// # Errors
    ///
    /// Those of [`Closing::new`].
    pub(super) fn new(shared: Arc<Shared<T>>) -> Result<Self> {
        Ok(Self {
            shared,
            closing: Closing::new()?,
        })
    }
}

impl<T: Observer> EntryHandler for OnWindow<T> {
    #[inline]
    fn entry(&self, call: &Call) {
        let Some(observer) = self.shared.active() else {
            return;
        };
        // SAFETY: The handler, and so the current task, outlives this `Task`.
        let task = unsafe { Task::current() };
        if !task.has_mm() || !task.has_faults() || !self.closing.is_first(call, task) {
            return;
        }
        observer.window(&Window {
            size: size_of::<Window<'_>>(),
            task,
            // CAST: At most 1024.
            nodes: nodes() as u32,
            faults: task.faults(),
            group: task.group(),
        });
    }
}
