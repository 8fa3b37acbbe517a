// SPDX-License-Identifier: GPL-2.0

//! Kernel functions as types: a name with the C prototype that belongs to it.
//!
//! Hooks and live patches know a function by its name alone, and the machine passes
//! anything in its registers. A [`Function`] ties the name to a prototype, so that what
//! takes the function's arguments, or its place, is held against it by the compiler.
//!
//! [`function!`](crate::function) declares one that a C header declares, too: bindgen has
//! read that header, and a prototype that differs from it does not compile. Of a function
//! that is static in its C file no header tells; the library vouches for those that it has,
//! each by an `unsafe impl`.
//!
//! # What a prototype does not say
//!
//! A C function promises its callers more than types: what it returns, what it fills in,
//! what it frees. Whoever takes its place has to keep that up, as in C. The types see to
//! it that values are of the right kind, and that Rust code cannot make up a pointer or
//! keep one after the call.

use core::{fmt, marker::PhantomData};
use kernel::{bindings::seq_file, ffi::c_void, prelude::*, seq_file::SeqFile};

#[cfg(any(CONFIG_LIVEPATCH, all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES)))]
mod original;
#[cfg(any(CONFIG_LIVEPATCH, all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES)))]
mod replacement;
pub mod targets;
mod value;

pub use value::Value;
#[cfg(any(CONFIG_LIVEPATCH, all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES)))]
pub use {original::Original, replacement::Replacement};

#[cfg(any(CONFIG_LIVEPATCH, all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES)))]
#[doc(hidden)]
pub use replacement::Slot;

/// How many arguments a function can have here: those that the x86-64 calling convention
/// passes in registers.
pub const MAX_ARGUMENTS: usize = 6;

/// The registers in which a function gets its arguments, in their order.
pub type Registers = [usize; MAX_ARGUMENTS];

/// A kernel function.
///
/// Declared with [`function!`](crate::function).
///
/// # Safety
///
/// Wherever `MODULE` has a function `NAME` (at `POSITION`), it is of the type `Prototype`.
pub unsafe trait Function: 'static {
    /// Its C prototype: an `unsafe extern "C" fn` of up to [`MAX_ARGUMENTS`] arguments.
    type Prototype: Prototype;

    /// Its name, as in `/proc/kallsyms`.
    const NAME: &'static CStr;

    /// The module that it is in; [`None`] is the kernel proper, called vmlinux.
    const MODULE: Option<&'static CStr> = None;

    /// Which of the symbols of that name it is, counted from 1 in the order of
    /// `/proc/kallsyms`. With 0 there must be no other.
    const POSITION: usize = 0;
}

/// The type of a C function that takes and returns [`Value`]s.
///
/// Implemented for `unsafe extern "C" fn(..) -> ..` of up to [`MAX_ARGUMENTS`] arguments.
pub trait Prototype: Copy + sealed::Sealed + 'static {
    /// The arguments as Rust code sees them, a tuple.
    type Arguments<'a>;
    /// What it returns; `()` for `void`.
    type Return: Value;

    /// Reads the arguments of a call from its registers.
    ///
    /// # Safety
    ///
    /// `registers` are those of a call of a function of this type. That call is not over
    /// before `'a` is.
    unsafe fn arguments<'a>(registers: &Registers) -> Self::Arguments<'a>;
}

/// What a call of `F` returns, as Rust code sees it.
pub type Returned<'a, F> = <<<F as Function>::Prototype as Prototype>::Return as Value>::View<'a>;

mod sealed {
    pub trait Sealed {}
}

macro_rules! prototypes {
    ($([$($argument:ident $n:tt),*])*) => {$(
        impl<$($argument: Value,)* R: Value> sealed::Sealed
            for unsafe extern "C" fn($($argument),*) -> R
        {
        }

        impl<$($argument: Value,)* R: Value> Prototype
            for unsafe extern "C" fn($($argument),*) -> R
        {
            type Arguments<'a> = ($($argument::View<'a>,)*);
            type Return = R;

            #[inline]
            // The comment proves nothing about a function without arguments.
            #[allow(clippy::unused_unit, clippy::unnecessary_safety_comment)]
            unsafe fn arguments<'a>(_registers: &Registers) -> Self::Arguments<'a> {
                // SAFETY: By the function's requirements register `n` holds argument `n`,
                // which the caller passed for a call that outlasts `'a`.
                ($(unsafe { $argument::from_register(_registers[$n]).view() },)*)
            }
        }
    )*};
}

prototypes! {
    []
    [A 0]
    [A 0, B 1]
    [A 0, B 1, C 2]
    [A 0, B 1, C 2, D 3]
    [A 0, B 1, C 2, D 3, E 4]
    [A 0, B 1, C 2, D 3, E 4, F 5]
}

/// A pointer among a call's arguments, for the time of the call.
///
/// `P` is the pointer's C type, `*mut T` or `*const T`. Safe code can look where it points
/// and hand it on as what the call returns, but not make up another one.
///
/// # Invariants
///
/// It is null, or came from C code as an argument or a result of this type.
pub struct Pointer<'a, P>(P, PhantomData<&'a ()>);

