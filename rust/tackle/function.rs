// SPDX-License-Identifier: GPL-2.0

//! Implements types that represent kernel functions: each has the name and the C prototype of a
//! function.
//!
//! Hooks and live patches identify a function by its name alone, and get its arguments as plain
//! registers. A [`Function`] ties the name to a prototype, so that the compiler checks a handler or
//! a replacement against the prototype.
//!
//! # What safe code can declare
//!
//! - [`function!`](crate::function): a function that a header of the kernel declares. The prototype
//!   is compared with the one that bindgen has read from the header. If they differ, it does not
//!   compile.
//! - [`header!`](crate::header): the functions of a C header of this checkout, with the properties
//!   that the header states (`include/tackle/function.h`).
//! - [`targets`]: functions that are static in their C files, whose prototypes the library states.
//!
//! Other properties are promises of the module's author, which the compiler cannot check: that a
//! function is at a certain position or in a certain module, and that it may be replaced
//! ([`position`], [`in_module`], [`assume_replaceable`]). These promises are `unsafe`, so a module
//! with `#![forbid(unsafe_code)]` cannot make them.
//!
//! # What a prototype does not contain
//!
//! The callers of a C function rely on more than its types: on the value that it returns, the
//! memory that it fills in, the memory that it frees. So safe code can skip or replace a function
//! only if it is [`Replaceable`]: an author has checked that the kernel's memory safety does not
//! depend on these.

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
pub use replacement::Replaced;

/// The maximum number of arguments of a function: those that the x86-64 calling convention
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

/// A function that safe code may skip or replace.
///
/// # Safety
///
/// The kernel stays memory safe if safe code runs instead of the function, whatever that code does,
/// and whatever value of the function's type it returns. A pointer that it returns is null or one
/// of the arguments.
#[diagnostic::on_unimplemented(
    message = "`{Self}` may not be skipped or replaced by safe code",
    note = "nobody has vouched that the kernel stays memory safe: see `Replaceable`"
)]
pub unsafe trait Replaceable: Function {}

/// A function that does not free the objects that its arguments point to.
///
/// # Safety
///
/// The function frees none of the objects that its pointer arguments point to.
pub unsafe trait KeepsArguments: Function {}

/// A promise about a function, which [`function!`](crate::function) takes.
#[doc(hidden)]
pub struct Promise<T>(T);

impl<T: Copy> Promise<T> {
    /// Returns the promised value.
    pub const fn get(&self) -> T {
        self.0
    }
}

/// Promises which of several symbols of its name a function is, counted from 1 in the order of
/// `/proc/kallsyms`.
///
/// # Safety
///
/// The symbol at this position has the prototype that is declared with this.
pub const unsafe fn position(n: usize) -> Promise<usize> {
    Promise(n)
}

/// Promises which module a function is in.
///
/// # Safety
///
/// Each module of this name that has a symbol of the function's name has it with the prototype
/// that is declared with this.
pub const unsafe fn in_module(name: &'static CStr) -> Promise<&'static CStr> {
    Promise(name)
}

/// Promises that a function may be skipped or replaced.
///
/// # Safety
///
/// As for [`Replaceable`].
pub const unsafe fn assume_replaceable() -> Promise<()> {
    Promise(())
}

/// The type of a C function that takes and returns [`Value`]s.
///
/// Implemented for `unsafe extern "C" fn(..) -> ..` of up to [`MAX_ARGUMENTS`] arguments.
pub trait Prototype: Copy + sealed::Sealed + 'static {
    /// The arguments as a tuple of Rust types.
    type Arguments<'a>;
    /// The return type; `()` for `void`.
    type Return: Value;

    /// Reads the arguments of a call from its registers.
    ///
    /// # Safety
    ///
    /// `registers` are those of a call of a function of this type. The call does not return before
    /// `'a` ends.
    unsafe fn arguments<'a>(registers: &Registers) -> Self::Arguments<'a>;
}

