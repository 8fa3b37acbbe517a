// SPDX-License-Identifier: GPL-2.0

//! Implements string parameters of modules.
//!
//! C header: [`include/linux/moduleparam.h`](srctree/include/linux/moduleparam.h)
//!
//! The kernel's `module!` macro supports only integer and boolean parameters. This is the
//! counterpart of `module_param_string()` in C, with the kernel's own setter.

use core::{cell::UnsafeCell, ptr};
use kernel::{bindings, prelude::*};

/// The value of a string parameter of at most `N - 1` bytes.
///
/// Declared with [`string_param!`](crate::string_param).
///
/// # Invariants
///
/// `buffer` is NUL-terminated. It is written by the module loader only, before the
/// module's init function runs: the parameter has no file in sysfs.
pub struct StringParam<const N: usize> {
    buffer: UnsafeCell<[u8; N]>,
}

// SAFETY: By the type invariants the buffer does not change while code of the module runs.
unsafe impl<const N: usize> Sync for StringParam<N> {}

impl<const N: usize> StringParam<N> {
    /// Creates an empty value.
    #[doc(hidden)]
    pub const fn new() -> Self {
        // INVARIANT: All bytes are NUL.
        Self {
            buffer: UnsafeCell::new([0; N]),
        }
    }

    /// Returns the value with which the module was loaded; empty if none was given.
    pub fn value(&self) -> &CStr {
        // SAFETY: By the type invariants the module loader does not write to the buffer any more.
        let bytes = unsafe { &*self.buffer.get() };
        CStr::from_bytes_until_nul(bytes).unwrap_or_default()
    }
}

impl<const N: usize> Default for StringParam<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// The kernel's description of the buffer for a string parameter's value.
#[doc(hidden)]
#[repr(transparent)]
pub struct ParamTarget(bindings::kparam_string);

// SAFETY: Only the module loader uses it, one parameter at a time.
unsafe impl Sync for ParamTarget {}

impl ParamTarget {
    /// Describes `value`'s buffer.
    pub const fn new<const N: usize>(value: &'static StringParam<N>) -> Self {
        Self(bindings::kparam_string {
            maxlen: N as u32,
            string: value.buffer.get().cast(),
        })
    }
}

/// Makes the record by which the module loader finds a parameter.
#[doc(hidden)]
pub const fn kernel_param(
    name: &'static CStr,
    module: *mut bindings::module,
    target: &'static ParamTarget,
) -> kernel::module_param::KernelParam {
    kernel::module_param::KernelParam::new(bindings::kernel_param {
        name: kernel::str::as_char_ptr_in_const_context(name),
        mod_: module,
        ops: &raw const bindings::param_ops_string,
        // Not in sysfs: the value stays as it was at load time.
        perm: 0,
        level: -1,
        flags: 0,
        __bindgen_anon_1: bindings::kernel_param__bindgen_ty_1 {
            str_: ptr::from_ref(&target.0),
        },
    })
}

/// Copies a string literal into an array, for the `.modinfo` section.
#[doc(hidden)]
pub const fn modinfo<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    let mut i = 0;
    while i < N {
        bytes[i] = text.as_bytes()[i];
        i += 1;
    }
    bytes
}

/// The record by which the module loader finds a parameter: `struct kernel_param`.
#[doc(hidden)]
pub type Param = kernel::module_param::KernelParam;

/// Returns the address of a module.
#[doc(hidden)]
pub const fn this_module(
    module: &'static kernel::bindings::module,
) -> *mut kernel::bindings::module {
    ptr::from_ref(module).cast_mut()
}

/// Converts the name of a parameter, which ends with a NUL, to a C string.
#[doc(hidden)]
pub const fn name(name: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(name.as_bytes()) {
        Ok(name) => name,
        Err(_) => panic!("a parameter's name has no NUL"),
    }
}

/// Declares a line of the module's `.modinfo` section, which `modinfo(8)` shows.
///
/// ```ignore
/// tackle::modinfo!("livepatch=Y");
/// ```
#[macro_export]
macro_rules! modinfo {
    ($($text:expr),+) => {
        const _: () = {
            const TEXT: &str = $crate::__private::core::concat!($($text,)+ "\0");
            #[link_section = ".modinfo"]
            #[used(compiler)]
            static MODINFO: [u8; TEXT.len()] = $crate::param::modinfo(TEXT);
        };
    };
}

/// Declares a string parameter of a loadable module.
///
/// A value that does not fit fails the load with `ENOSPC`; the kernel's log line names
/// the parameter and the limit.
///
/// ```ignore
/// tackle::string_param! {
///     /// The kernel function to count.
///     static FUNCTION: StringParam<512> = "function", "Kernel function to count the calls of";
/// }
/// ```
#[macro_export]
macro_rules! string_param {
    ($(#[doc = $doc:literal])* $vis:vis static $ident:ident: StringParam<$len:literal> =
     $name:literal, $description:literal;) => {
        $(#[doc = $doc])*
        $vis static $ident: $crate::param::StringParam<$len> = $crate::param::StringParam::new();

        const _: () = {
            static TARGET: $crate::param::ParamTarget = $crate::param::ParamTarget::new(&$ident);

            #[link_section = "__param"]
            #[used(compiler)]
            static PARAM: $crate::param::Param = $crate::param::kernel_param(
                $crate::param::name($crate::__private::core::concat!($name, "\0")),
                // SAFETY: The loader makes `__this_module` before it reads the parameters,
                // and it stays until the module is unloaded.
                unsafe { $crate::param::this_module(
                    &$crate::__private::kernel::bindings::__this_module,
                ) },
                &TARGET,
            );
        };
        $crate::modinfo!("parmtype=", $name, ":string");
        $crate::modinfo!("parm=", $name, ":", $description);
    };
}
