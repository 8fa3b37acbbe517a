// SPDX-License-Identifier: GPL-2.0

//! Implements the check at build time that each event has the same layout in Rust and in C.

/// Checks that an event has the size, the alignment and the offsets of its C struct
/// (`include/tackle/numa.h`): observers in C get a pointer to the Rust event.
macro_rules! same_layout {
    ($event:ident, $c:ident: $($field:ident),*) => {
        const _: () = {
            use core::mem::offset_of;
            use $crate::bindings::$c;

            assert!(size_of::<$event<'_>>() == size_of::<$c>());
            assert!(align_of::<$event<'_>>() == align_of::<$c>());
            $(assert!(offset_of!($event<'_>, $field) == offset_of!($c, $field));)*
        };
    };
}
