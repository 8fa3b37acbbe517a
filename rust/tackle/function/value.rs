// SPDX-License-Identifier: GPL-2.0

//! The types that C functions take and return in one general register.

use super::{Pointer, Returning};
use core::marker::PhantomData;
use kernel::ffi::{c_char, c_int};

/// A type that C functions take and return in one general register: integers, `bool` and
/// pointers; as what is returned also `()`.
///
/// # Safety
///
/// `from_register` and `into_register` are as the x86-64 calling convention has it, and
/// `View` gives safe code no more than the value allows.
pub unsafe trait Value: Copy + 'static {
    /// How Rust code sees it during the call: a number as it is, a pointer as a
    /// [`Pointer`].
    type View<'a>;

    /// The same for what a function returns.
    type Returned<'a>;

    /// Takes the value from a register, of which the upper bits may be anything.
    fn from_register(register: usize) -> Self;

    /// Returns the register that holds the value.
    fn into_register(self) -> usize;

    /// Shows the value to safe code.
    ///
    /// # Safety
    ///
    /// C code passed the value as an argument of a call that is not over before `'a` is.
    unsafe fn view<'a>(self) -> Self::View<'a>;

    /// As [`Value::view`], for what a function has returned.
    ///
    /// # Safety
    ///
    /// C code returned the value, to a call that is not over before `'a` is.
    unsafe fn returned<'a>(self) -> Self::Returned<'a>;

    /// Returns the value that is to be returned.
    fn from_returned(returned: Self::Returned<'_>) -> Self;
}

macro_rules! integers {
    ($($type:ty)*) => {$(
        // SAFETY: An integer is in the lower bits. Callers of functions and users of their
        // results may rely on an extension to 32 bits, which the cast makes.
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
    // What bindgen calls C's types are names of these.
    is_value::<c_char>();
    is_value::<c_int>();
};

// SAFETY: The lower eight bits are 0 or 1.
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

// SAFETY: There is nothing in the register.
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
        // SAFETY: A pointer is the register. A `Pointer` gives no access to what it points
        // to, and does not outlive the call.
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
                // CAST: As above.
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