/// The return value of a call of `F`, as a Rust type.
pub type Returned<'a, F> =
    <<<F as Function>::Prototype as Prototype>::Return as Value>::Returned<'a>;

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
            // A function without arguments has no `unsafe` block below, only the comment.
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

/// A pointer that is an argument of a call, for the duration of the call.
///
/// `P` is the pointer's C type, `*mut T` or `*const T`. Safe code can read the address, and can
/// return the pointer from the call. It cannot create other pointers, except for null.
///
/// With [`Returning`] as `K` it is a pointer that a function has returned, or that it will return.
/// The latter is null, or made from an argument by `into()`.
///
/// # Invariants
///
/// The pointer is null, or C code has passed it as an argument, or, if `K` is [`Returning`], C code
/// has returned it as a result of this type.
pub struct Pointer<'a, P, K = Argument>(P, PhantomData<(&'a (), K)>);

/// Marks a [`Pointer`] that is an argument.
#[derive(Clone, Copy)]
pub enum Argument {}

/// Marks a [`Pointer`] that is a return value.
#[derive(Clone, Copy)]
pub enum Returning {}

impl<P: Copy, K> Clone for Pointer<'_, P, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P: Copy, K> Copy for Pointer<'_, P, K> {}

impl<'a, P> From<Pointer<'a, P>> for Pointer<'a, P, Returning> {
    fn from(argument: Pointer<'a, P>) -> Self {
        // INVARIANT: C code has passed the pointer as an argument.
        Self(argument.0, PhantomData)
    }
}

impl<P: Copy, K> Pointer<'_, P, K> {
    /// Returns the C pointer. Dereferencing it is `unsafe`.
    #[inline]
    pub fn as_ptr(self) -> P {
        self.0
    }
}

impl<P: Value, K> Pointer<'_, P, K> {
    /// Returns the address as a number.
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
        // INVARIANT: The pointer is null.
        Self(P::from_register(0), PhantomData)
    }
}

impl<P: Value, K> fmt::Debug for Pointer<'_, P, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.address())
    }
}

/// Proof that a call has not returned, and that the function has not freed its arguments yet: a
/// [`Call`](crate::ftrace::Call) in a handler, an [`Original`] in a replacement.
///
/// # Safety
///
/// While safe code has a reference to such a value, the objects that the arguments of the call
/// point to are not freed.
pub unsafe trait Running<'a> {}

impl<'a> Pointer<'a, *mut seq_file> {
    /// Returns the file that is being printed. The reference is valid while the call is running.
    /// [`None`] for a null pointer.
    ///
    /// A replacement has to call this before [`Original::call`], which may free the file. For a
    /// function that is known not to free it, use [`Original::call_keeping`].
    #[inline]
    pub fn get<'b>(self, _running: &'b impl Running<'a>) -> Option<&'b SeqFile> {
        // SAFETY: By the type invariants C code has passed the pointer, or it is null. A `seq_file`
        // belongs to one open file. It is locked (`seq_file::lock`) before it is passed to the
        // function, and until the call has returned, which it has not during `'b`.
        (!self.is_null()).then(|| unsafe { SeqFile::from_raw(self.0) })
    }

