// SPDX-License-Identifier: GPL-2.0

//! Implements the sums of evicted rows, so that no count is lost when a set is full.

use super::{Key, Layout, Row, RowMut};
use core::ops::DerefMut;

/// The kind of objects for which rows are summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Tasks.
    Task,
    /// Processes: their tasks, and their ended threads.
    Process,
    /// Cgroups: their tasks, folios that are charged to them, and tasks that have ended in them.
    Cgroup,
}

impl Level {
    /// All levels, in the order of the sums.
    const ALL: [Self; 3] = [Self::Task, Self::Process, Self::Cgroup];
}

/// A sum of evicted rows for tasks, one for processes and one for cgroups.
#[derive(Debug)]
pub struct Others<W> {
    layout: Layout,
    words: W,
}

impl<W: DerefMut<Target = [u64]>> Others<W> {
    /// Returns the number of words of the sums.
    pub const fn words(layout: Layout) -> usize {
        Level::ALL.len() * layout.words()
    }

    /// Returns the sums in `words`, whose length must be [`Others::words`].
    pub const fn new(layout: Layout, words: W) -> Self {
        Self { layout, words }
    }

    /// Adds an evicted row without its averages, since a sum of averages of different tasks at
    /// different times means nothing.
    pub fn add(&mut self, key: Key, row: Row<'_>) {
        let level = match key {
            Key::Free => return,
            Key::Task(_) => Level::Task,
            Key::Process(_) => Level::Process,
            Key::Cgroup(_) => Level::Cgroup,
        };
        let mut sums = self.words.chunks_exact_mut(self.layout.words());
        if let Some(sum) = sums.nth(level as usize) {
            let mut sum = RowMut::new(self.layout, sum);
            sum.merge(0, row.words());
            sum.clear_window();
        }
    }

    /// Adds to `sum` all evicted rows of a level: the rows of tasks, which belong to each level,
    /// and the rows of the level itself.
    pub fn add_to(&self, level: Level, sum: &mut RowMut<'_>) {
        let sums = self.words.chunks_exact(self.layout.words());
        for (of, words) in Level::ALL.into_iter().zip(sums) {
            if of == Level::Task || of == level {
                sum.merge(0, words);
            }
        }
    }

    /// Sets all sums to 0.
    pub fn clear(&mut self) {
        self.words.fill(0);
    }
}
