// SPDX-License-Identifier: GPL-2.0

//! Implements the hook that calls a policy when a task's scan window closes.
//!
//! The kernel calls `sched_setnuma()` only if its own choice is another node than the preferred
//! one. So the override of that function is not called for each window. This hook calls the policy
//! for each window, before the kernel chooses.

use super::{
    super::{
        policy::Choice,
        window::{Closing, FUNCTION},
        Task,
    },
    preferred, POLICY,
};
use crate::ftrace::{Call, EntryHandler};
use kernel::prelude::*;

/// The hook for `unsigned int task_scan_max(struct task_struct *p)`.
pub(super) struct OnPolicyWindow(Closing);

impl OnPolicyWindow {
    pub(super) const FUNCTION: &'static CStr = FUNCTION;

    /// # Errors
    ///
    /// - `ENOENT`: the kernel lacks `sched_setnuma()` or a function that [`Closing::new`] needs.
    /// - `ENOMEM`: there is no memory for the look-ups.
    pub(super) fn new() -> Result<Self> {
        preferred::find()?;
        Ok(Self(Closing::new()?))
    }
}

impl EntryHandler for OnPolicyWindow {
    #[inline]
    fn entry(&self, call: &Call) {
        let Some(policy) = POLICY.get(call) else {
            return;
        };
        // SAFETY: The handler, and so the current task, outlives this `Task`.
        let task = unsafe { Task::current() };
        if !task.has_mm() || !task.has_faults() || !self.0.is_first(call, task) {
            return;
        }
        let period = task.scan_period();
        let wanted = policy.scan_period(task, period).max(1);
        if wanted < period {
            // After this hook the kernel's rules change the period. They double it if all faults
            // were private and remote. So set half of the wanted period: then the next scan is not
            // later than wanted.
            // SAFETY: `task` is the current one, and only the task itself writes its period.
            unsafe { task.set_scan_period(wanted.div_ceil(2)) };
        }
        let before = task.preferred_node();
        let wanted = preferred::wish(policy, &Choice::new(task, before, true));
        if wanted != before && preferred::is_allowed(call, task, wanted) {
            // `task_numa_placement()` holds no lock yet, so `set` may take the run queue's lock.
            preferred::set(task, wanted);
        }
    }
}
