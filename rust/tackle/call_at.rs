// SPDX-License-Identifier: GPL-2.0

//! Calls a kernel function at an address that need not begin with ENDBR.

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

/// Calls the function at `target` with `registers` as its arguments, and returns what it
/// leaves in the register of the return value.
///
/// There is one copy of this, in `tackle_ftrace.ko`: a live patch contains none of it.
///
/// # Safety
///
/// At `target` is a function of the C calling convention, or the part of one behind the
/// call of ftrace at its entry. It stays there until it has returned. The registers hold
/// valid arguments; the function ignores those that it has no argument for.
#[inline(never)]
pub(crate) unsafe fn call_at(target: *mut c_void, registers: [usize; 6]) -> usize {
    let [a, b, c, d, e, f] = registers;
    // SAFETY: By the function's requirements.
    unsafe { tackle_call_at(a, b, c, d, e, f, target) }
}
