// SPDX-License-Identifier: GPL-2.0

//! Implements the macro `module!`, which declares modules that use the library.

/// Declares a module like the kernel's `module!`. The module can only be loaded with the
/// `tackle.ko` that it was built against.
///
/// With another `tackle.ko` the kernel refuses the module (`ENOENT`), and its log says what to do.
/// A module that is declared without this macro is refused, too, if it uses anything of the
/// library: each build of the library has symbols of its own.
#[macro_export]
macro_rules! module {
    ($($info:tt)*) => {
        $crate::__private::kernel::prelude::module! { $($info)* }
        $crate::__needs_this_build!();
    };
}

/// Makes a module depend on a symbol that only this build of `tackle.ko` has (`rust/exports.c`).
#[doc(hidden)]
#[macro_export]
macro_rules! __needs_this_build {
    () => {
        $crate::__private::core::arch::global_asm!(
            ".pushsection .rodata",
            ".balign 8",
            $crate::__private::core::concat!(
                ".quad tackle_of_another_build__build_this_module_again__",
                $crate::__private::core::env!("TACKLE_BUILD")
            ),
            ".popsection",
        );
    };
}
