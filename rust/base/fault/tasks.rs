// SPDX-License-Identifier: GPL-2.0

//! The tasks that have asked to fail, on kernels whose `struct task_struct` has no place for that.

use super::SWITCH;
use crate::bindings;
use core::sync::atomic::{
    AtomicU32, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};
use kernel::{sync::rcu, task::Task};

/// How many tasks are kept. If there are more, those that have asked first are forgotten.
const TASKS: usize = 32;
/// How many ancestors of a task are looked at.
const MAX_DEPTH: usize = 64;

/// Which task it is: its address, and when it began. Another task can have the address later.
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

/// Tasks, and a number for each; 0 is the same as none.
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
        // One at a time: two tasks do not take the same free place.
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

/// The file `fail-nth`: how many decisions are left until one of a task fails.
pub(super) struct Nth(Tasks);

impl Nth {
    pub(super) const fn new() -> Self {
        Self(Tasks::new())
    }

    /// Returns whether any task waits for a decision to fail.
    pub(super) fn is_used(&self) -> bool {
        self.0.is_used()
    }

    /// Returns what is left for the current task, if it has asked.
    pub(super) fn of_current(&self) -> Option<&AtomicU32> {
        self.0.of(Id::current())
    }

    /// Sets what is left for the current task. May sleep.
    pub(super) fn set_current(&self, left: u32) {
        self.0.set_current(left);
    }
}

/// The file `make-it-fail`: tasks that fail while `task-filter` is on, with those that they make.
pub(super) struct Marks(Tasks);

impl Marks {
    pub(super) const fn new() -> Self {
        Self(Tasks::new())
    }

    /// Returns whether the current task is marked, or one that has made it.
    pub(super) fn has_current(&self) -> bool {
        // SAFETY: Looks at the current task and context only.
        if unsafe { bindings::fail_task() } {
            return true;
        }
        if !self.0.is_used() {
            return false;
        }
        let _guard = rcu::read_lock();
        let mut task: *const kernel::bindings::task_struct = Task::current_raw();
        for _ in 0..MAX_DEPTH {
            // SAFETY: It is the current task, or one of its ancestors under RCU.
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

    /// Marks the current task, or takes its mark. May sleep.
    pub(super) fn set_current(&self, marked: bool) {
        self.0.set_current(marked.into());
    }
}
