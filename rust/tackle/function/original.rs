// SPDX-License-Identifier: GPL-2.0

//! Implements the call of the original function from its replacement.

use super::{Function, KeepsArguments, Prototype, Registers, Returned, Running, Value};
use crate::{bindings, call_at::call_at};
use core::marker::PhantomData;
use kernel::ffi::c_void;

/// The redirected call, with which a replacement can call the original function `F`.
///
/// This is the function as built into the kernel, even if an older live patch replaces it, too.
///
/// # Invariants
///
/// `registers` holds the arguments of a call of `F`, which does not return before `'a` ends. `F` is
/// at `function`, and a live patch or a hook redirects it.
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
    /// The arguments have the properties of the type invariants.
    #[inline]
    pub(super) unsafe fn new(registers: &'a Registers, function: *mut c_void) -> Self {
        // INVARIANT: By the function's requirements.
        Self {
            registers,
            function,
            _function: PhantomData,
        }
    }

    /// Calls the original function with the arguments that its caller passed, and returns its
    /// return value.
    ///
    /// The call skips the `call __fentry__` at the function's entry. There it would be redirected
    /// again, and tracers have already recorded this call there. Calls that the function makes are
    /// redirected as usual. So if it calls itself, it calls the replacement.
    ///
    /// This consumes the handle, since the function may have freed the objects that its arguments
    /// point to.
    ///
    /// # Context
    ///
    /// That of the replacement.
    #[inline]
    pub fn call(self) -> Returned<'a, F> {
        self.call_once()
    }

    /// As [`Original::call`], for a function that does not free the objects that its arguments
    /// point to. The replacement may use the arguments after this call.
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
        // SAFETY: The function has returned this value, and by the type invariants `'a` ends before
        // the redirected call returns.
        unsafe { result.returned() }
    }
}

// SAFETY: Only `call` can run a function that frees the objects that the arguments point to, and
// `call` consumes the value. Until then the caller of the function keeps these objects.
unsafe impl<'a, F: Function> Running<'a> for Original<'a, F> {}

/// Calls the function at `function` after the `call __fentry__` at its entry. It is not inlined, so
/// that `tackle_ftrace.ko` has the only copy, and a live patch contains none.
///
/// Called with the fields of an [`Original`].
#[inline(never)]
fn call(registers: &Registers, function: *mut c_void) -> usize {
    // SAFETY: By the type invariants of `Original` the function is redirected, so its entry
    // is a call of ftrace, which changes nothing but the instruction pointer and may be skipped.
    // The function's module is not freed while the function is called. The registers hold the
    // arguments that its caller has passed; the function ignores further registers.
    unsafe { call_at(bindings::ftrace_behind_entry(function), *registers) }
}
