// SPDX-License-Identifier: GPL-2.0

//! Implements a row of counters: its layout in memory, and its changes by events.

use super::{Counter, Vector};
use core::fmt;

/// The layout of rows in memory: the counters, the vectors, and a matrix of the pages that were
/// migrated from node to node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Layout {
    nodes: usize,
}

impl Layout {
    /// Returns the layout for this number of nodes, at most 1024.
    pub const fn new(nodes: usize) -> Self {
        let nodes = if nodes < 1024 { nodes } else { 1024 };
        Self { nodes }
    }

    /// Returns the number of nodes.
    pub const fn nodes(self) -> usize {
        self.nodes
    }

    /// Returns the number of words of a row.
    pub const fn words(self) -> usize {
        Counter::ALL.len() + (Vector::ALL.len() + self.nodes) * self.nodes
    }

    /// Returns the index of the word of a vector's element.
    const fn element(self, vector: Vector, node: usize) -> Option<usize> {
        if node >= self.nodes {
            return None;
        }
        Some(Counter::ALL.len() + vector as usize * self.nodes + node)
    }

    /// Returns the index of the word of the pages that were migrated from `source` to `target`.
    const fn moved(self, source: usize, target: usize) -> Option<usize> {
        if source >= self.nodes || target >= self.nodes {
            return None;
        }
        Some(Counter::ALL.len() + (Vector::ALL.len() + source) * self.nodes + target)
    }
}

/// A row that can be read.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    layout: Layout,
    words: &'a [u64],
}

impl<'a> Row<'a> {
    /// Returns the row in `words`, whose length should be [`Layout::words`]. Missing words count
    /// as 0.
    pub const fn new(layout: Layout, words: &'a [u64]) -> Self {
        Self { layout, words }
    }

    fn word(&self, index: Option<usize>) -> u64 {
        let word = index.and_then(|index| self.words.get(index));
        word.copied().unwrap_or(0)
    }

    /// Returns a counter.
    pub fn get(&self, counter: Counter) -> u64 {
        self.word(Some(counter as usize))
    }

    /// Returns an element of a vector; 0 if `node` is out of range.
    pub fn at(&self, vector: Vector, node: usize) -> u64 {
        self.word(self.layout.element(vector, node))
    }

    /// Returns the number of pages that were migrated from `source` to `target`.
    pub fn moved(&self, source: usize, target: usize) -> u64 {
        self.word(self.layout.moved(source, target))
    }

    /// Returns its words.
    pub const fn words(&self) -> &'a [u64] {
        self.words
    }

    /// Returns whether all words are 0.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }
}

/// Writes the text of a row in files: ` KEY=VALUE` for all counters that are not 0, vectors as `
/// KEY=NODE:PAGES,NODE:PAGES`, and the matrix as ` moved=SOURCE>TARGET:PAGES`.
impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &counter in Counter::ALL {
            match self.get(counter) {
                0 => {}
                value => write!(f, " {}={value}", counter.name())?,
            }
        }
        let nodes = self.layout.nodes;
        for vector in Vector::ALL {
            write_nodes(f, vector.name(), nodes, |node| self.at(vector, node))?;
        }
        let pairs = (0..nodes).flat_map(|source| (0..nodes).map(move |target| (source, target)));
        write_moved(
            f,
            pairs.map(|(source, target)| (source, target, self.moved(source, target))),
        )
    }
}

/// Writes ` KEY=NODE:PAGES,NODE:PAGES` for those of `nodes` nodes that have pages. Writes nothing
/// if `key` is [`None`].
///
/// # Errors
///
/// Returns the errors of `f`.
pub fn write_nodes(
    f: &mut fmt::Formatter<'_>,
    key: Option<&str>,
    nodes: usize,
    pages: impl Fn(usize) -> u64,
) -> fmt::Result {
    let Some(key) = key else {
        return Ok(());
    };
    let mut list = List::new(f, key);
    (0..nodes).try_for_each(|node| list.element(format_args!("{node}"), pages(node)))
}

/// Writes ` moved=SOURCE>TARGET:PAGES,...` for the pairs of nodes that have pages.
///
/// # Errors
///
/// Returns the errors of `f`.
pub fn write_moved(
    f: &mut fmt::Formatter<'_>,
    mut pairs: impl Iterator<Item = (usize, usize, u64)>,
) -> fmt::Result {
    let mut list = List::new(f, "moved");
    pairs.try_for_each(|(source, target, pages)| {
        list.element(format_args!("{source}>{target}"), pages)
    })
}

/// A list that is being written.
struct List<'a, 'b> {
    f: &'a mut fmt::Formatter<'b>,
    key: &'a str,
    is_empty: bool,
}

impl<'a, 'b> List<'a, 'b> {
    fn new(f: &'a mut fmt::Formatter<'b>, key: &'a str) -> Self {
        Self {
            f,
            key,
            is_empty: true,
        }
    }

    /// Writes an element, if there are pages.
    fn element(&mut self, name: fmt::Arguments<'_>, pages: u64) -> fmt::Result {
        if pages == 0 {
            return Ok(());
        }
        if core::mem::take(&mut self.is_empty) {
            write!(self.f, " {}=", self.key)?;
        } else {
            self.f.write_str(",")?;
        }
        write!(self.f, "{name}:{pages}")
    }
}

/// A hinting fault that the kernel has counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faulted {
    /// The node of the memory.
    pub mem_node: usize,
    /// The node of the CPU.
    pub cpu_node: usize,
    /// The number of its pages.
    pub pages: u64,
    /// Whether memory and CPU were on one node.
    pub is_local: bool,
    /// Whether the memory was migrated.
    pub is_migrated: bool,
    /// Whether the migration has failed.
    pub has_failed: bool,
    /// Whether the kernel has counted it as private; [`None`] if this is not known.
    pub is_private: Option<bool>,
}

