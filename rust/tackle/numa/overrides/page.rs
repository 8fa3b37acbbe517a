// SPDX-License-Identifier: GPL-2.0

//! Implements the override of `should_numa_migrate_memory()`, which decides whether a hinting fault
//! migrates a folio.
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

// SAFETY: `mpol_misplaced()` is the only caller. It copes with both results, since the function
// decides by heuristics. The function checks nothing that a migration relies on.
unsafe impl Replaceable for ShouldNumaMigrateMemory {}

/// Makes the function return the policy's verdict, unless the policy leaves the decision to the
/// kernel.
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
        // SAFETY: The caller passes `current`, which is alive during the call.
        let of = unsafe { Task::new(NonNull::new(task.as_ptr())?) };
        // `cpu` is this CPU, and preemption is disabled.
        let target = node::this_node();
        let page = Page::new(of, folio.as_ptr(), source, target);
        let verdict = match policy.migrate(&page) {
            Verdict::Defer => return None,
            // SAFETY: The helper takes a node that is online. The node of this CPU is.
            Verdict::Allow => unsafe { bindings::node_has_memory(target) },
            Verdict::Deny => false,
        };
        // Call the function nevertheless, and ignore its result: it also records in the folio which
        // CPU and task have accessed it.
        let rest = ptr::with_exposed_provenance_mut(call.ip() + MCOUNT_INSN_SIZE);
        // CAST: The function uses the lower 32 bits of the register of an `int` only.
        let registers = [
            task.address(),
            folio.address(),
            source as usize,
            cpu as usize,
            0,
            0,
        ];
        // SAFETY: `rest` is the address in the function after its call of ftrace, and the arguments
        // are those of this call. The function does not sleep. It may be called once more here: it
        // takes no lock that its caller does not hold.
        unsafe { call_at(rest, registers) };
        Some(verdict)
    }
}
