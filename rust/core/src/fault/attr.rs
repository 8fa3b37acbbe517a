// SPDX-License-Identifier: GPL-2.0

//! Whether a fault point of an attribute fails this time.
//!
//! This is the decision of the kernel's `lib/fault-inject.c` (Linux 7.3), with
//! the same settings in the same order and with the same meaning (see
//! `Documentation/fault-injection/fault-injection.rst`), for kernels that are
//! built without it.
//!
//! Two things are stricter than in the C original, where CPUs that pass at the
//! same time may each see the old value: [`Attr::space`] is never used up below
//! the size asked for, and no more than [`Attr::times`] failures are given out.

use core::sync::atomic::{
    AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed,
};

/// How many return addresses are compared at most, as `MAX_STACK_TRACE_DEPTH` of the kernel.
pub const MAX_STACK_DEPTH: usize = 32;

/// The settings of a group of fault points, and what is left of them.
///
/// Each field stands on its own and may be read and written at any time, from
/// any context; a change takes effect from the next decision on.
#[derive(Debug)]
pub struct Attr {
    /// How likely a failure is, in percent; 0 (the default) switches the points
    /// off, 100 and more is always.
    pub probability: AtomicU64,
    /// Only every `interval`-th decision that gets this far may fail. 0 and 1
    /// (the default) mean each.
    pub interval: AtomicU64,
    /// How many failures may still happen; a negative number is no limit (-1 is
    /// the one to write, it stays as it is). Default: 1.
    pub times: AtomicI32,
    /// A budget: nothing fails while it is larger than the size of a decision,
    /// which is then taken from it. Default: 0.
    pub space: AtomicI32,
    /// What to tell the log about a failure: 0 nothing, 1 a line, 2 (the
    /// default) and more also the stack.
    pub verbose: AtomicU64,
    /// Only tasks that asked for it fail, and interrupts never. Default: off.
    pub task_filter: AtomicBool,
    /// How many return addresses of a stack are compared with the ranges below; 0 makes all fail
    /// the comparison, unless the required range is everything. Default: 32.
    pub stacktrace_depth: AtomicU64,
    /// One of the return addresses has to be in `require_start..require_end`. Default: all.
    pub require_start: AtomicUsize,
    /// See [`Attr::require_start`].
    pub require_end: AtomicUsize,
    /// None of the return addresses may be in `reject_start..reject_end`. Default: none.
    pub reject_start: AtomicUsize,
    /// See [`Attr::reject_start`].
    pub reject_end: AtomicUsize,
    /// Decisions that were counted for `interval`.
    pub count: AtomicU64,
}

impl Attr {
    /// The settings that the kernel starts a fault attribute with.
    pub const fn new() -> Self {
        Attr {
            probability: AtomicU64::new(0),
            interval: AtomicU64::new(1),
            times: AtomicI32::new(1),
            space: AtomicI32::new(0),
            verbose: AtomicU64::new(2),
            task_filter: AtomicBool::new(false),
            stacktrace_depth: AtomicU64::new(MAX_STACK_DEPTH as u64),
            require_start: AtomicUsize::new(0),
            require_end: AtomicUsize::new(usize::MAX),
            reject_start: AtomicUsize::new(0),
            reject_end: AtomicUsize::new(0),
            count: AtomicU64::new(0),
        }
    }

    /// Returns whether the ranges of addresses allow a failure, as `fail_stacktrace()`. `save`
    /// writes return addresses to the array, at most as many as it has room for, and returns how
    /// many there are.
    pub fn stack_allows(&self, save: impl FnOnce(&mut [usize]) -> usize) -> bool {
        let depth = usize::try_from(self.stacktrace_depth.load(Relaxed)).unwrap_or(usize::MAX);
        let required = self.require_start.load(Relaxed)..self.require_end.load(Relaxed);
        let rejected = self.reject_start.load(Relaxed)..self.reject_end.load(Relaxed);
        let mut found = required == (0..usize::MAX);
        if depth == 0 || (found && rejected == (0..0)) {
            return found;
        }
        let mut entries = [0; MAX_STACK_DEPTH];
        let Some(room) = entries.get_mut(..depth.min(MAX_STACK_DEPTH)) else {
            return found;
        };
        let len = save(room).min(room.len());
        for entry in room.iter().take(len) {
            if rejected.contains(entry) {
                return false;
            }
            found |= required.contains(entry);
        }
        found
    }

