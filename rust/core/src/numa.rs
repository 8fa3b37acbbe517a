// SPDX-License-Identifier: GPL-2.0

//! A table of NUMA hinting faults, by task and node.
//!
//! The kernel notes such faults while it handles a page fault, so the table can
//! neither wait nor allocate there: it is a fixed number of [`TaskSlot`]s, made of
//! atomics, in memory that the caller provides. A task is looked up by its pid
//! in a window of [`PROBES`] slots; the first record for a task takes an empty
//! slot of that window for good:
//!
//! ```text
//!            hash(pid)
//!                v
//!  slots  | A |  B  |  C  |     |  D  |     | ...
//!                '------- window -------'
//! ```
//!
//! # What concurrent callers may rely on
//!
//! [`Table::record`] may run on any number of CPUs, in any context, at the same
//! time as everything else. It takes a bounded number of steps unless the
//! processor itself lets an atomic addition wait.
//!
//! - Each record that returns [`Ok`] is counted once. Only [`Table::clear`]
//!   takes counts away, and the end of a task whose pid a later task has.
//! - A record goes to the row of its task, with one exception: when its row is
//!   cleared between the look-up and the addition, the pages may be erased with
//!   the row, or stay behind in the slot and show up with the next task that
//!   takes it. (At most one record for each CPU that is at it.)
//! - A task has one row as long as its records come from one CPU at a time, as
//!   those of the current task do. CPUs that record for the same task at once
//!   can give it a second row if a clear, or the reuse of the pid, meets them.
//! - Reading a row takes no snapshot: its counts may be of slightly different
//!   times. A row that changes hands meanwhile is left out.
//! - The names are only informative: for a moment a new row has none, and one
//!   that is just being changed may read half old, half new.

mod slot;

pub use slot::TaskSlot;
use slot::EMPTY;

/// The slots in which a task is looked for.
pub const PROBES: usize = 16;

/// The NUMA nodes that a table of the usual size tells apart.
pub const MAX_NODES: usize = 16;

/// The length of a task's name in bytes, as `TASK_COMM_LEN` in
/// `include/linux/sched.h`.
pub const COMM_LEN: usize = 16;

/// The least number of slots that [`capacity`] allows.
pub const MIN_SLOTS: usize = 64;

/// The greatest number of slots that [`capacity`] allows.
pub const MAX_SLOTS: usize = 65536;

/// log2 of the nanoseconds that tell two tasks of the same pid apart.
const START_SHIFT: u32 = 20;

/// A number of slots that is not between [`MIN_SLOTS`] and [`MAX_SLOTS`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OutOfRange;

/// The number of slots for a table of `requested` tasks: the next power of two.
#[inline]
pub const fn capacity(requested: usize) -> Result<usize, OutOfRange> {
    if requested < MIN_SLOTS || requested > MAX_SLOTS {
        return Err(OutOfRange);
    }
    match requested.checked_next_power_of_two() {
        Some(slots) => Ok(slots),
        None => Err(OutOfRange),
    }
}

/// Why a fault was not recorded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RecordError {
    /// Other tasks have all the slots where this one could be.
    Full,
    /// The table does not count the faults on this node.
    BadNode,
    /// Not the pid of a task: 0 or less.
    BadPid,
}

/// A task, as the table knows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TaskId {
    /// The pid of the thread, greater than 0.
    pub pid: i32,
    /// The pid of its thread group.
    pub tgid: i32,
    /// Its name, padded with NULs.
    pub comm: [u8; COMM_LEN],
    /// When it started, in nanoseconds after boot.
    ///
    /// Tells tasks apart that had the same pid one after the other, if they
    /// started at least 2^20 ns (1 ms) apart, and not within 1 ms of a multiple
    /// of 2^52 ns (52 days).
    pub start: u64,
}

impl TaskId {
    /// What identifies the task in one word: the lower 32 bits of the start in
    /// units of 2^20 ns, and the pid.
    #[inline]
    const fn key(&self) -> u64 {
        ((self.start >> START_SHIFT) << 32) | self.pid as u32 as u64
    }
}

