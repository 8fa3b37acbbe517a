// SPDX-License-Identifier: GPL-2.0

//! Implements the table of `numa_stat`'s rows, and their locks.

use kernel::{new_spinlock_irq, prelude::*, sync::SpinLockIrq};
use tackle::{percpu::Counter, time};
use tackle_core::numa::{
    set_of, Claimed, Entry, Key, Layout, Level, Others, Row, RowMut, Set, TaskId,
};

/// The number of rows in a set.
const WAYS: usize = 16;

/// The number of words that [`Table::fold`] moves while it holds a lock.
const PART: usize = 32;

type Rows = Set<KVVec<Entry>, KVVec<u64>>;

/// The rows of tasks, of ended tasks of processes, and of cgroups.
pub(crate) struct Table {
    layout: Layout,
    sets: KVec<Pin<KBox<SpinLockIrq<Rows>>>>,
    /// The sums of the evicted rows.
    others: Pin<KBox<SpinLockIrq<Others<KVVec<u64>>>>>,
    evicted: Counter,
}

impl Table {
    /// Returns the size of a row in bytes.
    pub(crate) fn row_size(layout: Layout) -> usize {
        layout.words() * size_of::<u64>() + size_of::<Entry>()
    }

    /// Creates a table of at most `bytes`.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: `bytes` is too small for one set.
    /// - `ENOMEM`: there is no memory.
    pub(crate) fn new(layout: Layout, bytes: usize) -> Result<Self> {
        let fit = bytes / (WAYS * Self::row_size(layout));
        let Some(log) = fit.checked_ilog2() else {
            return Err(EINVAL);
        };
        let count = 1 << log;
        let mut sets = KVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            let rows = Set::new(
                layout,
                KVVec::from_elem(Entry::default(), WAYS, GFP_KERNEL)?,
                KVVec::from_elem(0, WAYS * layout.words(), GFP_KERNEL)?,
            );
            let set = KBox::pin_init(new_spinlock_irq!(rows, "numa_stat_set"), GFP_KERNEL)?;
            sets.push(set, GFP_KERNEL)?;
        }
        let words = Others::<KVVec<u64>>::words(layout);
        let others = Others::new(layout, KVVec::from_elem(0, words, GFP_KERNEL)?);
        Ok(Self {
            layout,
            sets,
            others: KBox::pin_init(new_spinlock_irq!(others, "numa_stat_others"), GFP_KERNEL)?,
            evicted: Counter::new()?,
        })
    }

    /// Returns the layout of a row in memory.
    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// Returns the maximum number of rows.
    pub(crate) fn capacity(&self) -> usize {
        self.sets.len() * WAYS
    }

    /// Returns the number of rows in use.
    pub(crate) fn rows(&self) -> usize {
        self.sets.iter().map(|set| set.lock().iter().count()).sum()
    }

    /// Returns the number of evicted rows, including rows of processes and cgroups.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted.sum()
    }

    fn set(&self, key: Key) -> Option<&SpinLockIrq<Rows>> {
        let set = self.sets.get(set_of(key, self.sets.len()))?;
        Some(set)
    }

    /// Calls `change` with the row of `key`. The `bool` is true if the row was just created.
    ///
    /// Takes the lock of a set, with interrupts disabled.
    pub(crate) fn with(&self, key: Key, change: impl FnOnce(&mut Entry, RowMut<'_>, bool)) {
        let Some(set) = self.set(key) else {
            return;
        };
        let mut rows = set.lock();
        let claimed = rows.claim(key, time::mono_fast_ns(), |entry, row| {
            self.evicted.increment();
            self.others.lock().add(entry.key, row);
        });
        let Some(Claimed { index, is_new }) = claimed else {
            return;
        };
        if let Some((entry, row)) = rows.entry_and_row(index) {
            change(entry, row, is_new);
        }
    }

    /// Calls `change` with the row of `key`, if there is one.
    pub(crate) fn with_existing(&self, key: Key, change: impl FnOnce(&mut Entry, RowMut<'_>)) {
        let Some(set) = self.set(key) else {
            return;
        };
        let mut rows = set.lock();
        let Some(index) = rows.find(key) else {
            return;
        };
        if let Some((entry, row)) = rows.entry_and_row(index) {
            entry.used_at = time::mono_fast_ns();
            change(entry, row);
        }
    }

    /// Adds the row of `from`, a task that has ended, to the rows of `to`, and frees it.
    ///
    /// It holds one lock at a time and moves `PART` words at a time. A reader can see some words in
    /// the old row and the rest in the new ones.
    pub(crate) fn fold(&self, from: Key, task: &TaskId, to: &[Key]) {
        let mut part = [0; PART];
        let words = self.layout.words();
        for first in (0..words).step_by(PART) {
            let end = (first + PART).min(words);
            let is_last = end == words;
            let Some(len) = self.take_part(from, first..end, is_last, &mut part) else {
                return;
            };
            let part = part.get(..len).unwrap_or_default();
            for &key in to {
                self.with(key, |entry, mut row, _| {
                    entry.task = *task;
                    row.merge(first, part);
                });
            }
        }
    }

    /// Moves the words in `range` to `part`, and frees the row if `is_last`. Returns [`None`] if
    /// there is no such row.
    fn take_part(
        &self,
        key: Key,
        range: core::ops::Range<usize>,
        is_last: bool,
        part: &mut [u64; PART],
    ) -> Option<usize> {
        let mut rows = self.set(key)?.lock();
        let index = rows.find(key)?;
        let taken = rows.row_mut(index).take(range, part);
        if is_last {
            rows.remove(index);
        }
        Some(taken)
    }

    /// Frees the row of `key`.
    pub(crate) fn remove(&self, key: Key) {
        if let Some(set) = self.set(key) {
            let mut rows = set.lock();
            if let Some(index) = rows.find(key) {
                rows.remove(index);
            }
        }
    }

    /// Frees all rows.
    pub(crate) fn clear(&self) {
        for set in &self.sets {
            set.lock().clear();
        }
        self.others.lock().clear();
    }

    /// Calls `visit` with a copy of each row. Each copy is consistent. Copies from different sets
    /// are made at different times.
    ///
    /// It copies one set at a time and releases the lock, so that `visit` may sleep.
    ///
    /// # Errors
    ///
    /// Returns `ENOMEM` if there is no memory, and the errors of `visit`.
    pub(crate) fn each(&self, mut visit: impl FnMut(&Entry, Row<'_>) -> Result) -> Result {
        let words = self.layout.words();
        let mut entries = KVVec::from_elem(Entry::default(), WAYS, GFP_KERNEL)?;
        let mut copies = KVVec::from_elem(0u64, WAYS * words, GFP_KERNEL)?;
        for set in &self.sets {
            let mut count = 0;
            {
                let rows = set.lock();
                let places = entries.iter_mut().zip(copies.chunks_exact_mut(words));
                for ((entry, words), (to_entry, to_words)) in rows.iter().zip(places) {
                    *to_entry = *entry;
                    to_words.copy_from_slice(words);
                    count += 1;
                }
            }
            let copies = copies.chunks_exact(words);
            for (entry, words) in entries.iter().zip(copies).take(count) {
                visit(entry, Row::new(self.layout, words))?;
            }
        }
        Ok(())
    }

    /// Calls `visit` with the sum of the evicted rows that belong to `level`, if there are any.
    ///
    /// # Errors
    ///
    /// Returns `ENOMEM` if there is no memory, and the errors of `visit`.
    pub(crate) fn others(&self, level: Level, visit: impl FnOnce(Row<'_>) -> Result) -> Result {
        let mut words = KVVec::from_elem(0u64, self.layout.words(), GFP_KERNEL)?;
        let mut sum = RowMut::new(self.layout, &mut words);
        self.others.lock().add_to(level, &mut sum);
        let sum = sum.as_row();
        if sum.is_empty() {
            return Ok(());
        }
        visit(sum)
    }
}
