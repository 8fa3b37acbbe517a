// SPDX-License-Identifier: GPL-2.0

//! Counts how often tasks wake tasks of other nodes, in a bounded table with a row for each pair
//! of tasks.
//!
//! The table is set-associative, like that of the other statistics: [`set_of_pair`] maps a wake-up
//! to one [`PairSet`], whose lock the caller holds. If a set is full, a new pair replaces the pair
//! that was counted least recently. The set adds the count of the replaced pair to
//! [`PairSet::others`], so that no wake-up is lost.

use super::TaskId;
use core::ops::DerefMut;

/// A wake-up of a task on one node by a CPU of another node.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waking {
    /// The task that wakes the other one; [`None`] for an interrupt.
    pub waker: Option<TaskId>,
    /// The task that is woken up.
    pub wakee: TaskId,
    /// The node of the CPU that executes the wake-up.
    pub waker_node: usize,
    /// The node of the CPU on which the woken task ran last.
    pub wakee_node: usize,
}

/// The properties that distinguish a pair. Names are none, since tasks can change their names.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    /// The PID and the start time.
    waker: Option<(i32, u64)>,
    wakee: (i32, u64),
    waker_node: usize,
    wakee_node: usize,
}

impl Waking {
    fn key(&self) -> Key {
        let id = |task: &TaskId| (task.pid, task.start);
        Key {
            waker: self.waker.as_ref().map(id),
            wakee: id(&self.wakee),
            waker_node: self.waker_node,
            wakee_node: self.wakee_node,
        }
    }
}

/// A row: a pair of tasks and of nodes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pair {
    /// The tasks with their names at the last wake-up, and the nodes.
    pub waking: Waking,
    /// The number of wake-ups; 0 if the place is free.
    pub count: u64,
    /// The set's number of wake-ups at the last wake-up of this pair.
    used_at: u64,
}

/// Returns the index of the set that has the pair of `waking`. The number `sets` must be a power
/// of two.
pub fn set_of_pair(waking: &Waking, sets: usize) -> usize {
    let waker = waking.waker.map_or(-1, |waker| waker.pid);
    let ids = (u64::from(waker as u32) << 32) | u64::from(waking.wakee.pid as u32);
    let nodes = ((waking.waker_node as u64) << 10) | waking.wakee_node as u64;
    // This is the hashing of `set_of`. The nodes are mixed in after a first product, which has
    // spread the IDs.
    let golden = 0x9e37_79b9_7f4a_7c15_u64;
    let hash = (ids.wrapping_mul(golden).rotate_left(32) ^ nodes).wrapping_mul(golden) >> 32;
    hash as usize & sets.wrapping_sub(1)
}

/// A set of pairs.
#[derive(Debug)]
pub struct PairSet<P> {
    places: P,
    /// The number of wake-ups that were counted in this set.
    total: u64,
    others: u64,
    evicted: u64,
}

impl<P: DerefMut<Target = [Pair]>> PairSet<P> {
    /// Returns a set with these places, which must all be free.
    pub const fn new(places: P) -> Self {
        Self {
            places,
            total: 0,
            others: 0,
            evicted: 0,
        }
    }

    /// Counts a wake-up.
    pub fn count(&mut self, waking: &Waking) {
        self.total = self.total.wrapping_add(1);
        let key = waking.key();
        let is_it = |pair: &Pair| pair.count > 0 && pair.waking.key() == key;
        let found = self.places.iter().position(is_it);
        let oldest = || {
            let places = self.places.iter().enumerate();
            let (index, _) = places.min_by_key(|(_, pair)| (pair.count > 0, pair.used_at))?;
            Some(index)
        };
        let index = found.or_else(oldest);
        let Some(place) = index.and_then(|index| self.places.get_mut(index)) else {
            self.others = self.others.wrapping_add(1);
            return;
        };
        let mut before = place.count;
        if found.is_none() {
            self.evicted += u64::from(before > 0);
            self.others = self.others.wrapping_add(before);
            before = 0;
        }
        *place = Pair {
            waking: *waking,
            count: before.wrapping_add(1),
            used_at: self.total,
        };
    }

    /// Returns the pairs.
    pub fn iter(&self) -> impl Iterator<Item = &Pair> {
        self.places.iter().filter(|pair| pair.count > 0)
    }

    /// Returns the number of wake-ups of the evicted pairs.
    pub const fn others(&self) -> u64 {
        self.others
    }

    /// Returns the number of evicted pairs.
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Frees all places, and sets [`others`](Self::others) to 0.
    pub fn clear(&mut self) {
        self.places.fill(Pair::default());
        self.others = 0;
    }
}
