// SPDX-License-Identifier: GPL-2.0

//! Implements the events `fault` and `counted`: the kernel adds a hinting fault to its statistics.
//!
//! C source: `task_numa_fault()` in `kernel/sched/fair.c`

use super::{
    node::{index, this_node},
    registration::Shared,
    Observer, Task,
};
use crate::{
    bindings,
    ftrace::{Call, EntryHandler, ExitHandler, Return},
    time,
};
use kernel::{ffi::c_int, prelude::*, sync::Arc};

/// A call of `task_numa_fault()` by a task with an address space.
///
/// The kernel does not count all of these calls. It ignores a call if balancing has been switched
/// off, and in tiering mode if the memory is on a slow node. [`Counted::privacy`] then returns
/// [`Privacy::Ignored`].
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Fault<'a> {
    size: usize,
    task: Task<'a>,
    mem_node: c_int,
    cpu_node: c_int,
    pages: u32,
    flags: u32,
    last_cpu: c_int,
    last_pid: c_int,
}

same_layout!(
    Fault, tackle_numa_fault:
    size, task, mem_node, cpu_node, pages, flags, last_cpu, last_pid
);

const _: () = assert!(
    bindings::TNF_MIGRATED == bindings::TACKLE_NUMA_MIGRATED
        && bindings::TNF_NO_GROUP == bindings::TACKLE_NUMA_NO_GROUP
        && bindings::TNF_SHARED == bindings::TACKLE_NUMA_SHARED
        && bindings::TNF_FAULT_LOCAL == bindings::TACKLE_NUMA_LOCAL
        && bindings::TNF_MIGRATE_FAIL == bindings::TACKLE_NUMA_MIGRATE_FAIL
);

impl<'a> Fault<'a> {
    /// Reads the arguments of
    /// `task_numa_fault(int last_cpupid, int mem_node, int pages, int flags)`.
    #[inline]
    fn of(call: &Call) -> Option<Self> {
        // SAFETY: The handler, and so the current task, outlives this `Task`.
        let task = unsafe { Task::current() };
        // The kernel does not count the faults of kernel threads, for instance of `ksmd`.
        if !task.has_mm() {
            return None;
        }
        // CAST: An `int` is the lower 32 bits of its register.
        let int = |n| call.argument(n).map(|register| register as c_int);
        let arguments = [int(0)?, int(1)?, int(2)?, int(3)?];
        Some(Self::new(task, this_node(), arguments))
    }

    /// Creates the fault of `task` on a CPU of `cpu_node` from the function's arguments.
    #[inline(always)]
    fn new(task: Task<'a>, cpu_node: c_int, arguments: [c_int; 4]) -> Self {
        let [cpupid, mem_node, pages, flags] = arguments;
        let (last_cpu, last_pid) = last_access(cpupid);
        Self {
            size: size_of::<Self>(),
            task,
            mem_node,
            cpu_node,
            // CAST: A number of pages is not negative.
            pages: pages as u32,
            // CAST: Flags are bits, which the cast keeps.
            flags: flags as u32,
            last_cpu,
            last_pid,
        }
    }

    /// Returns the current task.
    #[inline]
    pub fn task(&self) -> Task<'a> {
        self.task
    }

    /// Returns the node of the memory. If the fault migrated the memory, this is the new node.
    #[inline]
    pub fn mem_node(&self) -> Option<usize> {
        index(self.mem_node)
    }

    /// Returns the node of the CPU.
    #[inline]
    pub fn cpu_node(&self) -> Option<usize> {
        index(self.cpu_node)
    }

    /// Returns how many pages the fault counts for.
    #[inline]
    pub fn pages(&self) -> u32 {
        self.pages
    }

    /// Returns whether the fault migrated the memory.
    #[inline]
    pub fn is_migrated(&self) -> bool {
        self.flags & bindings::TNF_MIGRATED != 0
    }

    /// Returns whether a migration was tried and failed.
    #[inline]
    pub fn has_failed(&self) -> bool {
        self.flags & bindings::TNF_MIGRATE_FAIL != 0
    }

    /// Returns whether several address spaces map the memory.
    #[inline]
    pub fn is_shared(&self) -> bool {
        self.flags & bindings::TNF_SHARED != 0
    }

    /// Returns whether the memory and the CPU were on the same node when the fault happened.
    #[inline]
    pub fn is_local(&self) -> bool {
        self.flags & bindings::TNF_FAULT_LOCAL != 0
    }

    /// Returns the CPU of the previous fault on the page, if the kernel has recorded one.
    #[inline]
    pub fn last_cpu(&self) -> Option<u32> {
        u32::try_from(self.last_cpu).ok()
    }

    /// Returns the lower eight bits of the ID of the task of the previous fault on the page, if the
    /// kernel has recorded one.
    #[inline]
    pub fn last_pid(&self) -> Option<u8> {
        u8::try_from(self.last_pid).ok()
    }

    /// Returns the numbers of shared and of private pages that the task's window has for the memory
    /// node of this fault.
    #[inline]
    fn window(&self) -> [u64; 2] {
        let node = self.mem_node().unwrap_or(usize::MAX);
        [false, true].map(|private| self.task.in_window(node, private))
    }
}

