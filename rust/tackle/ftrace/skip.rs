// SPDX-License-Identifier: GPL-2.0

//! Makes a function return a value at once, instead of being run.
//!
//! The function goes on at a stub that loads the value and returns. The value cannot wait in
//! the register of the return value: when a BPF program is on the same function, its trampoline
//! comes between the hook and the stub, and uses that register. So there is a stub for each
//! value that was ever returned, up to a limit.

use super::divert::go_on_at;
use crate::bindings;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// How many stubs there are; as in `trampolines.S`.
const STUBS: usize = 128;
/// As in `trampolines.S`.
const STUB_SIZE: usize = 32;

extern "C" {
    /// The first of the stubs; the others follow it.
    static tackle_ftrace_return_stubs: u8;
    /// Returns to the caller what is in the register of the return value.
    fn tackle_ftrace_just_return();
}

/// What the stubs return.
#[allow(non_upper_case_globals)]
#[no_mangle]
static tackle_ftrace_return_values: [AtomicUsize; STUBS] = [const { AtomicUsize::new(0) }; STUBS];

/// Whether a stub's value is set for good: [`FREE`], [`TAKEN`] or [`SET`].
static STATES: [AtomicU32; STUBS] = [const { AtomicU32::new(FREE) }; STUBS];

const FREE: u32 = 0;
/// Somebody is about to set the value.
const TAKEN: u32 = 1;
const SET: u32 = 2;

/// Makes the function return `value` at once.
///
/// Not inlined: modules do not get to see the symbols.
///
/// # Safety
///
/// `fregs` is what ftrace passes to a callback that may change them. The function returns a
/// value of one register, or none.
#[inline(never)]
pub(super) unsafe fn skip(fregs: *mut bindings::ftrace_regs, value: usize) {
    let ip = match stub(value) {
        Some(index) => (&raw const tackle_ftrace_return_stubs).addr() + index * STUB_SIZE,
        None => {
            // SAFETY: By the function's requirements.
            unsafe { (*fregs.cast::<bindings::__arch_ftrace_regs>()).regs.ax = value };
            tackle_ftrace_just_return as *const () as usize
        }
    };
    // SAFETY: By the function's requirements. What is there returns to the function's caller.
    unsafe { go_on_at(fregs, ip) };
}

/// Returns the number of the stub for `value`; [`None`] when all are taken.
#[inline(always)]
fn stub(value: usize) -> Option<usize> {
    // Fibonacci hashing, as in `group.rs`.
    let first = value.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (usize::BITS - STUBS.ilog2());
    let is_its = |index: usize| {
        STATES[index].load(Ordering::Acquire) == SET
            && tackle_ftrace_return_values[index].load(Ordering::Relaxed) == value
    };
    if is_its(first) {
        return Some(first);
    }
    search(first, value, is_its)
}

/// Looks for the stub of `value` behind the first one, or takes one that is free.
#[cold]
fn search(first: usize, value: usize, is_its: impl Fn(usize) -> bool) -> Option<usize> {
    for step in 0..STUBS {
        let index = (first + step) % STUBS;
        if is_its(index) {
            return Some(index);
        }
        let free =
            STATES[index].compare_exchange(FREE, TAKEN, Ordering::Relaxed, Ordering::Relaxed);
        if free.is_ok() {
            tackle_ftrace_return_values[index].store(value, Ordering::Relaxed);
            STATES[index].store(SET, Ordering::Release);
            return Some(index);
        }
    }
    None
}
