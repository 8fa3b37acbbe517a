// SPDX-License-Identifier: GPL-2.0

//! Implements the functions that the trampolines of `trampolines.S` call, and the pool of these
//! trampolines.

use super::{
    chain::{self, ExitChain, ExitNode, Frame},
    ExitHandler, Return,
};
use crate::{
    ftrace::{
        context::{Inside, Missed},
        Call, MCOUNT_INSN_SIZE,
    },
    percpu::{self, Counter},
};
use core::{
    cell::UnsafeCell,
    mem::offset_of,
    ptr,
    sync::atomic::{AtomicPtr, AtomicUsize, Ordering},
};
use kernel::prelude::*;

/// The number of trampolines, as in `trampolines.S`.
const SLOTS: usize = 256;
/// The distance between two trampolines in bytes, as in `trampolines.S`.
const TRAMPOLINE_SIZE: usize = 256;
/// A trampoline has two entry points: one for jumps, at its begin, and one for calls. This is the
/// offset of the second one, as in `trampolines.S`.
const CALL_ENTRY: usize = 6;
/// The bit in the address of a direct call which says that the function jumps to the address
/// instead of calling it (`ftrace_jmp_set()`).
const JMP: usize = 1;

extern "C" {
    /// The first of the trampolines; the others follow it.
    static tackle_ftrace_exit_trampolines: u8;
}

/// The function that a trampoline calls at the entry or at the exit of the hooked function.
pub(super) type Step = unsafe extern "C" fn(*mut Frame, &ExitSlot);

/// The data of a trampoline: the functions that it calls, and the hooks that these run.
///
/// # Invariants
///
/// While a task can be in the trampoline:
///
/// - `entered` and `left` are the addresses of two [`Counter`]s.
/// - `first` points at the first node of a chain.
/// - `enter` and `leave` are [`enter_chain`] and [`leave_chain`], which run any chain; or the
///   [`ExitNode::alone`] of one hook. Then the chain begins with this hook, or is empty.
#[repr(C)]
pub(super) struct ExitSlot {
    // As in `trampolines.S`.
    next_ip: UnsafeCell<usize>,
    enter: UnsafeCell<Step>,
    leave: UnsafeCell<Step>,
    // Not the kernel's atomic types: their loads are calls, for which all registers would be saved.
    first: AtomicPtr<ExitNode>,
    entered: AtomicUsize,
    left: AtomicUsize,
    /// The address of the `call __fentry__` at the function's entry.
    ip: UnsafeCell<usize>,
    _pad: usize,
}

// SAFETY: `enter` and `leave` are written by one store each. The trampoline reads them by one load
// each, and nothing else does. `ip` and `next_ip` are written while no task is in the trampoline.
unsafe impl Sync for ExitSlot {}

const _: () = {
    assert!(size_of::<ExitSlot>() == 64, "as in trampolines.S");
    assert!(offset_of!(ExitSlot, enter) == 8 && offset_of!(ExitSlot, leave) == 16);
};

#[allow(non_upper_case_globals)]
#[no_mangle]
static tackle_ftrace_exit_slots: [ExitSlot; SLOTS] = [const {
    ExitSlot {
        next_ip: UnsafeCell::new(0),
        enter: UnsafeCell::new(enter_chain),
        leave: UnsafeCell::new(leave_chain),
        first: AtomicPtr::new(ptr::null_mut()),
        entered: AtomicUsize::new(0),
        left: AtomicUsize::new(0),
        ip: UnsafeCell::new(0),
        _pad: 0,
    }
}; SLOTS];

/// Which slots are in use.
pub(super) struct Pool([bool; SLOTS]);

impl Pool {
    pub(super) const fn new() -> Self {
        Self([false; SLOTS])
    }

    /// Takes a trampoline for the function whose `call __fentry__` is at `address`.
    ///
    /// # Errors
    ///
    /// - `ENOSPC`: all trampolines are in use.
    /// - `ENOMEM`: there is no memory for the counters.
    pub(super) fn take(&mut self, address: usize) -> Result<Trampoline> {
        let (entered, left) = (Counter::new()?, Counter::new()?);
        let number = self.0.iter().position(|used| !used).ok_or(ENOSPC)?;
        self.0[number] = true;
        let slot = &tackle_ftrace_exit_slots[number];
        // SAFETY: The slot was free, so no task is in the trampoline, and nothing reads the fields.
        unsafe {
            slot.ip.get().write(address);
            slot.next_ip.get().write(address + MCOUNT_INSN_SIZE);
        }
        // INVARIANT: These are the addresses of two counters.
        slot.entered.store(entered.address(), Ordering::Relaxed);
        slot.left.store(left.address(), Ordering::Relaxed);
        Ok(Trampoline {
            number,
            entered,
            left,
        })
    }

    /// Puts the trampoline of this number back. No task is in it.
    pub(super) fn put(&mut self, number: usize) {
        self.0[number] = false;
    }
}