    /// Returns the field `private` of the file: the object that the file shows. Null for a null
    /// pointer.
    #[inline]
    pub fn private(self, _running: &impl Running<'a>) -> Pointer<'a, *mut c_void> {
        if self.is_null() {
            return Pointer::null();
        }
        // SAFETY: As in `get`.
        // INVARIANT: C code has set the field, which is valid as long as the file is open.
        Pointer(unsafe { (*self.0).private }, PhantomData)
    }
}

/// Declares a kernel function as a type that is a [`Function`].
///
/// The prototype is written with bindgen's types, and compared with the one that bindgen has read
/// from the kernel's header. If they differ, this does not compile. This is not enough if the C
/// file of the function does not include the header: then no compiler has compared the two.
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
/// The default is a function of the kernel proper, with the only symbol of its name. Any other
/// property is a promise, and takes `unsafe`:
///
/// ```ignore
/// tackle::function! {
///     Sync: fn vfs_fsync(*mut file, c_int) -> c_int;
///     // SAFETY: ...
///     module: unsafe { tackle::function::in_module(c"ext4") };
///     // SAFETY: ...
///     position: unsafe { tackle::function::position(2) };
///     // SAFETY: ...
///     replaceable: unsafe { tackle::function::assume_replaceable() };
/// }
/// ```
#[macro_export]
macro_rules! function {
    (
        $(#[$meta:meta])*
        $vis:vis $type:ident: fn $name:ident($($argument:ty),* $(,)?) $(-> $return:ty)?;
        $(module: $module:expr;)?
        $(position: $position:expr;)?
        $(replaceable: $replaceable:expr;)?
    ) => {
        $(#[$meta])*
        $vis struct $type;

        const _: () = {
            // Compares only the types: the compiled code has no reference to the symbol.
            const _: unsafe extern "C" fn($($argument),*) $(-> $return)? =
                $crate::__private::kernel::bindings::$name;

            // SAFETY: The kernel's header, which the C file of the function includes, declares
            // it with this prototype: the constant above compares the two. The author has promised
            // the module and the position.
            unsafe impl $crate::function::Function for $type {
                type Prototype = unsafe extern "C" fn($($argument),*) $(-> $return)?;
                const NAME: $crate::function::Name = $crate::__name!($name);
                $(const MODULE: $crate::function::Module = {
                    const MODULE: $crate::function::Promise<$crate::function::Name> = $module;
                    $crate::function::promised_module(MODULE)
                };)?
                $(const POSITION: $crate::function::Position = {
                    const POSITION: $crate::function::Promise<$crate::function::Position> =
                        $position;
                    POSITION.get()
                };)?
            }

            $(
                const _: $crate::function::Promise<()> = $replaceable;

                // SAFETY: The author has promised that the function may be replaced.
                unsafe impl $crate::function::Replaceable for $type {}
            )?
        };
    };
}

/// Declares a module with the bindings that bindgen generates from a C header of this checkout, and
/// declares functions of that header as types.
///
/// The header's path is given without `.h`; `Kbuild` lists the headers. The header defines
/// `TACKLE_MODULE`, the module that has its functions (`include/tackle/function.h`).
///
/// ```ignore
/// tackle::header! {
///     mod meter_h = "samples/livepatch_meter";
///
///     /// Computes the average of the average so far and a new reading.
///     pub(crate) Average: fn livepatch_meter_average(u32, u32) -> u32, replaceable;
///
///     /// Frees a meter.
///     pub(crate) Free: fn livepatch_meter_free(*mut meter_h::meter);
/// }
/// ```
///
/// With `replaceable` and `keeps_arguments` the type is a
/// [`Replaceable`](function::Replaceable) and a [`KeepsArguments`](function::KeepsArguments).
/// This compiles only if the header says so, by `TACKLE_REPLACEABLE` and
/// `TACKLE_KEEPS_ARGUMENTS`. If several functions have the name, a promise after the prototype
/// selects one of them:
///
/// ```ignore
///     Twin: fn twin() -> c_int = unsafe { tackle::function::position(2) }, replaceable;
/// ```
#[macro_export]
macro_rules! header {
    (
        $vis:vis mod $header:ident = $path:literal;
        $(
            $(#[$meta:meta])*
            $type_vis:vis $type:ident: fn $name:ident($($argument:ty),* $(,)?) $(-> $return:ty)?
                $(= $position:expr)? $(, $mark:ident)*;
        )*
    ) => {
        #[allow(
            dead_code,
            improper_ctypes,
            missing_docs,
            non_camel_case_types,
            non_upper_case_globals,
            unreachable_pub,
            unused_imports,
            clippy::all
        )]
        $vis mod $header {
            // The names that `cmd_tackle_header` in Kbuild uses.
            use $crate::__private::{core as tackle_core, kernel as tackle_kernel};

            $crate::__private::core::include!($crate::__private::core::concat!(
                $crate::__private::core::env!("TACKLE_OBJ"),
                "/",
                $path,
                "_h.rs"
            ));
        }

        // Only files that Kbuild has generated may be included.
        const _: () = $crate::function::check_header($path);

        $(
            $(#[$meta])*
            $type_vis struct $type;

            // The constants in this block have no name, so `$header` is the module above.
            const _: () = {
                // Compares only the types: the compiled code has no reference to the symbol.
                const _: unsafe extern "C" fn($($argument),*) $(-> $return)? = $header::$name;

                // SAFETY: The header, which the C file of the function includes, declares it
                // with this prototype: the constant above compares the two. The header names the
                // module. The author has promised the position.
                unsafe impl $crate::function::Function for $type {
                    type Prototype = unsafe extern "C" fn($($argument),*) $(-> $return)?;
                    const NAME: $crate::function::Name = $crate::__name!($name);
                    const MODULE: $crate::function::Module =
                        $crate::function::header_module($header::TACKLE_MODULE);
                    $(const POSITION: $crate::function::Position = {
                        const POSITION: $crate::function::Promise<$crate::function::Position> =
                            $position;
                        POSITION.get()
                    };)?
                }

                $(
                    $crate::__private::kernel::macros::paste! {
                        // The header has this constant if it has the mark.
                        const _: $crate::function::Mark = $header::[<tackle_ $mark _ $name>];
                    }

                    // SAFETY: The mark in the header is the promise of the header's author.
                    //
                    // This is not a macro of its own, since a module could call that.
                    unsafe impl $crate::function::vouched::$mark for $type {}
                )*
            };
        )*
    };
}

/// The traits that a header can promise, under the names of the marks.
#[doc(hidden)]
pub mod vouched {
    pub use super::{KeepsArguments as keeps_arguments, Replaceable as replaceable};
}

/// The name of a function.
#[doc(hidden)]
#[macro_export]
macro_rules! __name {
    ($name:ident) => {
        $crate::function::name($crate::__private::core::concat!(
            $crate::__private::core::stringify!($name),
            "\0"
        ))
    };
}

// The types of constants in macros. With these paths a module cannot substitute other types.
#[doc(hidden)]
pub type Name = &'static CStr;
#[doc(hidden)]
pub type Module = Option<Name>;
#[doc(hidden)]
pub type Position = usize;
#[doc(hidden)]
pub type Mark = kernel::ffi::c_uint;

/// Converts a string that ends with a NUL.
#[doc(hidden)]
pub const fn name(name: &'static str) -> Name {
    match CStr::from_bytes_with_nul(name.as_bytes()) {
        Ok(name) => name,
        Err(_) => panic!("a name has no NUL"),
    }
}

/// Returns the module that a function is promised to be in.
#[doc(hidden)]
pub const fn promised_module(promise: Promise<Name>) -> Module {
    Some(promise.get())
}

/// Returns the module that a header names.
#[doc(hidden)]
pub const fn header_module(name: &'static [u8]) -> Module {
    match CStr::from_bytes_with_nul(name) {
        Ok(name) => Some(name),
        Err(_) => panic!("TACKLE_MODULE is no string"),
    }
}

/// Fails to compile if the path of a header leaves the folder that Kbuild writes to.
#[doc(hidden)]
pub const fn check_header(path: &str) {
    let path = path.as_bytes();
    let mut i = 1;
    while i < path.len() {
        assert!(
            path[i] != b'.' || path[i - 1] != b'.',
            "the header is not in this checkout"
        );
        i += 1;
    }
}
