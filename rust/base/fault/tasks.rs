// SPDX-License-Identifier: GPL-2.0

//! Implements the lists of tasks behind the files `fail-nth` and `make-it-fail`. Kernels without
//! fault injection have no fields for this in `struct task_struct`.

use super::SWITCH;
use crate::bindings;
use core::sync::atomic::{
    AtomicU32, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};
use kernel::{sync::rcu, task::Task};

/// The most tasks in a list. If there are more, a new task replaces another one in turn.
const TASKS: usize = 32;
/// The most ancestors of a task that are searched for a mark.
const MAX_DEPTH: usize = 64;

/// Identifies a task by its address and its start time. The address alone is not enough: another
/// task can have it later.
#[derive(Clone, Copy, PartialEq)]
struct Id {
    address: usize,
    start: u64,
}

impl Id {
    /// # Safety
    ///
    /// The task is valid.
    unsafe fn of(task: *const kernel::bindings::task_struct) -> Self {
        Self {
            address: task.addr(),
            // SAFETY: By the function's requirements.
            start: unsafe { (&raw const (*task).start_boottime).read_volatile() },
        }
    }

    fn current() -> Self {
        // SAFETY: `current` is valid in every context.
        unsafe { Self::of(Task::current_raw()) }
    }
}

/// A task, and a number for it.
struct Slot {
    address: AtomicUsize,
    start: AtomicU64,
    number: AtomicU32,
}

impl Slot {
    fn has(&self, id: Id) -> bool {
        self.address.load(Acquire) == id.address && self.start.load(Relaxed) == id.start
    }
}

/// A list of tasks with a number for each. A task with the number 0 counts as not in the list.
struct Tasks {
    slots: [Slot; TASKS],
    next: AtomicUsize,
}

impl Tasks {
    const fn new() -> Self {
        Self {
            slots: [const {
                Slot {
                    address: AtomicUsize::new(0),
                    start: AtomicU64::new(0),
                    number: AtomicU32::new(0),
                }
            }; TASKS],
            next: AtomicUsize::new(0),
        }
    }

    fn is_used(&self) -> bool {
        self.slots.iter().any(|slot| slot.number.load(Relaxed) != 0)
    }

    fn of(&self, id: Id) -> Option<&AtomicU32> {
        let slot = self.slots.iter().find(|slot| slot.has(id))?;
        Some(&slot.number).filter(|number| number.load(Relaxed) != 0)
    }

    /// Sets the number of the current task. May sleep.
    fn set_current(&self, number: u32) {
        // The lock keeps two tasks from taking the same free slot.
        let _switch = SWITCH.lock();
        let id = Id::current();
        if let Some(slot) = self.slots.iter().find(|slot| slot.has(id)) {
            return slot.number.store(number, Relaxed);
        }
        if number == 0 {
            return;
        }
        let is_free = |slot: &&Slot| slot.number.load(Relaxed) == 0;
        let free = self.slots.iter().find(is_free);
        let oldest = self.next.fetch_add(1, Relaxed) % TASKS;
        let Some(slot) = free.or_else(|| self.slots.get(oldest)) else {
            return;
        };
        slot.address.store(0, Relaxed);
        slot.number.store(number, Relaxed);
        slot.start.store(id.start, Relaxed);
        slot.address.store(id.address, Release);
    }
}

/// The data of the file `fail-nth`: for each task, the number of decisions until one fails.
pub(super) struct Nth(Tasks);

impl Nth {
    pub(super) const fn new() -> Self {
        Self(Tasks::new())
    }

    /// Returns whether any task has decisions left until one fails.
    pub(super) fn is_used(&self) -> bool {
        self.0.is_used()
    }

    /// Returns the number of decisions left for the current task, if it has written to the file.
    pub(super) fn of_current(&self) -> Option<&AtomicU32> {
        self.0.of(Id::current())
    }

    /// Sets the number of decisions left for the current task. May sleep.
    pub(super) fn set_current(&self, left: u32) {
        self.0.set_current(left);
    }
}

/// The data of the file `make-it-fail`: the marked tasks. While `task-filter` is on, points fail
/// only for marked tasks and their descendants.
pub(super) struct Marks(Tasks);

impl Marks {
    pub(super) const fn new() -> Self {
        Self(Tasks::new())
    }

    /// Returns whether the current task or one of its ancestors is marked.
    pub(super) fn has_current(&self) -> bool {
        // SAFETY: The helper only reads the current task and the preemption count.
        if unsafe { bindings::fail_task() } {
            return true;
        }
        if !self.0.is_used() {
            return false;
        }
        let _guard = rcu::read_lock();
        let mut task: *const kernel::bindings::task_struct = Task::current_raw();
        for _ in 0..MAX_DEPTH {
            // SAFETY: The task is the current task or one of its ancestors, which the RCU read
            // section keeps valid.
            let (id, parent, pid) = unsafe {
                (
                    Id::of(task),
                    (&raw const (*task).real_parent).read_volatile(),
                    (*task).pid,
                )
            };
            if self.0.of(id).is_some() {
                return true;
            }
            if pid <= 1 || parent.is_null() {
                return false;
            }
            task = parent;
        }
        false
    }

    /// Returns whether the current task itself is marked.
    pub(super) fn is_current_marked(&self) -> bool {
        self.0.of(Id::current()).is_some()
    }

    /// Marks the current task, or removes its mark. May sleep.
    pub(super) fn set_current(&self, marked: bool) {
        self.0.set_current(marked.into());
    }
}