/// Returns the CPU and the PID of the last access, like `cpupid_to_cpu()` and `cpupid_to_pid()`.
/// Both are -1 if the kernel has recorded no access.
#[inline(always)]
fn last_access(cpupid: c_int) -> (c_int, c_int) {
    // CAST: The masks have fewer than 31 bits.
    const NONE: c_int = bindings::LAST_CPUPID_MASK as c_int;
    // CAST: As for `NONE`.
    const CPU: c_int = bindings::LAST__CPU_MASK as c_int;
    // CAST: As for `NONE`.
    const PID: c_int = bindings::LAST__PID_MASK as c_int;
    if cpupid == NONE {
        return (-1, -1);
    }
    ((cpupid >> bindings::LAST__PID_SHIFT) & CPU, cpupid & PID)
}

/// The hook for the event `fault`.
pub(super) struct OnFault<T>(pub(super) Arc<Shared<T>>);

impl<T> OnFault<T> {
    pub(super) const FUNCTION: &'static CStr = c"task_numa_fault";
}

impl<T: Observer> EntryHandler for OnFault<T> {
    #[inline]
    fn entry(&self, call: &Call) {
        if let (Some(observer), Some(fault)) = (self.0.active(), Fault::of(call)) {
            observer.fault(&fault);
        }
    }
}

/// How the kernel has counted a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Privacy {
    /// The kernel has not counted the fault.
    Ignored = -1,
    /// Another task accessed the page before.
    Shared = 0,
    /// The same task accessed the page before, or no access was recorded.
    Private = 1,
}

/// A call of `task_numa_fault()` that has returned: the [`Fault`], and how the kernel has counted
/// it.
#[repr(C)]
pub struct Counted<'a> {
    size: usize,
    private: Privacy,
    duration: u64,
    // The last field, so that fields can be added to `Fault`.
    fault: Fault<'a>,
}

same_layout!(Counted, tackle_numa_counted: size, private, duration, fault);

impl<'a> Counted<'a> {
    /// Returns the fault.
    #[inline]
    pub fn fault(&self) -> &Fault<'a> {
        &self.fault
    }

    /// Returns how the kernel has counted the fault.
    #[inline]
    pub fn privacy(&self) -> Privacy {
        self.private
    }

    /// Returns how long `task_numa_fault()` took, in nanoseconds. The function may have moved the
    /// task to another CPU.
    #[inline]
    pub fn duration(&self) -> u64 {
        self.duration
    }
}

/// The data that the hook of the event `counted` passes from the function's entry to its exit.
#[derive(Clone, Copy)]
pub(super) struct Before {
    start: u64,
    window: [u64; 2],
    scan_seq: c_int,
    arguments: [c_int; 4],
    cpu_node: c_int,
}

/// The hook for the event `counted`.
pub(super) struct OnCounted<T>(pub(super) Arc<Shared<T>>);

impl<T: Observer> ExitHandler for OnCounted<T> {
    type Data = Before;

    #[inline]
    fn entry(&self, call: &Call) -> Option<Before> {
        self.0.active()?;
        let fault = Fault::of(call)?;
        // CAST: An `int` is the lower 32 bits of its register.
        let int = |n| call.argument(n).unwrap_or(0) as c_int;
        Some(Before {
            start: time::mono_fast_ns(),
            window: fault.window(),
            scan_seq: fault.task.scan_seq(),
            arguments: [int(0), int(1), int(2), int(3)],
            cpu_node: fault.cpu_node,
        })
    }

    #[inline]
    fn exit(&self, _ret: &Return, before: Before) {
        let Some(observer) = self.0.active() else {
            return;
        };
        // SAFETY: The handler, and so the current task, outlives this `Task`.
        let task = unsafe { Task::current() };
        let fault = Fault::new(task, before.cpu_node, before.arguments);
        let private = privacy(&fault, &before);
        observer.counted(&Counted {
            size: size_of::<Counted<'_>>(),
            private,
            fault,
            duration: time::mono_fast_ns().saturating_sub(before.start),
        });
    }
}

/// Returns how the kernel has counted `fault`. The kernel has increased either the shared or the
/// private count of the task's window. If the call closed the window, the kernel set both counts to
/// 0 before it counted the fault.
fn privacy(fault: &Fault<'_>, before: &Before) -> Privacy {
    let [shared, private] = if fault.task.scan_seq() == before.scan_seq {
        before.window
    } else {
        [0, 0]
    };
    let after = fault.window();
    if after[1] != private {
        Privacy::Private
    } else if after[0] != shared {
        Privacy::Shared
    } else {
        Privacy::Ignored
    }
}
