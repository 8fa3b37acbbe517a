// SPDX-License-Identifier: GPL-2.0

//! Implements the list of the functions that a patch replaces, with their replacements.

use crate::{
    bindings,
    function::{Replaceable, Replaced, Replacement},
};
use core::{cell::UnsafeCell, ptr};
use kernel::{ffi::c_void, prelude::*};

/// A function that a patch replaces.
///
/// # Invariants
///
/// `entry` points at a function with the same C prototype as the function `name` of `module`.
#[derive(Clone, Copy)]
pub struct Func {
    name: &'static CStr,
    module: Option<&'static CStr>,
    position: usize,
    entry: *mut c_void,
}

impl Func {
    /// Replaces `F` with `replacement`, which has to be a function, not a pointer to one.
    ///
    /// # Safety
    ///
    /// `S` returns the original function of this `Func`, from the [`Funcs`] that it becomes a part
    /// of.
    #[doc(hidden)]
    pub const unsafe fn new<F: Replaceable, S: Replaced, H: Replacement<F, S>>(
        _replacement: H,
    ) -> Self {
        // INVARIANT: By the safety requirements of `Function`.
        Self {
            name: F::NAME,
            module: F::MODULE,
            position: F::POSITION,
            entry: H::ENTRY,
        }
    }
}

/// The functions of one object of a patch, in the layout in which the livepatch core iterates over
/// them.
///
/// # Invariants
///
/// Each element of `funcs` has the name of a function, and a replacement with the same C prototype.
/// `end` has no name, which ends the list. Once the patch is enabled, only the core changes the
/// list.
#[repr(C)]
#[doc(hidden)]
pub struct Funcs<const N: usize> {
    funcs: UnsafeCell<[bindings::klp_func; N]>,
    end: UnsafeCell<bindings::klp_func>,
    module: Option<&'static CStr>,
}

// SAFETY: The livepatch core protects the list by its mutex. Rust code only reads one word of it,
// by one volatile load (`old_func`).
unsafe impl<const N: usize> Sync for Funcs<N> {}

impl<const N: usize> Funcs<N> {
    /// Creates the list of the functions `list` of `module`.
    ///
    /// # Panics
    ///
    /// If a function belongs to another module, or is in `list` twice. This is evaluated at compile
    /// time.
    pub const fn new(module: Option<&'static CStr>, list: [Func; N]) -> Self {
        let mut funcs: [bindings::klp_func; N] = [pin_init::zeroed(); N];
        let mut i = 0;
        while i < N {
            let func = list[i];
            assert!(
                same(func.module, module),
                "a function is of another module than its object"
            );
            let mut j = 0;
            while j < i {
                assert!(
                    !same(Some(func.name), Some(list[j].name)) || func.position != list[j].position,
                    "a function is replaced twice"
                );
                j += 1;
            }
            // INVARIANT: By the type invariants of `Func`.
            funcs[i].old_name = kernel::str::as_char_ptr_in_const_context(func.name);
            funcs[i].old_sympos = func.position;
            funcs[i].new_func = func.entry;
            i += 1;
        }
        Self {
            funcs: UnsafeCell::new(funcs),
            // INVARIANT: The name is null.
            end: UnsafeCell::new(pin_init::zeroed()),
            module,
        }
    }

    /// Returns the address of the original function with this index; null while its module is not
    /// loaded. Panics if there is no such index.
    pub fn old_func(&'static self, index: usize) -> *mut c_void {
        assert!(index < N);
        // SAFETY: The index is within the array. The core sets the word before it redirects
        // the function, and clears it after the function's module is gone.
        unsafe {
            let func = self.funcs.get().cast::<bindings::klp_func>().add(index);
            ptr::read_volatile(&raw const (*func).old_func)
        }
    }

    /// Returns the list for the core, and the module's name.
    pub(super) const fn parts(&'static self) -> (*mut bindings::klp_func, Option<&'static CStr>) {
        // CAST: The array is the first field. If it is empty, `end` is at the same address.
        (ptr::from_ref(self).cast_mut().cast(), self.module)
    }
}

/// Returns whether two names are equal; [`None`] is vmlinux.
pub(super) const fn same(a: Option<&CStr>, b: Option<&CStr>) -> bool {
    let (a, b) = match (a, b) {
        (None, None) => return true,
        (Some(a), Some(b)) => (a.to_bytes(), b.to_bytes()),
        _ => return false,
    };
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}
