// SPDX-License-Identifier: GPL-2.0

//! Implements the context of handlers: a handler runs with preemption disabled, and not within
//! another handler of the same context (task, softirq, hardirq, NMI).
//!
//! An oops in a handler kills the task before it has left the handler. `rust/helpers/ftrace.c`
//! records that task when the kernel reports the oops, so that the next handler on the CPU can
//! run.
//!
//! C headers: [`arch/x86/include/asm/preempt.h`](srctree/arch/x86/include/asm/preempt.h),
//! [`include/linux/trace_recursion.h`](srctree/include/linux/trace_recursion.h). ftrace has its
//! own protection against recursion (`FTRACE_OPS_FL_RECURSION`), which takes three times as many
//! instructions.
//!
//! Handlers need not check whether RCU is watching. x86 selects `ARCH_WANTS_NO_INSTR`: all code
//! that runs while RCU is not watching is `noinstr`, so ftrace cannot hook it
//! (`trace_warn_on_no_rcu()`).

use crate::bindings;
use core::{arch::asm, marker::PhantomData};
use kernel::{error::to_result, prelude::*};

/// The bits of the preemption count from which `interrupt_context_level()` computes the level.
const INTERRUPT: u32 =
    (bindings::NMI_MASK | bindings::HARDIRQ_MASK | bindings::SOFTIRQ_OFFSET) as u32;

/// The guard that a handler holds while it runs. There is at most one for each CPU and level (task,
/// softirq, hardirq, NMI).
///
/// # Invariants
///
/// Preemption was disabled before `level` was computed, and still is. This guard has set this
/// CPU's `tackle_ftrace_active[level]` to 1.
pub(crate) struct Inside {
    level: usize,
    // The guard belongs to one CPU.
    _not_send: PhantomData<*mut ()>,
}

impl Inside {
    /// Creates the guard; fails within a handler of the same context.
    ///
    /// An interrupt that arrives in a handler has the level of that handler until it has changed
    /// the preemption count. Hooks miss the functions that it calls before.
    #[inline(always)]
    pub(crate) fn enter() -> core::result::Result<Self, Missed> {
        let count = disable_preemption();
        let level = if count & INTERRUPT == 0 {
            0
        } else {
            interrupt_level(count)
        };
        if !set_active(level) && !is_stale() {
            return Err(Missed(PhantomData));
        }
        // INVARIANT: `set_active` has changed it from 0 to 1, or it is 1 and belongs to no running
        // handler.
        Ok(Self {
            level,
            _not_send: PhantomData,
        })
    }
}

impl Drop for Inside {
    #[inline(always)]
    fn drop(&mut self) {
        clear_active(self.level);
        enable_preemption();
    }
}

/// A call for which no handler runs, since it came from within a handler.
///
/// # Invariants
///
/// Preemption is disabled.
pub(crate) struct Missed(PhantomData<*mut ()>);

impl Drop for Missed {
    #[inline(always)]
    fn drop(&mut self) {
        enable_preemption();
    }
}

/// Returns whether the `tackle_ftrace_active` of this CPU and context was set by a handler that
/// never returned, because its task oopsed and was killed. The caller has disabled preemption once.
///
/// "rust-cold": its callers need not save their registers for this rare case. For the same reason
/// it reads the preemption count again, so that its callers need not keep it in a register.
#[cold]
#[inline(never)]
extern "rust-cold" fn is_stale() -> bool {
    let count: u32;
    // SAFETY: Reads this CPU's preemption count.
    unsafe {
        asm!(
            "mov {value:e}, gs:[rip + {count}]",
            count = sym bindings::__preempt_count,
            value = out(reg) count,
            options(nostack, preserves_flags, readonly),
        )
    };
    if count & INTERRUPT != 0 {
        // An oops in an interrupt is a panic.
        return false;
    }
    // A handler that still ran would have disabled preemption, too. Then the count would be higher.
    let alone = count & bindings::PREEMPT_MASK as u32 == 1;
    // SAFETY: The function reads data of this CPU. Preemption is disabled, so the task stays on it.
    unsafe { bindings::ftrace_handler_is_dead(alone) }
}

