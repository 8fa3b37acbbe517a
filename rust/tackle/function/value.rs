// SPDX-License-Identifier: GPL-2.0

//! Implements [`Value`] for the types that C functions take and return in one general register.

use super::{Pointer, Returning};
use core::marker::PhantomData;
use kernel::ffi::{c_char, c_int};

/// A type that C functions take and return in one general register: integers, `bool` and pointers.
/// `()` is only a type that they return.
///
/// # Safety
///
/// `from_register` and `into_register` follow the x86-64 calling convention. `View` gives safe code
/// no more access than the value allows.
pub unsafe trait Value: Copy + 'static {
    /// The type that safe code gets for an argument during the call: the number itself, or a
    /// [`Pointer`] for a pointer.
    type View<'a>;

    /// The type that safe code gets for the result of a function.
    type Returned<'a>;

    /// Reads the value from a register. The register's bits above the size of the type are ignored.
    fn from_register(register: usize) -> Self;

    /// Returns the register that holds the value.
    fn into_register(self) -> usize;

    /// Converts the value for safe code.
    ///
    /// # Safety
    ///
    /// C code has passed the value as an argument of a call that does not end before `'a`.
    unsafe fn view<'a>(self) -> Self::View<'a>;

    /// As [`Value::view`], for the result of a function.
    ///
    /// # Safety
    ///
    /// C code has returned the value to a call that does not end before `'a`.
    unsafe fn returned<'a>(self) -> Self::Returned<'a>;

    /// Converts a result of safe code to the value that the function returns.
    fn from_returned(returned: Self::Returned<'_>) -> Self;
}

macro_rules! integers {
    ($($type:ty)*) => {$(
        // SAFETY: An integer is in the lower bits of its register. Functions may rely on an
        // extension of their arguments to 32 bits, and callers on one of the results. The cast
        // extends the value.
        unsafe impl Value for $type {
            type View<'a> = Self;
    type Returned<'a> = Self;

            #[inline]
            fn from_register(register: usize) -> Self {
                // CAST: Keeps the lower bits.
                register as Self
            }

            #[inline]
            fn into_register(self) -> usize {
                // CAST: Extends by the type's sign.
                self as usize
            }

            #[inline]
            unsafe fn view<'a>(self) -> Self::View<'a> {
                self
            }

            #[inline]
            unsafe fn returned<'a>(self) -> Self::Returned<'a> {
                self
            }

            #[inline]
            fn from_returned(returned: Self) -> Self {
                returned
            }
        }
    )*};
}

integers! { u8 i8 u16 i16 u32 i32 u64 i64 usize isize }

const _: () = {
    const fn is_value<T: Value>() {}
    // The names that bindgen uses for C's types are aliases of the integer types above.
    is_value::<c_char>();
    is_value::<c_int>();
};

// SAFETY: The lower eight bits of the register are 0 or 1.
unsafe impl Value for bool {
    type View<'a> = Self;
    type Returned<'a> = Self;

    #[inline]
    fn from_register(register: usize) -> Self {
        // CAST: Keeps the lower bits.
        register as u8 != 0
    }

    #[inline]
    fn into_register(self) -> usize {
        usize::from(self)
    }

    #[inline]
    unsafe fn view<'a>(self) -> Self::View<'a> {
        self
    }

    #[inline]
    unsafe fn returned<'a>(self) -> Self::Returned<'a> {
        self
    }

    #[inline]
    fn from_returned(returned: Self) -> Self {
        returned
    }
}

// SAFETY: A function without a result leaves no value in the register, and none is read.
unsafe impl Value for () {
    type View<'a> = Self;
    type Returned<'a> = Self;

    #[inline]
    fn from_register(_: usize) -> Self {}

    #[inline]
    fn into_register(self) -> usize {
        0
    }

    #[inline]
    unsafe fn view<'a>(self) -> Self::View<'a> {}

    #[inline]
    unsafe fn returned<'a>(self) -> Self::Returned<'a> {}

    #[inline]
    fn from_returned((): Self) -> Self {}
}

macro_rules! pointers {
    ($($pointer:ty)*) => {$(
        // SAFETY: A pointer is the whole register. A `Pointer` gives no access to the object that
        // it points to, and does not outlive the call.
        unsafe impl<T: 'static> Value for $pointer {
            type View<'a> = Pointer<'a, Self>;
            type Returned<'a> = Pointer<'a, Self, Returning>;

            #[inline]
            fn from_register(register: usize) -> Self {
                // CAST: A register is as wide as a pointer.
                register as Self
            }

            #[inline]
            fn into_register(self) -> usize {
                // CAST: A pointer is as wide as a register.
                self as usize
            }

            #[inline]
            unsafe fn view<'a>(self) -> Self::View<'a> {
                // INVARIANT: By the function's requirements.
                Pointer(self, PhantomData)
            }

            #[inline]
            unsafe fn returned<'a>(self) -> Self::Returned<'a> {
                // INVARIANT: By the function's requirements.
                Pointer(self, PhantomData)
            }

            #[inline]
            fn from_returned(returned: Pointer<'_, Self, Returning>) -> Self {
                returned.0
            }
        }
    )*};
}

pointers! { *mut T *const T }
