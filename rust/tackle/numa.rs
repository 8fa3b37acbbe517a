// SPDX-License-Identifier: GPL-2.0

//! NUMA nodes, and the faults by which the kernel finds out where memory is used.
//!
//! C headers: [`include/linux/nodemask.h`](srctree/include/linux/nodemask.h),
//! [`include/linux/sched/numa_balancing.h`](srctree/include/linux/sched/numa_balancing.h)

use crate::{bindings, ftrace::Call};
use kernel::prelude::*;

/// Returns whether the node `node` is online.
///
/// # Context
///
/// Any.
pub fn is_online(node: usize) -> bool {
    let Ok(node) = i32::try_from(node) else {
        return false;
    };
    // SAFETY: The helper looks whether there can be such a node at all.
    unsafe { bindings::node_online(node) }
}

/// A call of `task_numa_fault()` in `kernel/sched/fair.c`: the current task has touched
/// memory that the kernel had made to fault.
pub struct HintingFault {
    /// The node of the memory, after it was migrated if it was.
    pub node: usize,
    /// How much memory, in pages.
    pub pages: u64,
    /// Whether the fault migrated it.
    pub migrated: bool,
}

impl HintingFault {
    /// The kernel function at whose entry to make this.
    pub const FUNCTION: &'static CStr = c"task_numa_fault";

    /// Reads the arguments of
    /// `task_numa_fault(int last_cpupid, int mem_node, int pages, int flags)`; [`None`] if
    /// they cannot be those, being negative.
    #[inline]
    pub fn of(call: &Call) -> Option<Self> {
        // CAST: An `int` is the lower 32 bits of its register.
        let int = |n| call.argument(n).map(|register| register as i32);
        Some(Self {
            node: usize::try_from(int(1)?).ok()?,
            pages: u64::try_from(int(2)?).ok()?,
            // CAST: The same bits.
            migrated: int(3)? as u32 & bindings::TNF_MIGRATED != 0,
        })
    }
}
