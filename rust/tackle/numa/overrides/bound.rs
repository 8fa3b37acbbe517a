// SPDX-License-Identifier: GPL-2.0

//! Implements the override of `vma_policy_mof()`: whether a scan includes bound memory.
//!
//! `task_numa_work()` skips a VMA whose memory policy has no `MPOL_F_MOF` (migrate on fault), as
//! `mbind()` makes it. With this override the memory takes hinting faults as well.
//! `mpol_misplaced()` looks at the policy itself and does not migrate such memory. So the kernel
//! counts where bound memory is, and the task can go there.
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

// SAFETY: `task_numa_work()` is its only caller, which makes page table entries of the VMA fault or
// does not. A fault reads the policy again before it migrates anything.
unsafe impl Replaceable for VmaPolicyMof {}

/// Returns true for the tasks whose bound memory the policy wants to see.
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
