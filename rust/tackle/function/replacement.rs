// SPDX-License-Identifier: GPL-2.0

//! Implements replacements: Rust functions that run instead of kernel functions.

use super::{Function, Original, Registers, Replaceable, Value};
use core::{arch::asm, mem};
use kernel::ffi::c_void;

/// The link from a replacement to the function that it replaces.
///
/// [`patch!`](crate::patch) and [`redirect!`](crate::redirect) define a type for each replacement.
///
/// # Safety
///
/// While a replacement of a function `F` runs that was created with this type, `old_func`
/// returns the address of `F`.
#[doc(hidden)]
pub unsafe trait Replaced: 'static {
    /// A guard that exists while a task is in the replacement.
    type Inside;

    /// Called when a task enters the replacement.
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

/// A function that can replace `F`: a safe `fn` that takes an [`Original`] and the arguments of `F`
/// (as [`Value::View`]), and returns the return type of `F` (as [`Value::Returned`]).
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
    /// The address of a function with the C prototype `P` that calls this replacement.
    #[doc(hidden)]
    const ENTRY: *mut c_void;
}

/// Keeps the stack frame of its caller until this point: it prevents the compiler from making the
/// caller's last call a jump. The livepatch core needs the return address in this frame, by which
/// it finds that a task is still in a patch.
#[inline(always)]
fn keep_frame() {
    // SAFETY: The assembly is empty.
    unsafe { asm!("", options(nostack, preserves_flags)) };
}

macro_rules! replacements {
    ($([$entry:ident: $($argument:ident $name:ident),*; $($zero:tt),*])*) => {$(
        /// The function that is called instead of `F`.
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
            // SAFETY: `H` has size 0 (checked in `ENTRY`), and by the function's requirements a
            // value of it exists. `H` is `Copy`, so another value may be created.
            let replacement: H = unsafe { mem::zeroed() };
            // SAFETY: The caller of `F` has passed these arguments, to a call that does not return
            // before this function does.
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