/// `interrupt_context_level()`, for an interrupt.
#[cold]
#[inline(never)]
extern "rust-cold" fn interrupt_level(count: u32) -> usize {
    let count = u64::from(count);
    if count & bindings::NMI_MASK as u64 != 0 {
        3
    } else if count & bindings::HARDIRQ_MASK as u64 != 0 {
        2
    } else {
        1
    }
}

/// `preempt_disable_notrace()`; returns the lower half of the count.
#[inline(always)]
fn disable_preemption() -> u32 {
    let count: u32;
    // SAFETY: Increments this CPU's preemption count, which `enable_preemption` undoes, and reads
    // it. It changes only the lower byte, so it is right for a count of 32 bits and of 64 bits.
    unsafe {
        asm!(
            "inc dword ptr gs:[rip + {count}]",
            "mov {value:e}, gs:[rip + {count}]",
            count = sym bindings::__preempt_count,
            value = out(reg) count,
            options(nostack),
        )
    };
    count
}

/// `preempt_enable_notrace()`.
#[inline(always)]
fn enable_preemption() {
    // SAFETY: Undoes the increment of `disable_preemption`. If the count is 0 now, preemption is
    // enabled, and the inverted flag in the highest bit says that a reschedule is needed.
    #[cfg(CONFIG_HAS_SEPARATE_PREEMPT_RESCHED_BITS)]
    unsafe {
        asm!(
            "dec qword ptr gs:[rip + {count}]",
            "jz {reschedule}",
            count = sym bindings::__preempt_count,
            reschedule = label { reschedule() },
            options(nostack),
        )
    }
    // SAFETY: As above, for a count of 32 bits.
    #[cfg(not(CONFIG_HAS_SEPARATE_PREEMPT_RESCHED_BITS))]
    unsafe {
        asm!(
            "dec dword ptr gs:[rip + {count}]",
            "jz {reschedule}",
            count = sym bindings::__preempt_count,
            reschedule = label { reschedule() },
            options(nostack),
        )
    }
}

/// "rust-cold": its callers need not save their registers for this rare case.
#[cold]
#[inline(never)]
extern "rust-cold" fn reschedule() {
    // SAFETY: It may be called with any preemption count and interrupt state: it checks both, and
    // returns at once if preemption is not allowed.
    unsafe { bindings::__preempt_schedule_notrace() };
}

/// Sets this CPU's `tackle_ftrace_active[level]`. Returns false if it was set already.
#[inline(always)]
fn set_active(level: usize) -> bool {
    // SAFETY: Reads and writes this CPU's element of an array that has one element for each of the
    // contexts that can interrupt each other: task, softirq, hardirq and NMI. An interrupt between
    // the two instructions does not change the element of this context.
    unsafe {
        asm!(
            "cmp byte ptr gs:[{active} + {level}], 0",
            "jne {inside}",
            "mov byte ptr gs:[{active} + {level}], 1",
            active = sym bindings::tackle_ftrace_active,
            level = in(reg) level,
            inside = label { return false },
            options(nostack),
        )
    };
    true
}

#[inline(always)]
fn clear_active(level: usize) {
    // SAFETY: Writes the element that `set_active` has written.
    unsafe {
        asm!(
            "mov byte ptr gs:[{active} + {level}], 0",
            active = sym bindings::tackle_ftrace_active,
            level = in(reg) level,
            options(nostack, preserves_flags),
        )
    };
}

/// The registration of the library's notifier for oopses.
pub(crate) struct OopsNotifier(());

impl OopsNotifier {
    /// Registers it.
    ///
    /// # Errors
    ///
    /// The errors of the kernel's registration function, which returns none today.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: There is one at most: the library has it.
        to_result(unsafe { bindings::ftrace_watch_oopses() })?;
        Ok(Self(()))
    }
}

impl Drop for OopsNotifier {
    fn drop(&mut self) {
        // SAFETY: `new` has registered it.
        unsafe { bindings::ftrace_ignore_oopses() };
    }
}
