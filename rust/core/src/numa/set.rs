// SPDX-License-Identifier: GPL-2.0

//! Implements a set of rows, and finds the row of a key.

use super::{Layout, Row, RowMut, TaskId};
use core::ops::DerefMut;

/// The object that a row describes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Key {
    /// No object: the place is free.
    #[default]
    Free,
    /// A thread, by the address of its `task_struct`, since its ID can change in `execve()`.
    Task(usize),
    /// The ended threads of a process that has not ended.
    Process(i32),
    /// A cgroup: folios that are charged to it, and tasks that have ended in it.
    Cgroup(u64),
}

/// Returns the index of the set that has the row of `key`. The number `sets` must be a power of
/// two.
pub const fn set_of(key: Key, sets: usize) -> usize {
    let id = match key {
        Key::Free => 0,
        Key::Task(address) => address as u64 >> 6,
        Key::Process(tgid) => (tgid as u32 as u64) | (1 << 40),
        Key::Cgroup(id) => id | (1 << 41),
    };
    // This is Fibonacci hashing: multiplication by 2^64 / golden ratio spreads consecutive
    // numbers.
    let hash = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    hash as usize & sets.wrapping_sub(1)
}

/// The metadata of a row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Entry {
    /// The object that the row describes.
    pub key: Key,
    /// The task; for a process, the task that was added last.
    pub task: TaskId,
    /// The task's NUMA group at the end of its last scan window; 0 without a group.
    pub group: i32,
    /// The task's cgroup at that time.
    pub cgroup: u64,
    /// The task's preferred node.
    pub preferred: Option<usize>,
    /// Whether averages and window counts were copied from the kernel.
    pub is_seeded: bool,
    /// The start time of the hinting fault in progress, in nanoseconds; 0 if there is none.
    pub hint_at: u64,
    /// The time of the last use of the row.
    pub used_at: u64,
}

/// A place that was found or taken for a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Claimed {
    /// Its index in the set.
    pub index: usize,
    /// Whether the place was taken just now, so that its row is empty.
    pub is_new: bool,
}

/// Rows and their metadata.
#[derive(Debug)]
pub struct Set<E, W> {
    layout: Layout,
    entries: E,
    words: W,
}

impl<E: DerefMut<Target = [Entry]>, W: DerefMut<Target = [u64]>> Set<E, W> {
    /// Returns the set in `entries` and `words`. `words` must have [`Layout::words`] for each
    /// entry.
    pub fn new(layout: Layout, entries: E, words: W) -> Self {
        Self {
            layout,
            entries,
            words,
        }
    }

    /// Returns the index of the row of `key`.
    pub fn find(&self, key: Key) -> Option<usize> {
        self.entries.iter().position(|entry| entry.key == key)
    }

    /// Finds the row of `key`, or creates it. If the set is full, the new row replaces the least
    /// recently used row of a task. If the set has no row of a task, it replaces the least recently
    /// used row. `evict` is called with the old row first.
    ///
    /// Returns [`None`] if the set has a capacity of 0.
    pub fn claim(
        &mut self,
        key: Key,
        now: u64,
        evict: impl FnOnce(&Entry, Row<'_>),
    ) -> Option<Claimed> {
        if let Some(index) = self.find(key) {
            if let Some(entry) = self.entries.get_mut(index) {
                entry.used_at = now;
            }
            return Some(Claimed {
                index,
                is_new: false,
            });
        }
        let oldest = |(_, entry): &(usize, &Entry)| {
            let kind = match entry.key {
                Key::Free => 0,
                Key::Task(_) => 1,
                _ => 2,
            };
            (kind, entry.used_at)
        };
        let (index, entry) = self.entries.iter().enumerate().min_by_key(oldest)?;
        if entry.key != Key::Free {
            evict(entry, self.row(index));
        }
        self.row_mut(index).clear();
        let entry = self.entries.get_mut(index)?;
        *entry = Entry {
            key,
            used_at: now,
            ..Entry::default()
        };
        Some(Claimed {
            index,
            is_new: true,
        })
    }

    /// Returns the metadata of a row, and the row for changes.
    pub fn entry_and_row(&mut self, index: usize) -> Option<(&mut Entry, RowMut<'_>)> {
        let range = self.range(index);
        let row = RowMut::new(self.layout, self.words.get_mut(range)?);
        Some((self.entries.get_mut(index)?, row))
    }

    /// Returns the range of the words of a row.
    fn range(&self, index: usize) -> core::ops::Range<usize> {
        let words = self.layout.words();
        let first = index.wrapping_mul(words);
        first..first.wrapping_add(words)
    }

    /// Returns a row for reading; an empty one if there is no such row.
    pub fn row(&self, index: usize) -> Row<'_> {
        Row::new(self.layout, self.words(index))
    }

    /// Returns the words of a row.
    pub fn words(&self, index: usize) -> &[u64] {
        self.words.get(self.range(index)).unwrap_or_default()
    }

    /// Returns a row for changes; an empty one if there is no such row.
    pub fn row_mut(&mut self, index: usize) -> RowMut<'_> {
        let range = self.range(index);
        RowMut::new(self.layout, self.words.get_mut(range).unwrap_or_default())
    }

    /// Frees the place of a row.
    pub fn remove(&mut self, index: usize) {
        self.row_mut(index).clear();
        if let Some(entry) = self.entries.get_mut(index) {
            *entry = Entry::default();
        }
    }

    /// Frees all places.
    pub fn clear(&mut self) {
        self.words.fill(0);
        self.entries.fill(Entry::default());
    }

    /// Returns the rows in use and their metadata.
    pub fn iter(&self) -> impl Iterator<Item = (&Entry, &[u64])> {
        let in_use = |(_, entry): &(usize, &Entry)| entry.key != Key::Free;
        self.entries
            .iter()
            .enumerate()
            .filter(in_use)
            .map(|(index, entry)| (entry, self.words(index)))
    }
}
