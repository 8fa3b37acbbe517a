// SPDX-License-Identifier: GPL-2.0

//! Implements the override of `vma_policy_mof()`, which decides whether a scan includes bound
//! memory.
//!
//! `task_numa_work()` skips a VMA whose memory policy lacks `MPOL_F_MOF` (migrate on fault).
//! `mbind()` makes such policies. With this override such memory takes hinting faults as well.
//! `mpol_misplaced()` checks the memory policy again and does not migrate such memory. So the
//! kernel counts on which nodes bound memory is, and the task can move there.
//!
//! C source: `mm/mempolicy.c`

use super::{super::Task, POLICY};
use crate::{
    ftrace::{Arguments, Call, OverrideHandler},
    function::{Function, Replaceable},
};
use kernel::{ffi::c_void, prelude::*};

/// `vma_policy_mof()`.
pub(super) struct VmaPolicyMof;

// SAFETY: `bool vma_policy_mof(struct vm_area_struct *vma)`, of `include/linux/mempolicy.h`.
unsafe impl Function for VmaPolicyMof {
    type Prototype = unsafe extern "C" fn(*mut c_void) -> bool;
    const NAME: &'static CStr = c"vma_policy_mof";
}

// SAFETY: `task_numa_work()` is the only caller. By the result it only decides whether it makes
// page table entries of the VMA fault. A fault reads the memory policy again before it migrates
// anything.
unsafe impl Replaceable for VmaPolicyMof {}

/// Makes the function return true for the tasks for which [`Policy::sees_bound`] returns true.
///
/// [`Policy::sees_bound`]: crate::numa::Policy::sees_bound
pub(super) struct OnBound;

impl OverrideHandler<VmaPolicyMof> for OnBound {
    #[inline]
    fn entry<'a>(&self, call: &'a Call, _arguments: Arguments<'a, VmaPolicyMof>) -> Option<bool> {
        let policy = POLICY.get(call)?;
        // SAFETY: The handler, and so the current task, outlives this `Task`.
        let task = unsafe { Task::current() };
        (task.has_mm() && policy.sees_bound(task)).then_some(true)
    }
}
