// SPDX-License-Identifier: GPL-2.0

//! Rust functions that take the place of kernel functions.

use super::{Function, Original, Registers, Replaceable, Value};
use core::{arch::asm, mem};
use kernel::ffi::c_void;

/// What ties a replacement to the function that it has taken the place of.
///
/// [`patch!`](crate::patch) and [`redirect!`](crate::redirect) make a type for each.
///
/// # Safety
///
/// While a replacement runs that was given for a function `F` with this type, `old_func`
/// returns where `F` is.
#[doc(hidden)]
pub unsafe trait Replaced: 'static {
    /// Being in the replacement, until it is dropped.
    type Inside;

    /// Called when a task gets to the replacement.
    ///
    /// # Safety
    ///
    /// Called by the replacement's entry alone.
    unsafe fn enter() -> Self::Inside;

    /// Returns the address of the function that is replaced: that of its symbol, or of the
    /// call of ftrace at its entry.
    ///
    /// # Safety
    ///
    /// As for `enter`.
    unsafe fn old_func() -> *mut c_void;
}

/// What can take the place of `F`: a safe `fn` of an [`Original`] and the arguments of `F`,
/// as [`Value::View`] shows them, that returns what `F` returns ([`Value::Returned`]).
///
/// For `int mean(int a, struct thing *t)` this is
///
/// ```ignore
/// fn mean(original: Original<'_, Mean>, a: c_int, t: Pointer<'_, *mut thing>) -> c_int
/// ```
///
/// # Context
///
/// That of the function that is replaced.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot take the place of `{F}`: it has another signature"
)]
pub trait Replacement<F: Replaceable, S: Replaced, P = <F as Function>::Prototype>:
    Copy + Send + Sync + 'static
{
    /// The function of the C prototype `P` that calls this one.
    #[doc(hidden)]
    const ENTRY: *mut c_void;
}

/// Keeps the frame of the function that calls this on the stack until here: the compiler
/// must not end that with a jump. From the return address in it the livepatch core sees
/// that a task is still in a patch.
#[inline(always)]
fn keep_frame() {
    // SAFETY: Nothing is done.
    unsafe { asm!("", options(nostack, preserves_flags)) };
}

macro_rules! replacements {
    ($([$entry:ident: $($argument:ident $name:ident),*; $($zero:tt),*])*) => {$(
        /// What is called in the place of `F`.
        ///
        /// # Safety
        ///
        /// Called by the redirection of `F` alone. A value of `H` exists.
        unsafe extern "C" fn $entry<F, S, H, $($argument,)* R>($($name: $argument),*) -> R
        where
            F: Replaceable<Prototype = unsafe extern "C" fn($($argument),*) -> R>,
            S: Replaced,
            H: for<'a> Fn(Original<'a, F>, $($argument::View<'a>),*) -> R::Returned<'a>,
            H: Copy + Send + Sync + 'static,
            $($argument: Value,)*
            R: Value,
        {
            // SAFETY: This is the replacement's entry.
            let inside = unsafe { S::enter() };
            let registers: Registers = [$($name.into_register(),)* $($zero),*];
            // SAFETY: `H` has no size (`ENTRY`), and by the function's requirements there is
            // one: it can be had again out of nothing.
            let replacement: H = unsafe { mem::zeroed() };
            // SAFETY: The caller of `F` passed these arguments, to a call that is not over
            // before this one is.
            let result = unsafe {
                replacement(Original::new(&registers, S::old_func()), $($name.view()),*)
            };
            let result = R::from_returned(result);
            drop(inside);
            keep_frame();
            result
        }

        impl<F, S, H, $($argument,)* R> Replacement<F, S, unsafe extern "C" fn($($argument),*) -> R>
            for H
        where
            F: Replaceable<Prototype = unsafe extern "C" fn($($argument),*) -> R>,
            S: Replaced,
            H: for<'a> Fn(Original<'a, F>, $($argument::View<'a>),*) -> R::Returned<'a>,
            H: Copy + Send + Sync + 'static,
            $($argument: Value,)*
            R: Value,
        {
            const ENTRY: *mut c_void = {
                assert!(size_of::<H>() == 0, "a replacement is a function itself");
                $entry::<F, S, H, $($argument,)* R> as *const () as *mut c_void
            };
        }
    )*};
}

replacements! {
    [entry0: ; 0, 0, 0, 0, 0, 0]
    [entry1: A a; 0, 0, 0, 0, 0]
    [entry2: A a, B b; 0, 0, 0, 0]
    [entry3: A a, B b, C c; 0, 0, 0]
    [entry4: A a, B b, C c, D d; 0, 0]
    [entry5: A a, B b, C c, D d, E e; 0]
    [entry6: A a, B b, C c, D d, E e, G g; ]
}