/// Returns whether the address of a direct call has the bit [`JMP`].
pub(super) fn is_jmp(direct: usize) -> bool {
    direct & JMP != 0
}

/// Converts the address by which a function jumps to a trampoline into the one by which it calls
/// the trampoline.
pub(super) fn called(direct: usize) -> usize {
    (direct & !JMP) + CALL_ENTRY
}

/// Converts the address by which a function calls a trampoline into the one by which it jumps to
/// the trampoline.
pub(super) fn jumped_to(direct: usize) -> usize {
    direct.wrapping_sub(CALL_ENTRY) | JMP
}

/// A trampoline that is in use, with its slot.
///
/// # Invariants
///
/// The slot has the addresses of `entered` and `left`, and belongs to this trampoline alone.
pub(super) struct Trampoline {
    pub(super) number: usize,
    /// The number of calls that have entered the trampoline; `left` is the number of those that
    /// have left it. A task increments `entered` before it can sleep in the trampoline. After it
    /// has incremented `left`, it does not sleep there any more.
    entered: Counter,
    left: Counter,
}

impl Trampoline {
    fn slot(&self) -> &'static ExitSlot {
        &tackle_ftrace_exit_slots[self.number]
    }

    /// Returns the address for `register_ftrace_direct()`: with the bit [`JMP`] if the function's
    /// entry is to jump there.
    pub(super) fn direct_address(&self, jmp: bool) -> usize {
        let begin =
            (&raw const tackle_ftrace_exit_trampolines).addr() + self.number * TRAMPOLINE_SIZE;
        if jmp {
            begin | JMP
        } else {
            called(begin)
        }
    }

    /// Makes the trampoline run the hooks of a chain.
    ///
    /// Until a grace period of RCU tasks has passed, a CPU may still run the old `enter` and
    /// `leave` with the new chain. So until then the chain of one hook must be followed by a chain
    /// that begins with the same hook, or by an empty chain.
    pub(super) fn run(&self, chain: &ExitChain) {
        let slot = self.slot();
        let (enter, leave) = match chain.hooks() {
            [hook] => (hook.alone.enter, hook.alone.leave),
            _ => (enter_chain as Step, leave_chain as Step),
        };
        slot.first.store(chain.first(), Ordering::Release);
        // SAFETY: The addresses are valid. An aligned store of a word is one store. x86 keeps the
        // order of stores: a CPU that reads the new `enter` also reads the new `leave` and chain.
        unsafe {
            slot.leave.get().write_volatile(leave);
            slot.enter.get().write_volatile(enter);
        }
    }

    /// Returns the number of tasks that are in the trampoline. The caller has made the function not
    /// call the trampoline any more, and has waited for a grace period of RCU tasks. So no further
    /// task can enter.
    pub(super) fn tasks(&self) -> u64 {
        let entered = self.entered.sum();
        entered.wrapping_sub(self.left.sum())
    }
}

impl ExitSlot {
    /// Returns the first node of the chain.
    #[inline(always)]
    fn first(&self) -> *const ExitNode {
        self.first.load(Ordering::Acquire)
    }

    /// Returns the address of the function's `call __fentry__`.
    ///
    /// # Safety
    ///
    /// A task is in the trampoline.
    #[inline(always)]
    unsafe fn ip(&self) -> usize {
        // SAFETY: `ip` is written only while no task is in the trampoline.
        unsafe { self.ip.get().read() }
    }
}

/// Counts that a call has left its trampoline, on behalf of a task that ends within the call.
/// `address` is a return address on the stack of the task. If it is not in a trampoline, this does
/// nothing.
///
/// # Safety
///
/// The task does not return to `address`.
pub(super) unsafe fn count_dead(address: usize) {
    let offset = address.wrapping_sub((&raw const tackle_ftrace_exit_trampolines).addr());
    if let Some(slot) = tackle_ftrace_exit_slots.get(offset / TRAMPOLINE_SIZE) {
        // SAFETY: By the type invariants, since the task is in the trampoline.
        unsafe { percpu::increment(slot.left.load(Ordering::Relaxed)) };
    }
}

/// Counts that a call has entered the trampoline. Then calls `run`, or, within a handler, counts
/// that the hooks miss the call.
///
/// # Safety
///
/// Called from a trampoline alone, with its slot and a frame on the stack.
#[inline(always)]
unsafe fn enter(frame: *mut Frame, slot: &ExitSlot, run: impl FnOnce(&ExitNode, &mut Frame)) {
    // SAFETY: By the function's requirements the frame is that of this call alone.
    let frame = unsafe { &mut *frame };
    // SAFETY: By the type invariants of `ExitSlot`.
    unsafe { percpu::increment(slot.entered.load(Ordering::Relaxed)) };
    match Inside::enter() {
        Ok(_inside) => {
            frame.is_seen = 1;
            // SAFETY: By the type invariants of `ExitSlot` this is a node. Preemption is disabled,
            // and the node is freed only after preemption was enabled on every CPU.
            run(unsafe { &*slot.first() }, frame);
        }
        Err(context) => missed_entry(slot, frame, context),
    }
}

