// SPDX-License-Identifier: GPL-2.0

//! Implements the table of wake-ups across nodes, and its locks.

use kernel::prelude::*;
use tackle::{
    lock::{new_raw_spinlock, RawSpinLock},
    numa::Wakeup,
    percpu::Counter,
};
use tackle_core::numa::{set_of_pair, Pair, PairSet, Waking};

/// The number of rows in a set.
pub(crate) const WAYS: usize = 16;

/// The maximum number of rows.
pub(crate) const MAX_ROWS: usize = 1 << 20;

type Pairs = PairSet<KVVec<Pair>>;

/// The counters of wake-ups. Without the parameter `wakeups` there are no rows.
pub(crate) struct Wakeups {
    sets: KVec<Pin<KBox<RawSpinLock<Pairs>>>>,
    /// The number of all wake-ups.
    all: Counter,
    /// The number of wake-ups across nodes.
    across: Counter,
}

impl Wakeups {
    /// Creates a table of at most `rows`, or an empty one if `with_rows` is false.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: `rows` is not between [`WAYS`] and [`MAX_ROWS`].
    /// - `ENOMEM`: there is no memory.
    pub(crate) fn new(rows: usize, with_rows: bool) -> Result<Self> {
        if !(WAYS..=MAX_ROWS).contains(&rows) {
            return Err(EINVAL);
        }
        let count = match (rows / WAYS).checked_ilog2() {
            Some(log) if with_rows => 1 << log,
            _ => 0,
        };
        let mut sets = KVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            let pairs = PairSet::new(KVVec::from_elem(Pair::default(), WAYS, GFP_KERNEL)?);
            let set = new_raw_spinlock!(pairs, "numa_stat_wakeups");
            sets.push(KBox::pin_init(set, GFP_KERNEL)?, GFP_KERNEL)?;
        }
        Ok(Self {
            sets,
            all: Counter::new()?,
            across: Counter::new()?,
        })
    }

    /// Counts a wake-up. For one across nodes, it takes the lock of a set.
    pub(crate) fn count(&self, wakeup: &Wakeup<'_>) {
        self.all.increment();
        let (Some(waker_node), Some(wakee_node)) = (wakeup.waker_node(), wakeup.node()) else {
            return;
        };
        if wakeup.is_local() {
            return;
        }
        self.across.increment();
        let waking = Waking {
            waker: wakeup.waker().map(|waker| waker.id()),
            wakee: wakeup.task().id(),
            waker_node,
            wakee_node,
        };
        if let Some(set) = self.sets.get(set_of_pair(&waking, self.sets.len())) {
            set.lock().count(&waking);
        }
    }

    /// Returns the number of all wake-ups, and the number of those across nodes. Returns [`None`]
    /// if wake-ups are not counted.
    pub(crate) fn totals(&self) -> Option<[u64; 2]> {
        (!self.sets.is_empty()).then(|| [self.all.sum(), self.across.sum()])
    }

    /// Returns the number of wake-ups of the pairs that were evicted since the last reset, and the
    /// number of all evicted pairs.
    pub(crate) fn others(&self) -> (u64, u64) {
        self.sets.iter().fold((0, 0), |(others, evicted), set| {
            let set = set.lock();
            (others + set.others(), evicted + set.evicted())
        })
    }

    /// Frees all rows.
    pub(crate) fn clear(&self) {
        for set in &self.sets {
            set.lock().clear();
        }
    }

    /// Calls `visit` with a copy of each row. It copies one set at a time and releases the lock,
    /// so that `visit` may sleep.
    ///
    /// # Errors
    ///
    /// Returns `ENOMEM` if there is no memory, and the errors of `visit`.
    pub(crate) fn each(&self, mut visit: impl FnMut(&Pair) -> Result) -> Result {
        let mut copies = KVVec::from_elem(Pair::default(), WAYS, GFP_KERNEL)?;
        for set in &self.sets {
            let mut count = 0;
            for (copy, pair) in copies.iter_mut().zip(set.lock().iter()) {
                *copy = *pair;
                count += 1;
            }
            copies.iter().take(count).try_for_each(&mut visit)?;
        }
        Ok(())
    }
}
