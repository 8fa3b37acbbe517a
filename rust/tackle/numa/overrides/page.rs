// SPDX-License-Identifier: GPL-2.0

//! Implements the override of `should_numa_migrate_memory()`: whether a fault migrates a folio.
//!
//! C source: `kernel/sched/fair.c`

use super::{
    super::{node, policy::Page, Task, Verdict},
    POLICY,
};
use crate::{
    bindings,
    call_at::call_at,
    ftrace::{Arguments, Call, OverrideHandler, MCOUNT_INSN_SIZE},
    function::{Function, Replaceable},
};
use core::ptr::{self, NonNull};
use kernel::{
    bindings::task_struct,
    ffi::{c_int, c_void},
    prelude::*,
};

/// `should_numa_migrate_memory()`.
pub(super) struct ShouldNumaMigrateMemory;

// SAFETY: `bool should_numa_migrate_memory(struct task_struct *p, struct folio *folio, int src_nid,
// int dst_cpu)`, of `kernel/sched/fair.c`.
unsafe impl Function for ShouldNumaMigrateMemory {
    type Prototype = unsafe extern "C" fn(*mut task_struct, *mut c_void, c_int, c_int) -> bool;
    const NAME: &'static CStr = c"should_numa_migrate_memory";
}

// SAFETY: `mpol_misplaced()` is its only caller, and may migrate a folio or leave it: the function
// decides that by heuristics. It checks nothing that a migration relies on.
unsafe impl Replaceable for ShouldNumaMigrateMemory {}

/// Returns the policy's verdict, unless that leaves the decision to the kernel.
pub(super) struct OnPage;

impl OverrideHandler<ShouldNumaMigrateMemory> for OnPage {
    #[inline]
    fn entry<'a>(
        &self,
        call: &'a Call,
        arguments: Arguments<'a, ShouldNumaMigrateMemory>,
    ) -> Option<bool> {
        let (task, folio, source, cpu) = arguments;
        let policy = POLICY.get(call)?;
        // SAFETY: The caller passes `current`.
        let of = unsafe { Task::new(NonNull::new(task.as_ptr())?) };
        // The CPU is this one, and preemption is disabled.
        let target = node::this_node();
        let page = Page::new(of, folio.as_ptr(), source, target);
        let verdict = match policy.migrate(&page) {
            Verdict::Defer => return None,
            // SAFETY: Takes a node that is online.
            Verdict::Allow => unsafe { bindings::node_has_memory(target) },
            Verdict::Deny => false,
        };
        // The function also notes in the folio who has accessed it.
        let rest = ptr::with_exposed_provenance_mut(call.ip() + MCOUNT_INSN_SIZE);
        // CAST: The upper bits of an `int` are ignored.
        let registers = [
            task.address(),
            folio.address(),
            source as usize,
            cpu as usize,
            0,
            0,
        ];
        // SAFETY: This is the function behind its call of ftrace, with the arguments of this call.
        // It takes no lock that its caller does not hold, and does not sleep.
        unsafe { call_at(rest, registers) };
        Some(verdict)
    }
}
