// SPDX-License-Identifier: GPL-2.0

//! Implements skipping a function: the function returns a given value at once, without running.
//!
//! The function continues at a stub that loads the value and returns. The hook itself cannot put
//! the value into the return register: if a BPF program is on the same function, its trampoline
//! runs between the hook and the stub, and overwrites that register. So there is a stub for each
//! value that was ever returned, up to a limit.

use super::divert::go_on_at;
use crate::bindings;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

/// The number of stubs, as in `trampolines.S`.
const STUBS: usize = 128;
/// The distance between two stubs in bytes, as in `trampolines.S`.
const STUB_SIZE: usize = 32;

extern "C" {
    /// The first of the stubs; the others follow it.
    static tackle_ftrace_return_stubs: u8;
}

/// A stub.
///
/// # Invariants
///
/// The code at `code` returns `value`. `value` is set once, by the thread that sets `is_taken`.
#[repr(C)]
pub(super) struct Stub {
    // At offset 0, where the code of the stub reads it.
    value: AtomicUsize,
    code: *const u8,
    is_taken: AtomicBool,
}

// SAFETY: `code` does not change, and the other fields are atomic.
unsafe impl Sync for Stub {}

const _: () = assert!(size_of::<Stub>() == 24, "as in trampolines.S");

/// The stubs. The first one returns 0.
#[allow(non_upper_case_globals)]
#[no_mangle]
static tackle_ftrace_return_values: [Stub; STUBS] = {
    let mut stubs = [const {
        Stub {
            value: AtomicUsize::new(0),
            code: core::ptr::null(),
            is_taken: AtomicBool::new(false),
        }
    }; STUBS];
    let mut index = 0;
    while index < STUBS {
        // INVARIANT: The stub of this index in `trampolines.S` returns the value of this element.
        stubs[index].code = (&raw const tackle_ftrace_return_stubs).wrapping_add(index * STUB_SIZE);
        index += 1;
    }
    stubs[0].is_taken = AtomicBool::new(true);
    stubs
};

/// The stub that a hook has used last. It is a cache: most hooks return few different values.
///
/// # Invariants
///
/// It points at a stub whose value is set.
pub(super) struct LastStub(AtomicPtr<Stub>);

impl LastStub {
    pub(super) fn new() -> Self {
        // INVARIANT: The value of the first stub is set from the beginning.
        Self(AtomicPtr::new(
            (&raw const tackle_ftrace_return_values[0]).cast_mut(),
        ))
    }

    /// Makes the function return `value` at once. Returns false if there is no stub for the value;
    /// then the function runs.
    ///
    /// # Safety
    ///
    /// `fregs` is what ftrace passes to a callback that may change the registers. The function
    /// returns a value in one register, or none.
    #[inline(always)]
    pub(super) unsafe fn skip(&self, fregs: *mut bindings::ftrace_regs, value: usize) -> bool {
        // SAFETY: By the type invariants.
        let last = unsafe { &*self.0.load(Ordering::Acquire) };
        // SAFETY: By the type invariants the value is set, and after that it does not change. An
        // atomic load would be an instruction of its own.
        let stub = if unsafe { *last.value.as_ptr() } == value {
            last
        } else {
            match self.search(value) {
                Some(stub) => stub,
                None => return false,
            }
        };
        // SAFETY: By the function's requirements. The stub returns to the function's caller.
        unsafe { go_on_at(fregs, stub.code.addr()) };
        true
    }

    /// Finds the stub of `value`, or takes a free stub for it. [`None`] if there is neither.
    ///
    /// "rust-cold": the hook need not save its registers for this rare case.
    #[cold]
    #[inline(never)]
    extern "rust-cold" fn search(&self, value: usize) -> Option<&'static Stub> {
        for stub in &tackle_ftrace_return_values {
            if !stub.is_taken.swap(true, Ordering::Acquire) {
                stub.value.store(value, Ordering::Release);
            } else if stub.value.load(Ordering::Acquire) != value {
                continue;
            }
            // INVARIANT: The value of this stub is set.
            self.0
                .store((&raw const *stub).cast_mut(), Ordering::Release);
            return Some(stub);
        }
        None
    }
}