impl<P: Copy> Clone for Pointer<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P: Copy> Copy for Pointer<'_, P> {}

impl<P: Copy> Pointer<'_, P> {
    /// Returns the pointer as C has it. To use it takes `unsafe`.
    #[inline]
    pub fn as_ptr(self) -> P {
        self.0
    }
}

impl<P: Value> Pointer<'_, P> {
    /// Returns where it points, as a number.
    #[inline]
    pub fn address(self) -> usize {
        self.0.into_register()
    }

    /// Returns whether it is null.
    #[inline]
    pub fn is_null(self) -> bool {
        self.address() == 0
    }

    /// Creates a null pointer.
    #[inline]
    pub fn null() -> Self {
        // INVARIANT: It is null.
        Self(P::from_register(0), PhantomData)
    }
}

impl<P: Value> fmt::Debug for Pointer<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.address())
    }
}

impl<'a> Pointer<'a, *mut seq_file> {
    /// Returns the file that is being printed; [`None`] for a null pointer.
    #[inline]
    pub fn get(self) -> Option<&'a SeqFile> {
        // SAFETY: By the type invariants C code passed the pointer, or it is null. A
        // `seq_file` is made for one open file and locked (`seq_file::lock`) from before it
        // is passed on to be printed to until the call is over, by which time `'a` is, too.
        (!self.is_null()).then(|| unsafe { SeqFile::from_raw(self.0) })
    }

    /// Returns what the file stands for: the field `private`. Null for a null pointer.
    #[inline]
    pub fn private(self) -> Pointer<'a, *mut c_void> {
        if self.is_null() {
            return Pointer::null();
        }
        // SAFETY: As in `get`.
        // INVARIANT: C code has put it there, for as long as the file is open.
        Pointer(unsafe { (*self.0).private }, PhantomData)
    }
}

/// Declares a kernel function as a type that is a [`Function`].
///
/// The prototype is written in bindgen's words and compared with what bindgen makes of the
/// C header: if it is another one, this does not compile. Nobody compares a header with a
/// function that is static in its C file, or whose file does not include it; there it is as
/// right as who has written it.
///
/// ```ignore
/// use kernel::bindings::{file, loff_t};
///
/// tackle::function! {
///     /// Reads from a file.
///     pub VfsRead: fn vfs_read(*mut file, *mut c_char, usize, *mut loff_t) -> isize;
/// }
/// ```
///
/// `header` names another module than `kernel::bindings` that has bindgen's declaration, such
/// as [`header!`](crate::header) makes; `module` the kernel module that the function is in, if it is in one;
/// `position` which of several symbols of its name it is:
///
/// ```ignore
/// tackle::function! {
///     Mean: fn sensor_mean(u32, u32) -> u32;
///     header: sensor_h;
///     module: c"sensor";
/// }
/// ```
#[macro_export]
macro_rules! function {
    (
        $(#[$meta:meta])*
        $vis:vis $type:ident: fn $name:ident($($argument:ty),* $(,)?) $(-> $return:ty)?;
        $(header: $header:path;)?
        $(module: $module:expr;)?
        $(position: $position:expr;)?
    ) => {
        $(#[$meta])*
        $vis struct $type;

        const _: () = {
            type Prototype = unsafe extern "C" fn($($argument),*) $(-> $return)?;

            // Only the types are looked at: this makes no reference to the symbol.
            const _: Prototype = $crate::__declared!($name $(, $header)?);

            // SAFETY: The C header that declares the function is included where it is
            // defined, so that the C compiler has compared the two; or else its author has.
            // Above ours has compared `Prototype` with what the header says.
            unsafe impl $crate::function::Function for $type {
                type Prototype = Prototype;
                const NAME: &'static ::core::ffi::CStr =
                    ::kernel::c_str!(::core::stringify!($name));
                $(const MODULE: Option<&'static ::core::ffi::CStr> = Some($module);)?
                $(const POSITION: usize = $position;)?
            }
        };
    };
}

/// Declares a module with what bindgen makes of a C header of this checkout.
///
/// `header` is the header's path without `.h`; `Kbuild` lists the headers.
///
/// ```ignore
/// tackle::header!(mod meter_h = "samples/livepatch_meter");
/// ```
#[macro_export]
macro_rules! header {
    ($vis:vis mod $name:ident = $header:literal) => {
        #[allow(
            dead_code,
            improper_ctypes,
            missing_docs,
            non_camel_case_types,
            unreachable_pub,
            unused_imports,
            clippy::all
        )]
        $vis mod $name {
            ::core::include!(::core::concat!(
                ::core::env!("TACKLE_OBJ"),
                "/",
                $header,
                "_h.rs"
            ));
        }
    };
}

/// A function as bindgen has declared it, for [`function!`](crate::function).
#[doc(hidden)]
#[macro_export]
macro_rules! __declared {
    ($name:ident) => {
        ::kernel::bindings::$name
    };
    ($name:ident, $header:path) => {{
        use $header as header;
        header::$name
    }};
}
