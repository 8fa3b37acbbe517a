// SPDX-License-Identifier: GPL-2.0

//! The function that a replacement has taken the place of.

use super::{Function, Prototype, Registers, Returned, Value};
use crate::bindings;
use core::marker::PhantomData;
use kernel::ffi::c_void;

extern "C" {
    /// See `rust/helpers/call_original.S`.
    fn tackle_call_original(
        a: usize,
        b: usize,
        c: usize,
        d: usize,
        e: usize,
        f: usize,
        target: *mut c_void,
    ) -> usize;
}

/// The call that a replacement got, to be made of the function `F` itself.
///
/// That is the function as the kernel was built with it, even where an older live patch on
/// the stack replaces it, too.
///
/// # Invariants
///
/// `registers` hold the arguments of a call of `F`, which is at `function` and which a live
/// patch or a hook redirects; the call is not over before `'a` is.
pub struct Original<'a, F: Function> {
    registers: &'a Registers,
    function: *mut c_void,
    _function: PhantomData<F>,
}

impl<'a, F: Function> Original<'a, F> {
    /// Creates the handle for one call.
    ///
    /// # Safety
    ///
    /// As in the type invariants.
    #[inline]
    pub(super) unsafe fn new(registers: &'a Registers, function: *mut c_void) -> Self {
        // INVARIANT: By the function's requirements.
        Self {
            registers,
            function,
            _function: PhantomData,
        }
    }

    /// Calls the function with the arguments that its caller passed, and returns what it
    /// returns.
    ///
    /// This goes past the function's entry, where it would be redirected again, and where tracers have seen this call already. What the function itself calls
    /// is redirected as ever: when it calls itself, that is a call of the replacement.
    ///
    /// It can be done once: the function may have freed what its arguments point to.
    ///
    /// # Context
    ///
    /// That of the replacement.
    #[inline]
    pub fn call(self) -> Returned<'a, F> {
        let result = call(self.registers, self.function);
        let result = <F::Prototype as Prototype>::Return::from_register(result);
        // SAFETY: The function has returned it, and by the type invariants `'a` is over
        // before the call is that it was returned to.
        unsafe { result.view() }
    }
}

/// Calls the function at `function` behind its entry. One place for all, so that nothing
/// of this is in patches.
///
/// To be called with what is in an [`Original`].
#[inline(never)]
fn call(registers: &Registers, function: *mut c_void) -> usize {
    let &[a, b, c, d, e, f] = registers;
    // SAFETY: By the type invariants of `Original` the function is redirected, so its entry
    // is a call of ftrace's, which leaves all as it finds it but the instruction pointer.
    // The function's module stays while it is called. The arguments are those that its
    // caller meant for it; further registers it does not look at.
    unsafe { tackle_call_original(a, b, c, d, e, f, bindings::ftrace_behind_entry(function)) }
}