/// The faults of one task.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Row<const N: usize> {
    /// The pid of the thread.
    pub pid: i32,
    /// The pid of its thread group, 0 when not known yet.
    pub tgid: i32,
    /// Its name, padded with NULs.
    pub comm: [u8; COMM_LEN],
    /// The pages of the faults on each node.
    pub faults: [u64; N],
    /// Those of them that were migrated.
    pub migrated: u64,
}

impl<const N: usize> Row<N> {
    /// The name up to the first NUL.
    pub fn comm(&self) -> &[u8] {
        self.comm
            .split(|&byte| byte == 0)
            .next()
            .unwrap_or_default()
    }
}

/// A table over slots that are somewhere else.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a, const N: usize> {
    slots: &'a [TaskSlot<N>],
}

impl<'a, const N: usize> Table<'a, N> {
    /// The table in `slots`. Use a power of two of them (see [`capacity`]), or
    /// those beyond one are never used.
    #[inline]
    pub const fn new(slots: &'a [TaskSlot<N>]) -> Self {
        Table { slots }
    }

    /// Adds `pages` to the faults of `task` on `node`, and to its migrated
    /// pages if they were `migrated`. The counts wrap around at 2^64.
    ///
    /// For any context. `task` must be alive, which the current task is.
    ///
    /// [`RecordError::Full`] does not mean that each slot is taken, but each in
    /// the window of this task.
    #[inline]
    pub fn record(
        &self,
        task: &TaskId,
        node: usize,
        pages: u64,
        migrated: bool,
    ) -> Result<(), RecordError> {
        if task.pid <= 0 {
            return Err(RecordError::BadPid);
        }
        if node >= N {
            return Err(RecordError::BadNode);
        }
        let slot = self.slot_of(task).ok_or(RecordError::Full)?;
        slot.describe(task);
        slot.add(node, pages, migrated).ok_or(RecordError::BadNode)
    }

    /// The rows of the tasks that have faults, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Row<N>> + 'a {
        self.slots.iter().filter_map(TaskSlot::row)
    }

    /// Empties the table. What is recorded meanwhile may be erased or not.
    pub fn clear(&self) {
        for slot in self.slots {
            slot.clear();
        }
    }

    /// The slot of `task`, taken for it if need be.
    #[inline]
    fn slot_of(&self, task: &TaskId) -> Option<&'a TaskSlot<N>> {
        let key = task.key();
        self.window(task.pid)
            .find(|slot| slot.owner() == key)
            .or_else(|| self.take_slot(task, key))
    }

    /// Finds or takes a slot for `key`, which was not in its window just now.
    #[cold]
    fn take_slot(&self, task: &TaskId, key: u64) -> Option<&'a TaskSlot<N>> {
        // A round fails when another CPU takes the slot first. Without a clear
        // that happens no more often than the window has slots.
        for _ in 0..=PROBES {
            let mut free = None;
            for slot in self.window(task.pid) {
                let mut owner = slot.owner();
                if owner != key && owner as u32 == key as u32 {
                    // The task that had the pid before this one is gone.
                    slot.retire(owner);
                    owner = slot.owner();
                }
                if owner == key {
                    return Some(slot);
                }
                if owner == EMPTY && free.is_none() {
                    free = Some(slot);
                }
            }
            // The first empty slot: CPUs that look for the same task settle
            // on the same one.
            let slot = free?;
            if slot.take(key) {
                return Some(slot);
            }
        }
        None
    }

    /// The slots in which the task of `pid` can be.
    #[inline]
    fn window(&self, pid: i32) -> impl Iterator<Item = &'a TaskSlot<N>> {
        let slots = self.slots;
        let bits = slots.len().checked_ilog2().unwrap_or(0);
        let mask = 1usize.wrapping_shl(bits).wrapping_sub(1);
        // Pids come one after the other: the golden ratio spreads them.
        let hash = (pid as u32).wrapping_mul(0x61c8_8647);
        let first = (u64::from(hash).wrapping_shl(bits) >> 32) as usize;
        (0..PROBES).filter_map(move |i| slots.get(first.wrapping_add(i) & mask))
    }
}
