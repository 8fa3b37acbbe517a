// SPDX-License-Identifier: GPL-2.0

//! Where a handler runs: with preemption disabled, and not within another handler of the
//! same context.
//!
//! An oops in a handler kills the task before it has left the handler. `rust/helpers/ftrace.c`
//! notes that task when the kernel reports the oops, so that the next handler on the CPU can
//! run.
//!
//! C headers: [`arch/x86/include/asm/preempt.h`](srctree/arch/x86/include/asm/preempt.h),
//! [`include/linux/trace_recursion.h`](srctree/include/linux/trace_recursion.h). What ftrace
//! does for ops with `FTRACE_OPS_FL_RECURSION` takes three times as many instructions.
//!
//! Whether RCU watches needs no look: x86 selects `ARCH_WANTS_NO_INSTR`, so that what runs
//! while RCU does not watch is `noinstr`, and ftrace cannot hook it
//! (`trace_warn_on_no_rcu()`).

use crate::bindings;
use core::{arch::asm, marker::PhantomData};
use kernel::{error::to_result, prelude::*};

/// The bits of the preemption count by which `interrupt_context_level()` tells the levels.
const INTERRUPT: u32 =
    (bindings::NMI_MASK | bindings::HARDIRQ_MASK | bindings::SOFTIRQ_OFFSET) as u32;

/// A handler's run on this CPU. There is one at most for each CPU and level.
///
/// # Invariants
///
/// Preemption is disabled since before `level` was found, and this CPU's
/// `tackle_ftrace_active[level]` was 0 and is 1.
pub(crate) struct Inside {
    level: usize,
    // Of this CPU.
    _not_send: PhantomData<*mut ()>,
}

impl Inside {
    /// Enters; fails within a handler of the same context.
    ///
    /// An interrupt that comes in a handler counts as that handler's context until it has
    /// told the preemption count that it is one: what it calls before that is missed.
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
        // INVARIANT: It was 0, or nobody's, and is 1.
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

/// A call that no handler sees, since it came from within one.
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

/// Returns whether the `tackle_ftrace_active` of this CPU and context is that of a handler which
/// never returned: its task oopsed and was killed. The caller has disabled preemption once.
///
/// "rust-cold": its callers need not save their registers for what hardly ever happens. For the
/// same reason it reads the preemption count again, which its callers then need not keep.
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
    // Another handler would have disabled preemption, too.
    let alone = count & bindings::PREEMPT_MASK as u32 == 1;
    // SAFETY: Preemption is disabled, so this is about one CPU.
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
    // SAFETY: Adds to this CPU's preemption count, which `enable_preemption` takes back, and
    // reads it. Whether the count has 32 bits or 64, the sum does not leave the lower byte.
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
    // SAFETY: Takes back what `disable_preemption` has added. At 0 nothing forbids to
    // reschedule, and the inverted flag in the highest bit asks for it.
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

/// "rust-cold": its callers need not save their registers for what hardly ever happens.
#[cold]
#[inline(never)]
extern "rust-cold" fn reschedule() {
    // SAFETY: Preemption is enabled, as far as the preemption count tells, which the
    // function looks at together with whether interrupts are.
    unsafe { bindings::__preempt_schedule_notrace() };
}

/// Sets this CPU's `tackle_ftrace_active[level]`; false if it is set.
#[inline(always)]
fn set_active(level: usize) -> bool {
    // SAFETY: Reads and writes this CPU's element of an array of one for each of the contexts
    // that can interrupt each other: task, softirq, hardirq and NMI. Interrupts that come in
    // between leave it as it was.
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
    // SAFETY: Writes what `set_active` has written.
    unsafe {
        asm!(
            "mov byte ptr gs:[{active} + {level}], 0",
            active = sym bindings::tackle_ftrace_active,
            level = in(reg) level,
            options(nostack, preserves_flags),
        )
    };
}

/// The registration by which the library is told of oopses.
pub(crate) struct OopsNotifier(());

impl OopsNotifier {
    /// Registers it.
    ///
    /// # Errors
    ///
    /// None that the kernel has today.
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
