// SPDX-License-Identifier: GPL-2.0

//! Implements the macros that declare a patch.

/// Declares a [`Patch`](crate::livepatch::Patch) as a static, for a module that enables the patch
/// in its own init function. [`livepatch!`](crate::livepatch) describes the objects and states.
///
/// ```ignore
/// tackle::patch! {
///     static PATCH;
///     objects: [{ functions: [CmdlineProcShow => cmdline] }],
/// }
/// ```
#[macro_export]
macro_rules! patch {
    (
        $(#[doc = $doc:literal])*
        $vis:vis static $patch:ident;
        objects: [$({
            $(module: $module:expr,)?
            functions: [$($function:ty => $replacement:expr),* $(,)?]
            $(, callbacks: $callbacks:ty)? $(,)?
        }),+ $(,)?]
        $(, states: [$($state:expr),* $(,)?])? $(,)?
    ) => {
        $(#[doc = $doc])*
        $vis static $patch: $crate::livepatch::Patch = {
            static OBJECTS: $crate::livepatch::Objects<{
                [$($crate::__unit!($([$function])*)),+].len()
            }> = {
                let objects = [$({
                    static FUNCS: $crate::livepatch::Funcs<{
                        <[()]>::len(&[$($crate::__unit!([$function])),*])
                    }> = $crate::livepatch::Funcs::new(
                        $crate::__module!($($module)?),
                        $crate::__funcs!([$($function => $replacement;)*] [] []),
                    );
                    // SAFETY: `FUNCS` is for this object alone.
                    let object = unsafe { $crate::livepatch::Object::new(&FUNCS) };
                    object $(.callbacks::<$callbacks>())?
                }),+];
                // SAFETY: The objects were made here, for this list.
                unsafe { $crate::livepatch::Objects::new(objects) }
            };
            const STATES: &[$crate::livepatch::State] = &[$($($state),*)?];
            static ALL_STATES: $crate::livepatch::States<{ STATES.len() }> =
                $crate::livepatch::States::new([$($($state),*)?]);
            // SAFETY: Both are for this patch alone.
            unsafe { $crate::livepatch::Patch::new(&OBJECTS, &ALL_STATES) }
        };
    };
}

/// Expands to `()` for any argument, so that elements can be counted.
#[doc(hidden)]
#[macro_export]
macro_rules! __unit {
    ($($anything:tt)*) => {
        ()
    };
}

/// The module of an object, if one is given.
#[doc(hidden)]
#[macro_export]
macro_rules! __module {
    () => {
        $crate::__private::core::option::Option::None
    };
    ($module:expr) => {
        $crate::__private::core::option::Option::Some($module)
    };
}

/// Expands to the functions of an object. It recurses over them, and counts the previous ones to
/// get the index of each.
#[doc(hidden)]
#[macro_export]
macro_rules! __funcs {
    ([] [$($before:tt)*] [$($func:expr,)*]) => {
        [$($func),*]
    };
    (
        [$function:ty => $replacement:expr; $($rest:tt)*] [$($before:tt)*] [$($func:expr,)*]
    ) => {
        $crate::__funcs!([$($rest)*] [$($before)* ()] [$($func,)* {
            struct Here;

            // SAFETY: As many functions come before the one below in `FUNCS`.
            unsafe impl $crate::function::Replaced for Here {
                // The livepatch core tracks which tasks are in a replacement.
                type Inside = ();

                #[inline]
                unsafe fn enter() {}

                #[inline]
                unsafe fn old_func() -> *mut $crate::__private::kernel::ffi::c_void {
                    FUNCS.old_func(<[()]>::len(&[$($before),*]))
                }
            }
            // Outside of the `unsafe` block, since the caller's expression must not run in one.
            let replacement = $replacement;
            // SAFETY: `Here` returns the original function of this element of `FUNCS`.
            unsafe { $crate::livepatch::Func::new::<$function, Here, _>(replacement) }
        },])
    };
}

/// Declares a module that is a live patch.
///
/// The arguments are those of `module!` without the type, and the objects to patch. The patch is
/// enabled when the module is loaded.
///
/// ```ignore
/// livepatch! {
///     name: "livepatch_cmdline",
///     authors: ["..."],
///     description: "...",
///     license: "GPL",
///     objects: [{ functions: [CmdlineProcShow => cmdline] }],
/// }
///
/// fn cmdline(
///     _: Original<'_, CmdlineProcShow>,
///     m: Pointer<'_, *mut seq_file>,
///     _: Pointer<'_, *mut c_void>,
/// ) -> c_int {
///     ...
/// }
/// ```
///
/// An object is
///
/// ```ignore
/// {
///     module: c"name",                          // without it: vmlinux
///     functions: [Function => replacement, ..], // may be none
///     callbacks: Type,                          // may be left out
/// }
/// ```
///
/// An object may be a module that is not loaded. It is patched when it is loaded.
///
/// After the objects, a patch may have these, in this order:
///
/// - `states: [State::new(ID, VERSION), ..]`, the states of the system that it modifies;
/// - `replace: true`, for a cumulative patch, which replaces all other patches. The expression is
///   evaluated when the module is loaded;
/// - `shadows: [&SHADOW, ..]`, its [shadow variables](crate::livepatch::Shadow);
/// - `params: {..}`, as `module!` takes them.
#[macro_export]
macro_rules! livepatch {
    (
        name: $name:literal,
        authors: $authors:tt,
        description: $description:literal,
        license: $license:literal,
        objects: $objects:tt
        $(, states: $states:tt)?
        $(, replace: $replace:expr)?
        $(, shadows: [$($shadow:expr),* $(,)?])?
        $(, params: $params:tt)? $(,)?
    ) => {
        $crate::module! {
            type: LivePatch,
            name: $name,
            authors: $authors,
            description: $description,
            license: $license,
            $(params: $params,)?
        }
        // Marks the module as a live patch for the module loader and the livepatch core.
        $crate::modinfo!("livepatch=Y");

        $crate::patch! {
            static LIVEPATCH;
            objects: $objects
            $(, states: $states)?
        }

        /// Nothing but what it drops when the module is unloaded.
        struct LivePatch {
            _shadows: $crate::livepatch::Shadows,
        }

        impl $crate::__private::kernel::Module for LivePatch {
            fn init(
                module: &'static $crate::__private::kernel::ThisModule,
            ) -> $crate::__private::kernel::error::Result<Self> {
                static SHADOWS: &[&dyn $crate::livepatch::AnyShadow] = &[$($($shadow),*)?];
                let shadows = $crate::livepatch::Shadows::register(SHADOWS)?;
                LIVEPATCH.enable(module, false $(|| $replace)?)?;
                $crate::__private::core::result::Result::Ok(Self { _shadows: shadows })
            }
        }
    };
}
