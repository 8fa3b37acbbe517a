// SPDX-License-Identifier: GPL-2.0

//! The function that a replacement has taken the place of.

use super::{Function, KeepsArguments, Prototype, Registers, Returned, Running, Value};
use crate::{bindings, call_at::call_at};
use core::marker::PhantomData;
use kernel::ffi::c_void;

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
    /// This goes past the function's entry, where it would be redirected again, and where
    /// tracers have seen this call already. What the function itself calls is redirected as
    /// ever: when it calls itself, that is a call of the replacement.
    ///
    /// It can be done once: the function may have freed what its arguments point to.
    ///
    /// # Context
    ///
    /// That of the replacement.
    #[inline]
    pub fn call(self) -> Returned<'a, F> {
        self.call_once()
    }

    /// As [`Original::call`], for a function that keeps what its arguments point to: the
    /// replacement may use them afterwards.
    ///
    /// # Context
    ///
    /// That of the replacement.
    #[inline]
    pub fn call_keeping(&self) -> Returned<'a, F>
    where
        F: KeepsArguments,
    {
        self.call_once()
    }

    #[inline]
    fn call_once(&self) -> Returned<'a, F> {
        let result = call(self.registers, self.function);
        let result = <F::Prototype as Prototype>::Return::from_register(result);
        // SAFETY: The function has returned it, and by the type invariants `'a` is over
        // before the call is that it was returned to.
        unsafe { result.returned() }
    }
}

// SAFETY: Only `call` can have the function free what its arguments point to, and it takes the
// value. The caller of the function keeps them until then.
unsafe impl<'a, F: Function> Running<'a> for Original<'a, F> {}

/// Calls the function at `function` behind its entry. There is one copy of this, in
/// `tackle_ftrace.ko`: a live patch contains none of it.
///
/// To be called with what is in an [`Original`].
#[inline(never)]
fn call(registers: &Registers, function: *mut c_void) -> usize {
    // SAFETY: By the type invariants of `Original` the function is redirected, so its entry
    // is a call of ftrace's, which leaves all as it finds it but the instruction pointer.
    // The function's module stays while it is called. The arguments are those that its
    // caller meant for it; further registers it does not look at.
    unsafe { call_at(bindings::ftrace_behind_entry(function), *registers) }
}