    /// Decides for a task that has asked for its n-th decision to fail, as `fail_nth` of the
    /// kernel: `left` is n, and counts down to 0 with the decisions that the stack allows. The
    /// other settings do not matter.
    pub fn should_fail_nth(&self, left: &AtomicU32, stack_allows: bool) -> Option<Failure> {
        if !stack_allows {
            return None;
        }
        let before = left
            .fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1))
            .ok()?;
        if before != 1 {
            return None;
        }
        Some(Failure {
            probability: self.probability.load(Relaxed),
            interval: self.interval.load(Relaxed),
            // Without one left, it fails all the same.
            times: self.take_one().unwrap_or(0),
            space: self.space.load(Relaxed),
            verbose: self.verbose.load(Relaxed),
        })
    }

    /// Decides whether the fault point that is passed now fails, and if so
    /// gives the settings that led to it.
    ///
    /// `size` is what is charged to [`Attr::space`]. `task_fails` tells whether
    /// this is the context of a task that asked to fail. `stack_allows` returns what
    /// [`Attr::stack_allows`] does. `random_below_100` is called only when everything else
    /// allows a failure.
    ///
    /// Lock-free, for any context.
    #[inline]
    pub fn should_fail(
        &self,
        size: u64,
        task_fails: bool,
        stack_allows: impl FnOnce() -> bool,
        random_below_100: impl FnOnce() -> u32,
    ) -> Option<Failure> {
        let probability = self.probability.load(Relaxed);
        // The one check that a point which is switched off pays for.
        if probability == 0 {
            return None;
        }
        self.decide(
            probability,
            size,
            task_fails,
            stack_allows,
            random_below_100,
        )
    }

    #[cold]
    #[inline]
    fn decide(
        &self,
        probability: u64,
        size: u64,
        task_fails: bool,
        stack_allows: impl FnOnce() -> bool,
        random_below_100: impl FnOnce() -> u32,
    ) -> Option<Failure> {
        if self.task_filter.load(Relaxed) && !task_fails {
            return None;
        }
        if self.times.load(Relaxed) == 0 {
            return None;
        }
        if !stack_allows() {
            return None;
        }
        if self.charge(size) {
            return None;
        }
        let interval = self.interval.load(Relaxed);
        if interval > 1 {
            let count = self.count.fetch_add(1, Relaxed).wrapping_add(1);
            if count % interval != 0 {
                return None;
            }
        }
        if probability <= u64::from(random_below_100()) {
            return None;
        }
        Some(Failure {
            probability,
            interval,
            times: self.take_one()?,
            space: self.space.load(Relaxed),
            verbose: self.verbose.load(Relaxed),
        })
    }

    /// Takes `size` from the budget if more than that is left.
    #[inline]
    fn charge(&self, size: u64) -> bool {
        self.space
            .fetch_update(Relaxed, Relaxed, |space| {
                let left = u64::try_from(space).ok()?.checked_sub(size)?;
                // What came out of an i32 fits back into one.
                i32::try_from(left).ok().filter(|&left| left > 0)
            })
            .is_ok()
    }

    /// Takes one of the failures that are left, and returns how many there
    /// were; [`None`] when another CPU took the last one.
    #[inline]
    fn take_one(&self) -> Option<i32> {
        self.times
            .fetch_update(Relaxed, Relaxed, |times| match times {
                -1 => Some(-1),
                0 => None,
                _ => Some(times.wrapping_sub(1)),
            })
            .ok()
    }
}

impl Default for Attr {
    fn default() -> Self {
        Self::new()
    }
}

/// A failure to carry out, with the settings at that time for the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Failure {
    /// [`Attr::probability`].
    pub probability: u64,
    /// [`Attr::interval`].
    pub interval: u64,
    /// [`Attr::times`] before this failure was taken from it.
    pub times: i32,
    /// [`Attr::space`].
    pub space: i32,
    /// [`Attr::verbose`].
    pub verbose: u64,
}
