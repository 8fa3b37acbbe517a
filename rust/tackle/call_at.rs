// SPDX-License-Identifier: GPL-2.0

//! Implements the call of a kernel function at an address that need not begin with ENDBR.

use kernel::ffi::c_void;

extern "C" {
    /// See `rust/helpers/call_at.S`.
    fn tackle_call_at(
        a: usize,
        b: usize,
        c: usize,
        d: usize,
        e: usize,
        f: usize,
        target: *mut c_void,
    ) -> usize;
}

/// Calls the function at `target` with `registers` as its arguments, and returns the register of
/// the return value.
///
/// It is not inlined, so that `tackle_ftrace.ko` has the only copy, and a live patch contains none.
///
/// # Safety
///
/// At `target` is a function of the C calling convention, or the part of such a function after the
/// `call __fentry__` at its entry. The code is not freed until the function has returned. The
/// registers hold valid arguments. The function ignores registers for which it has no argument.
#[inline(never)]
pub(crate) unsafe fn call_at(target: *mut c_void, registers: [usize; 6]) -> usize {
    let [a, b, c, d, e, f] = registers;
    // SAFETY: By the function's requirements.
    unsafe { tackle_call_at(a, b, c, d, e, f, target) }
}