/// Called when the function has returned. Calls `run`, if the entry handlers were run, and counts
/// that the call has left the trampoline.
///
/// # Safety
///
/// As for [`enter`], which was called with the same frame.
#[inline(always)]
unsafe fn leave(
    frame: *mut Frame,
    slot: &ExitSlot,
    run: impl FnOnce(&ExitNode, &Return, &mut Frame),
) {
    // SAFETY: By the function's requirements the frame is that of this call alone.
    let frame = unsafe { &mut *frame };
    if frame.is_seen != 0 {
        match Inside::enter() {
            Ok(_inside) => {
                let ret = Return {
                    // SAFETY: By the function's requirements.
                    ip: unsafe { slot.ip() },
                    value: frame.value,
                };
                // SAFETY: As in `enter`.
                run(unsafe { &*slot.first() }, &ret, frame);
            }
            Err(context) => missed_exit(slot, frame, context),
        }
    }
    // SAFETY: By the type invariants of `ExitSlot`.
    unsafe { percpu::increment(slot.left.load(Ordering::Relaxed)) };
}

/// Called by a trampoline at the entry of a function with several hooks.
///
/// # Safety
///
/// As for [`enter`].
pub(super) unsafe extern "C" fn enter_chain(frame: *mut Frame, slot: &ExitSlot) {
    let run = |first: &ExitNode, frame: &mut Frame| {
        // SAFETY: By the function's requirements.
        frame.call.ip = unsafe { slot.ip() };
        frame.call.parent_ip = frame.parent_ip;
        let frame: *mut Frame = frame;
        // SAFETY: The first node is that of a chain.
        unsafe { (first.entry)(first, &raw const (*frame).call, frame) };
    };
    // SAFETY: By the function's requirements.
    unsafe { enter(frame, slot, run) };
}

/// Called by a trampoline at the exit of a function with several hooks.
///
/// # Safety
///
/// As for [`leave`].
pub(super) unsafe extern "C" fn leave_chain(frame: *mut Frame, slot: &ExitSlot) {
    // SAFETY: By the function's requirements. The first node is that of a chain.
    unsafe {
        leave(frame, slot, |first, ret, frame| {
            (first.exit)(first, ret, frame)
        })
    };
}

/// Called by a trampoline at the entry of a function with one hook.
///
/// # Safety
///
/// As for [`enter`]. The first node is that of a `Hook<T>`, or the end of a chain.
pub(super) unsafe extern "C" fn enter_alone<T: ExitHandler>(frame: *mut Frame, slot: &ExitSlot) {
    let run = |first: &ExitNode, frame: &mut Frame| {
        if first.is_end() {
            return;
        }
        // A local value instead of `frame.call`: the compiler leaves out the fields that the
        // handler does not read.
        let call = Call {
            arguments: frame.call.arguments,
            // SAFETY: By the function's requirements.
            ip: unsafe { slot.ip() },
            parent_ip: frame.parent_ip,
        };
        // SAFETY: By the function's requirements.
        unsafe { first.run_entry::<T>(&call, frame) };
    };
    // SAFETY: By the function's requirements.
    unsafe { enter(frame, slot, run) };
}

/// Called by a trampoline at the exit of a function with one hook.
///
/// # Safety
///
/// As for [`leave`]. The first node is that of a `Hook<T>`, or the end of a chain.
pub(super) unsafe extern "C" fn leave_alone<T: ExitHandler>(frame: *mut Frame, slot: &ExitSlot) {
    // SAFETY: By the function's requirements.
    unsafe {
        leave(frame, slot, |first, ret, frame| {
            first.run_exit::<T>(ret, frame)
        })
    };
}

/// Counts in each hook that it has missed a call.
///
/// "rust-cold": its callers need not save their registers for this rare case.
#[cold]
#[inline(never)]
extern "rust-cold" fn missed_entry(slot: &ExitSlot, frame: &mut Frame, context: Missed) {
    frame.is_seen = 0;
    // SAFETY: By the type invariants of `ExitSlot`. `context` keeps preemption disabled.
    unsafe { chain::count_missed_entry(slot.first()) };
    drop(context);
}

/// Counts in each hook whose entry handler has returned data for a call that it has missed the
/// exit of the call.
#[cold]
#[inline(never)]
extern "rust-cold" fn missed_exit(slot: &ExitSlot, frame: &mut Frame, context: Missed) {
    // SAFETY: As above. The entry handlers were run for this frame, since `is_seen` is set.
    unsafe { chain::count_missed_exit(slot.first(), frame) };
    drop(context);
}
