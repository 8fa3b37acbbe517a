// SPDX-License-Identifier: GPL-2.0

//! Implements [`Portable`], the trait of values that a module can take over from another one.

use core::sync::atomic::{
    AtomicBool, AtomicI16, AtomicI32, AtomicI64, AtomicI8, AtomicIsize, AtomicU16, AtomicU32,
    AtomicU64, AtomicU8, AtomicUsize,
};

/// A value that does not depend on the module that has made it: it has no pointers to the
/// module's statics, code or lock classes, and its type is the same in every module.
///
/// Implemented for integers, `bool`, their atomics, and arrays of such.
///
/// # Safety
///
/// Values of the type have these properties.
pub unsafe trait Portable: Send + Sync + 'static {}

macro_rules! portable {
    ($($type:ty)*) => {$(
        // SAFETY: A number, of a type of the core library.
        unsafe impl Portable for $type {}
    )*};
}

portable! {
    bool u8 u16 u32 u64 usize i8 i16 i32 i64 isize
    AtomicBool AtomicU8 AtomicU16 AtomicU32 AtomicU64 AtomicUsize
    AtomicI8 AtomicI16 AtomicI32 AtomicI64 AtomicIsize
}

// SAFETY: An array consists of its elements only.
unsafe impl<T: Portable, const N: usize> Portable for [T; N] {}
