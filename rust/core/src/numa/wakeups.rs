// SPDX-License-Identifier: GPL-2.0

//! How often tasks wake tasks of other nodes: a bounded table with a row for each pair of tasks.
//!
//! The table is set-associative, as that of the other statistics: [`set_of_pair`] maps a wake-up to
//! one [`PairSet`], whose lock the caller holds. A pair for which a full set has no place replaces
//! the pair that was counted least recently. The set adds the count of the latter to
//! [`PairSet::others`], so that no wake-up is lost.

use super::TaskId;
use core::ops::DerefMut;

/// A task on one node is woken up by a CPU of another node.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waking {
    /// The task that wakes; [`None`] for an interrupt.
    pub waker: Option<TaskId>,
    /// The task that is woken up.
    pub wakee: TaskId,
    /// The node of the CPU that wakes.
    pub waker_node: usize,
    /// The node of the CPU that the task was on last.
    pub wakee_node: usize,
}

/// What distinguishes a pair from others. Names of tasks can change.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    /// PID and start time.
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
    /// The tasks, with the names that they had at the last wake-up, and the nodes.
    pub waking: Waking,
    /// How often this has happened. 0: the place is free.
    pub count: u64,
    /// The set's count of wake-ups at the last one of this pair.
    used_at: u64,
}

/// Returns in which of `sets` sets, a power of two, the pair of `waking` is.
pub fn set_of_pair(waking: &Waking, sets: usize) -> usize {
    let waker = waking.waker.map_or(-1, |waker| waker.pid);
    let ids = (u64::from(waker as u32) << 32) | u64::from(waking.wakee.pid as u32);
    let nodes = ((waking.waker_node as u64) << 10) | waking.wakee_node as u64;
    // As `set_of`. The nodes are mixed in after a first product, which has spread the IDs.
    let golden = 0x9e37_79b9_7f4a_7c15_u64;
    let hash = (ids.wrapping_mul(golden).rotate_left(32) ^ nodes).wrapping_mul(golden) >> 32;
    hash as usize & sets.wrapping_sub(1)
}

/// Some pairs.
#[derive(Debug)]
pub struct PairSet<P> {
    places: P,
    /// Wake-ups that were counted here.
    total: u64,
    others: u64,
    evicted: u64,
}

impl<P: DerefMut<Target = [Pair]>> PairSet<P> {
    /// A set with these places, which are all free.
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

    /// Returns the wake-ups of the pairs that were evicted.
    pub const fn others(&self) -> u64 {
        self.others
    }

    /// Returns how many pairs were evicted.
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Frees all places, and sets [`others`](Self::others) to 0.
    pub fn clear(&mut self) {
        self.places.fill(Pair::default());
        self.others = 0;
    }
}
