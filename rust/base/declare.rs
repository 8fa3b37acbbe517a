// SPDX-License-Identifier: GPL-2.0

//! Declares modules that use the library.

/// Declares a module, as the kernel's `module!` does, that can only be loaded with the
/// `tackle.ko` that it was built against.
///
/// With another one the kernel refuses it (`ENOENT`), and its log says what to do. Without
/// this macro a module is refused, too, if it uses anything of the library: each build has
/// symbols of its own.
#[macro_export]
macro_rules! module {
    ($($info:tt)*) => {
        $crate::__private::kernel::prelude::module! { $($info)* }
        $crate::__needs_this_build!();
    };
}

/// Makes a module need the symbol that only this build of `tackle.ko` has (`rust/exports.c`).
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
