// SPDX-License-Identifier: GPL-2.0

//! One slot of the table, and who owns it.

use super::{Row, TaskId};
use core::sync::atomic::{
    fence, AtomicI32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// Nobody owns the slot.
pub(super) const EMPTY: u64 = 0;

/// The slot is being emptied. No key of a task is this one, as pids are not 0.
const RETIRED: u64 = 1 << 32;

/// Room for one row of a [`Table`](super::Table) with `N` nodes.
///
/// All zero bytes are an empty slot.
#[derive(Debug)]
#[repr(C)]
pub struct TaskSlot<const N: usize> {
    /// [`EMPTY`], [`RETIRED`] or the [`TaskId::key`] of the owner.
    key: AtomicU64,
    tgid: AtomicI32,
    /// The two halves of the name.
    comm: [AtomicU64; 2],
    /// Pages, by node.
    faults: [AtomicU64; N],
    migrated: AtomicU64,
}

impl<const N: usize> TaskSlot<N> {
    /// An empty slot.
    pub const fn new() -> Self {
        TaskSlot {
            key: AtomicU64::new(EMPTY),
            tgid: AtomicI32::new(0),
            comm: [const { AtomicU64::new(0) }; 2],
            faults: [const { AtomicU64::new(0) }; N],
            migrated: AtomicU64::new(0),
        }
    }

    /// The [`TaskId::key`] of the task that owns the slot, or [`EMPTY`], or
    /// another number that no task has.
    #[inline]
    pub(super) fn owner(&self) -> u64 {
        self.key.load(Acquire)
    }

    /// Makes `key` the owner if the slot is empty; true if that worked.
    pub(super) fn take(&self, key: u64) -> bool {
        self.key
            .compare_exchange(EMPTY, key, AcqRel, Relaxed)
            .is_ok()
    }

    /// Empties the slot if `key` owns it.
    pub(super) fn retire(&self, key: u64) {
        let retired = self.key.compare_exchange(key, RETIRED, AcqRel, Relaxed);
        if retired.is_err() {
            // Someone else was faster.
            return;
        }
        // Pairs with the fence in `row`.
        fence(Release);
        // Nobody can take the slot, so this erases counts of `key` alone.
        for count in self.faults.iter().chain([&self.migrated]).chain(&self.comm) {
            count.store(0, Relaxed);
        }
        self.tgid.store(0, Relaxed);
        self.key.store(EMPTY, Release);
    }

    /// Empties the slot, whoever owns it.
    pub(super) fn clear(&self) {
        let key = self.key.load(Relaxed);
        if key != EMPTY && key != RETIRED {
            self.retire(key);
        }
    }

    /// Notes how the owner is called now: an exec changes that.
    #[inline]
    pub(super) fn describe(&self, task: &TaskId) {
        let comm = u128::from_ne_bytes(task.comm);
        let halves = [comm as u64, (comm >> 64) as u64];
        // Mostly nothing is new, then the cache lines stay clean.
        if self.tgid.load(Relaxed) != task.tgid {
            self.tgid.store(task.tgid, Relaxed);
        }
        for (to, half) in self.comm.iter().zip(halves) {
            if to.load(Relaxed) != half {
                to.store(half, Relaxed);
            }
        }
    }

    /// Adds to the counts; [`None`] if there is no such node.
    #[inline]
    pub(super) fn add(&self, node: usize, pages: u64, migrated: bool) -> Option<()> {
        self.faults.get(node)?.fetch_add(pages, Relaxed);
        if migrated {
            self.migrated.fetch_add(pages, Relaxed);
        }
        Some(())
    }

    /// The row in the slot, if there is one with faults.
    pub(super) fn row(&self) -> Option<Row<N>> {
        let key = self.key.load(Acquire);
        if key == EMPTY || key == RETIRED {
            return None;
        }
        let [low, high] = &self.comm;
        let comm = u128::from(low.load(Relaxed)) | (u128::from(high.load(Relaxed)) << 64);
        let mut row = Row {
            pid: key as u32 as i32,
            tgid: self.tgid.load(Relaxed),
            comm: comm.to_ne_bytes(),
            faults: [0; N],
            migrated: self.migrated.load(Relaxed),
        };
        for (to, from) in row.faults.iter_mut().zip(&self.faults) {
            *to = from.load(Relaxed);
        }
        // Pairs with the fence in `retire`: who read a count that was erased, or
        // one of the next owner, sees another key now.
        fence(Acquire);
        let same = self.key.load(Relaxed) == key;
        (same && row.faults.iter().any(|&pages| pages != 0)).then_some(row)
    }
}

impl<const N: usize> Default for TaskSlot<N> {
    fn default() -> Self {
        Self::new()
    }
}
