// SPDX-License-Identifier: GPL-2.0

//! Implements the interface to automatic NUMA balancing: its events for observers, policies that
//! change its decisions, and the nodes of the machine.
//!
//! The kernel's balancing makes page table entries of a task fault periodically, and counts on
//! which node the memory of these hinting faults is. It migrates memory to the node of the task,
//! and the task to the node of its memory (`kernel/sched/fair.c`). A [`Registration`] calls an
//! [`Observer`] at these steps:
//!
//! ```ignore
//! struct Local(Counter);
//!
//! impl Observer for Local {
//!     fn fault(&self, fault: &Fault<'_>) {
//!         if fault.is_local() {
//!             self.0.add(fault.pages().into());
//!         }
//!     }
//! }
//!
//! let registration = Registration::new(Local(Counter::new()?), Events::FAULT)?;
//! ```
//!
//! A [`Policy`] replaces decisions of the kernel: which VMAs are scanned, which node a task
//! prefers, which folios a fault migrates.
//!
//! C modules have the same interface by `include/tackle/numa.h`. An event is implemented by hooks
//! on kernel functions, which exist while an observer needs them. `Documentation/numa.rst` lists
//! the functions.
//!
//! C headers: [`include/linux/nodemask.h`](srctree/include/linux/nodemask.h),
//! [`include/linux/sched/numa_balancing.h`](srctree/include/linux/sched/numa_balancing.h)

#[macro_use]
mod layout;

mod c;
mod control;
mod events;
mod exit;
mod fault;
mod hint;
mod hugetlb;
mod migration;
mod node;
mod overrides;
mod placement;
mod policy;
mod policy_c;
mod probe;
mod registration;
mod scan;
mod skip;
mod task;
mod wakeup;
mod window;

pub use control::{move_to_node, set_preferred_node, Control, Controller};
pub use events::{Event, Events};
pub use exit::Exit;
pub use fault::{Counted, Fault, Privacy};
pub use hint::Hint;
pub use hugetlb::count_hugetlb;
pub use migration::{Migration, Outcome};
pub use node::{cpus, distance, free_pages, is_online, node_of_cpu, nodes, present_pages};
pub use placement::{Placement, PlacementKind};
pub use policy::{Choice, Page, Policy, PolicyRegistration, Verdict};
pub(crate) use probe::Probes;
pub use registration::Registration;
pub use scan::{Scan, ScanResult};
pub use skip::{Skip, SkipReason};
pub use task::{each_task, EndingTask, Locality, Task};
pub use wakeup::Wakeup;
pub use window::Window;

/// Initialises the locks of this module.
///
/// # Safety
///
/// To be called once, before [`library::ready`](crate::library::ready).
pub(crate) unsafe fn init() {
    // SAFETY: By the function's requirements.
    unsafe {
        overrides::init();
        probe::init();
    }
}

/// The methods that are called at the events that a [`Registration`] selects.
///
/// # Context
///
/// Preemption is disabled, and RCU is watching. An observer must not sleep, and must not take a
/// lock that a caller of the scheduler or of the memory management can hold. A lock of its own must
/// disable interrupts. It runs on many CPUs at once. Kernel functions that it calls are not
/// observed. The types of the events describe further rules.
pub trait Observer: Send + Sync + 'static {
    /// The kernel handles a hinting fault.
    fn hint(&self, _hint: &Hint<'_>) {}

    /// The kernel adds a hinting fault to its statistics.
    fn fault(&self, _fault: &Fault<'_>) {}

    /// `task_numa_fault()` has returned: the fault was counted as private, as shared, or ignored.
    fn counted(&self, _counted: &Counted<'_>) {}

    /// A task's scan window closes.
    fn window(&self, _window: &Window<'_>) {}

    /// A task has done its part of the scan.
    fn scan(&self, _scan: &Scan<'_>) {}

    /// A scan skips a VMA.
    fn skip(&self, _skip: &Skip<'_>) {}

    /// The kernel has migrated a misplaced folio, or has given up.
    fn migration(&self, _migration: &Migration<'_>) {}

    /// A task's preferred node changes, or the kernel has moved or swapped it.
    fn placement(&self, _placement: &Placement<'_>) {}

    /// A task has ended, or executes another program.
    fn exit(&self, _exit: &Exit<'_>) {}

    /// A task or an interrupt wakes a task.
    fn wakeup(&self, _wakeup: &Wakeup<'_>) {}
}
