// SPDX-License-Identifier: GPL-2.0

//! Implements a table that counts different values.

use crate::sort::insertion_sort;
use core::sync::atomic::{AtomicI64, AtomicU64, AtomicU8, Ordering::*};

/// The maximum number of different values that are distinguished.
pub const MAX_VALUES: usize = 64;

/// Counts values. Several CPUs may add values at the same time, and an interrupt may add one while
/// it interrupts an addition. No addition waits for another one.
///
/// Two simultaneous additions of the same new value can create an entry each.
pub struct Values {
    entries: [Entry; MAX_VALUES],
    other: AtomicU64,
}

struct Entry {
    state: AtomicU8,
    value: AtomicI64,
    count: AtomicU64,
}

/// The entry is free.
const EMPTY: u8 = 0;
/// The value is being written.
const CLAIMED: u8 = 1;
/// The value is valid.
const READY: u8 = 2;

impl Default for Values {
    fn default() -> Self {
        Self::new()
    }
}

impl Values {
    /// Creates an empty table.
    pub const fn new() -> Self {
        Self {
            entries: [const {
                Entry {
                    state: AtomicU8::new(EMPTY),
                    value: AtomicI64::new(0),
                    count: AtomicU64::new(0),
                }
            }; MAX_VALUES],
            other: AtomicU64::new(0),
        }
    }

    /// Counts `value`.
    pub fn add(&self, value: i64) {
        for entry in &self.entries {
            match entry.state.load(Acquire) {
                READY if entry.value.load(Relaxed) != value => continue,
                READY => {}
                EMPTY => {
                    let claim = entry
                        .state
                        .compare_exchange(EMPTY, CLAIMED, Relaxed, Relaxed);
                    if claim.is_err() {
                        continue;
                    }
                    entry.value.store(value, Relaxed);
                    entry.state.store(READY, Release);
                }
                _ => continue,
            }
            entry.count.fetch_add(1, Relaxed);
            return;
        }
        self.other.fetch_add(1, Relaxed);
    }

    /// Returns the number of values for which there was no entry.
    pub fn other(&self) -> u64 {
        self.other.load(Relaxed)
    }

    /// Writes the values and their counts to `into`, and returns their number. Entries of the same
    /// value are merged. The most frequent value comes first, and of equally frequent values the
    /// lower one.
    pub fn sorted(&self, into: &mut [(i64, u64); MAX_VALUES]) -> usize {
        let mut len = 0;
        for entry in &self.entries {
            if entry.state.load(Acquire) != READY {
                continue;
            }
            let (value, count) = (entry.value.load(Relaxed), entry.count.load(Relaxed));
            let (seen, free) = into.split_at_mut(len);
            if let Some(twin) = seen.iter_mut().find(|(seen, _)| *seen == value) {
                twin.1 += count;
            } else if let Some(next) = free.first_mut() {
                *next = (value, count);
                len += 1;
            }
        }
        let (set, _) = into.split_at_mut(len);
        insertion_sort(set, |a, b| (b.1, a.0) < (a.1, b.0));
        len
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::{thread, vec::Vec};

    fn sorted(values: &Values) -> Vec<(i64, u64)> {
        let mut into = [(0, 0); MAX_VALUES];
        let len = values.sorted(&mut into);
        into[..len].to_vec()
    }

    #[test]
    fn the_most_frequent_comes_first() {
        let values = Values::new();
        for value in [-1, 7, 0, 7, 0, 7, i64::MIN] {
            values.add(value);
        }
        assert_eq!(sorted(&values), [(7, 3), (0, 2), (i64::MIN, 1), (-1, 1)]);
        assert_eq!(values.other(), 0);
    }

    #[test]
    fn what_has_no_room_is_counted_together() {
        let values = Values::new();
        for round in 0..3 {
            (0..MAX_VALUES as i64 + 10).for_each(|value| values.add(value));
            assert_eq!(values.other(), 10 * (round + 1));
        }
        assert_eq!(sorted(&values).len(), MAX_VALUES);
    }

    #[test]
    fn nothing_is_lost_between_threads() {
        const EACH: i64 = 100_000;
        let values = Values::new();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..EACH).for_each(|n| values.add(n % 50)));
            }
        });
        let total: u64 = sorted(&values).iter().map(|(_, count)| count).sum();
        assert_eq!(total + values.other(), 4 * EACH as u64);
    }
}