/// A row that can be changed. Counters wrap around at 2^64.
#[derive(Debug)]
pub struct RowMut<'a> {
    layout: Layout,
    words: &'a mut [u64],
}

impl<'a> RowMut<'a> {
    /// Returns the row in `words`, whose length should be [`Layout::words`]. Changes of missing
    /// words are lost.
    pub fn new(layout: Layout, words: &'a mut [u64]) -> Self {
        Self { layout, words }
    }

    /// Returns the row for reading.
    pub fn as_row(&self) -> Row<'_> {
        Row::new(self.layout, self.words)
    }

    fn change(&mut self, index: Option<usize>, change: impl FnOnce(u64) -> u64) {
        if let Some(word) = index.and_then(|index| self.words.get_mut(index)) {
            *word = change(*word);
        }
    }

    /// Adds to a counter.
    #[inline]
    pub fn add(&mut self, counter: Counter, n: u64) {
        self.change(Some(counter as usize), |word| word.wrapping_add(n));
    }

    /// Adds to an element of a vector.
    #[inline]
    pub fn add_at(&mut self, vector: Vector, node: usize, n: u64) {
        let element = self.layout.element(vector, node);
        self.change(element, |word| word.wrapping_add(n));
    }

    /// Adds a time to a sum, and updates the maximum.
    #[inline]
    pub fn add_time(&mut self, sum: Counter, maximum: Counter, ns: u64) {
        self.add(sum, ns);
        self.change(Some(maximum as usize), |word| word.max(ns));
    }

    /// Adds pages that were migrated from `source` to `target`.
    #[inline]
    pub fn add_moved(&mut self, source: usize, target: usize, pages: u64) {
        let element = self.layout.moved(source, target);
        self.change(element, |word| word.wrapping_add(pages));
    }

    /// Counts a fault. With `in_window` it also counts for the averages.
    pub fn fault(&mut self, fault: &Faulted, in_window: bool) {
        let pages = fault.pages;
        self.add(Counter::Faults, 1);
        self.add(Counter::Pages, pages);
        self.add_at(Vector::Memory, fault.mem_node, pages);
        self.add_at(Vector::Cpu, fault.cpu_node, pages);
        for (counter, is_so) in [
            (Counter::Local, fault.is_local),
            (Counter::Migrated, fault.is_migrated),
            (Counter::MigrateFailed, fault.has_failed),
        ] {
            if is_so {
                self.add(counter, pages);
            }
        }
        let window = match fault.is_private {
            None => return,
            Some(true) => {
                self.add(Counter::Private, pages);
                self.add_at(Vector::Private, fault.mem_node, pages);
                Vector::WindowPrivate
            }
            Some(false) => {
                self.add(Counter::Shared, pages);
                Vector::WindowShared
            }
        };
        if in_window {
            self.add_at(window, fault.mem_node, pages);
        }
    }

    /// Sets averages and window counts of `node` to the kernel's numbers: private and shared.
    pub fn seed(&mut self, node: usize, average: [u64; 2], window: [u64; 2]) {
        for (vector, value) in [
            (Vector::AveragePrivate, average[0]),
            (Vector::AverageShared, average[1]),
            (Vector::WindowPrivate, window[0]),
            (Vector::WindowShared, window[1]),
        ] {
            let element = self.layout.element(vector, node);
            self.change(element, |_| value);
        }
    }

    /// Ends the scan window: halves the averages and adds the counts of the window, like
    /// `task_numa_placement()` in `kernel/sched/fair.c`.
    pub fn close_window(&mut self) {
        for node in 0..self.layout.nodes {
            for (window, average) in [
                (Vector::WindowPrivate, Vector::AveragePrivate),
                (Vector::WindowShared, Vector::AverageShared),
            ] {
                let counted = self.as_row().at(window, node);
                let element = self.layout.element(average, node);
                self.change(element, |old| {
                    old.wrapping_add(counted.wrapping_sub(old / 2))
                });
                let element = self.layout.element(window, node);
                self.change(element, |_| 0);
            }
        }
    }

    /// Clears the averages, as the kernel does when a task executes another program. The counts of
    /// the window remain.
    pub fn clear_averages(&mut self) {
        for node in 0..self.layout.nodes {
            for vector in [Vector::AveragePrivate, Vector::AverageShared] {
                let element = self.layout.element(vector, node);
                self.change(element, |_| 0);
            }
        }
    }

    /// Clears averages and window counts, before the row is added to another one.
    pub fn clear_window(&mut self) {
        for node in 0..self.layout.nodes {
            self.seed(node, [0, 0], [0, 0]);
        }
    }

    /// Adds the words of another row, starting with the index `first`. `others` can be a part of
    /// the row.
    pub fn merge(&mut self, first: usize, others: &[u64]) {
        let mine = self.words.get_mut(first..).unwrap_or_default();
        for (index, (mine, &other)) in (first..).zip(mine.iter_mut().zip(others)) {
            let is_maximum = Counter::ALL
                .get(index)
                .is_some_and(|counter| counter.is_maximum());
            *mine = if is_maximum {
                (*mine).max(other)
            } else {
                mine.wrapping_add(other)
            };
        }
    }

    /// Moves the words in `range` to `part`. Returns the number of moved words.
    pub fn take(&mut self, range: core::ops::Range<usize>, part: &mut [u64]) -> usize {
        let words = self.words.get_mut(range).unwrap_or_default();
        let mut taken = 0;
        for (to, from) in part.iter_mut().zip(words) {
            *to = core::mem::take(from);
            taken += 1;
        }
        taken
    }

    /// Sets all words to 0.
    pub fn clear(&mut self) {
        self.words.fill(0);
    }
}
