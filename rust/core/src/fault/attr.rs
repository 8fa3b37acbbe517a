// SPDX-License-Identifier: GPL-2.0

//! Implements the decision whether a fault point of an attribute fails.
//!
//! The decision is that of the kernel's `lib/fault-inject.c` (Linux 7.3), with the same settings
//! in the same order (see `Documentation/fault-injection/fault-injection.rst`). It is for kernels
//! that are built without fault injection.
//!
//! Two limits are stricter than in the C original, in which CPUs that decide at the same time can
//! each read the old value. [`Attr::space`] is never reduced to less than the size of a decision,
//! and there are never more than [`Attr::times`] failures.

use core::sync::atomic::{
    AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed,
};

/// The maximum number of return addresses that are compared: `MAX_STACK_TRACE_DEPTH` of the
/// kernel.
pub const MAX_STACK_DEPTH: usize = 32;

/// The settings of a group of fault points, and the remaining failures.
///
/// The fields are independent, and may be read and written at any time in any context. A change
/// takes effect with the next decision.
#[derive(Debug)]
pub struct Attr {
    /// The probability of a failure in percent. 0 (the default) switches the points off, and with
    /// 100 or more each decision fails.
    pub probability: AtomicU64,
    /// Only every `interval`-th of the decisions that pass the checks before can fail. With 0 or 1
    /// (the default) each of them can fail.
    pub interval: AtomicU64,
    /// How many failures may still happen. A negative number means no limit; use -1, which does
    /// not change. Default: 1.
    pub times: AtomicI32,
    /// A budget: while it is larger than the size of a decision, the decision does not fail, and
    /// its size is subtracted from the budget. Default: 0.
    pub space: AtomicI32,
    /// What to log about a failure: 0 nothing, 1 a line, 2 (the default) or more also the stack.
    pub verbose: AtomicU64,
    /// Whether failures are restricted to tasks that have requested them. Then interrupts never
    /// fail. Default: off.
    pub task_filter: AtomicBool,
    /// How many return addresses of a stack are compared with the ranges below. With 0, the
    /// comparison fails unless the required range covers all addresses. Default: 32.
    pub stacktrace_depth: AtomicU64,
    /// At least one of the return addresses must be in `require_start..require_end`. Default: all.
    pub require_start: AtomicUsize,
    /// See [`Attr::require_start`].
    pub require_end: AtomicUsize,
    /// No return address may be in `reject_start..reject_end`. Default: none.
    pub reject_start: AtomicUsize,
    /// See [`Attr::reject_start`].
    pub reject_end: AtomicUsize,
    /// The number of decisions that were counted for `interval`.
    pub count: AtomicU64,
}

impl Attr {
    /// Returns the initial settings of a fault attribute, which are those of the kernel.
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

    /// Returns whether the ranges of addresses allow a failure, like `fail_stacktrace()` of the
    /// kernel. `save` writes return addresses to the array, at most as many as fit, and returns
    /// their number.
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

    /// Decides for a task that has requested its n-th decision to fail, like `fail_nth` of the
    /// kernel. `left` is n at first, and is decremented to 0 by each decision that the stack
    /// allows. The other settings have no effect.
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
            // The decision fails even if no failures remain.
            times: self.take_one().unwrap_or(0),
            space: self.space.load(Relaxed),
            verbose: self.verbose.load(Relaxed),
        })
    }

    /// Decides whether the fault point fails. If so, returns the settings that led to the failure.
    ///
    /// `size` is charged to [`Attr::space`]. `task_fails` is true if this is the context of a task
    /// that has requested failures. `stack_allows` returns the result of [`Attr::stack_allows`].
    /// `random_below_100` is called only if everything else allows a failure.
    ///
    /// It is lock-free and may be called in any context.
    #[inline]
    pub fn should_fail(
        &self,
        size: u64,
        task_fails: bool,
        stack_allows: impl FnOnce() -> bool,
        random_below_100: impl FnOnce() -> u32,
    ) -> Option<Failure> {
        let probability = self.probability.load(Relaxed);
        // A point that is switched off executes only this check.
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

    /// Subtracts `size` from the budget if the budget is larger. Returns whether it did.
    #[inline]
    fn charge(&self, size: u64) -> bool {
        self.space
            .fetch_update(Relaxed, Relaxed, |space| {
                let left = u64::try_from(space).ok()?.checked_sub(size)?;
                // The value came from an i32, so it fits in an i32.
                i32::try_from(left).ok().filter(|&left| left > 0)
            })
            .is_ok()
    }

    /// Takes one of the remaining failures, and returns how many there were. Returns [`None`] if
    /// another CPU has taken the last one.
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

/// A failure that the caller must carry out, with the settings at that time for the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Failure {
    /// [`Attr::probability`].
    pub probability: u64,
    /// [`Attr::interval`].
    pub interval: u64,
    /// [`Attr::times`] before this failure was subtracted.
    pub times: i32,
    /// [`Attr::space`].
    pub space: i32,
    /// [`Attr::verbose`].
    pub verbose: u64,
}
