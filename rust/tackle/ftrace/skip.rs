// SPDX-License-Identifier: GPL-2.0

//! Makes a function return a value at once, instead of being run.
//!
//! The function goes on at a stub that loads the value and returns. The value cannot wait in
//! the register of the return value: when a BPF program is on the same function, its trampoline
//! comes between the hook and the stub, and uses that register. So there is a stub for each
//! value that was ever returned, up to a limit.

use super::divert::go_on_at;
use crate::bindings;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

/// How many stubs there are; as in `trampolines.S`.
const STUBS: usize = 128;
/// As in `trampolines.S`.
const STUB_SIZE: usize = 32;

extern "C" {
    /// The first of the stubs; the others follow it.
    static tackle_ftrace_return_stubs: u8;
}

/// A stub.
///
/// # Invariants
///
/// `code` returns `value`, which is set once: by whoever sets `is_taken`.
#[repr(C)]
pub(super) struct Stub {
    // First: the stub reads it.
    value: AtomicUsize,
    code: *const u8,
    is_taken: AtomicBool,
}

// SAFETY: The address does not change.
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
        // INVARIANT: That is the stub in `trampolines.S`.
        stubs[index].code = (&raw const tackle_ftrace_return_stubs).wrapping_add(index * STUB_SIZE);
        index += 1;
    }
    stubs[0].is_taken = AtomicBool::new(true);
    stubs
};

/// The stub that a hook has used last: most hooks return few different values.
///
/// # Invariants
///
/// It is one of the stubs whose value is set.
pub(super) struct LastStub(AtomicPtr<Stub>);

impl LastStub {
    pub(super) fn new() -> Self {
        // INVARIANT: The first one has its value from the beginning.
        Self(AtomicPtr::new(
            (&raw const tackle_ftrace_return_values[0]).cast_mut(),
        ))
    }

    /// Makes the function return `value` at once; false if there is no stub for the value. Then
    /// the function goes on.
    ///
    /// # Safety
    ///
    /// `fregs` is what ftrace passes to a callback that may change them. The function returns a
    /// value of one register, or none.
    #[inline(always)]
    pub(super) unsafe fn skip(&self, fregs: *mut bindings::ftrace_regs, value: usize) -> bool {
        // SAFETY: By the type invariants.
        let last = unsafe { &*self.0.load(Ordering::Acquire) };
        // SAFETY: By the type invariants it was set, after which it does not change. An atomic
        // load would be an instruction of its own.
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

    /// Looks for the stub of another value, or takes one that is free.
    ///
    /// "rust-cold": the hook need not save its registers for what hardly ever happens.
    #[cold]
    #[inline(never)]
    extern "rust-cold" fn search(&self, value: usize) -> Option<&'static Stub> {
        for stub in &tackle_ftrace_return_values {
            if !stub.is_taken.swap(true, Ordering::Acquire) {
                stub.value.store(value, Ordering::Release);
            } else if stub.value.load(Ordering::Acquire) != value {
                continue;
            }
            // INVARIANT: Its value is set.
            self.0
                .store((&raw const *stub).cast_mut(), Ordering::Release);
            return Some(stub);
        }
        None
    }
}
