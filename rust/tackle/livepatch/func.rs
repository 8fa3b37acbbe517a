// SPDX-License-Identifier: GPL-2.0

//! The functions of a patch, and what takes their places.

use crate::{
    bindings,
    function::{Replaceable, Replaced, Replacement},
};
use core::{cell::UnsafeCell, ptr};
use kernel::{ffi::c_void, prelude::*};

/// One function of a patch.
///
/// # Invariants
///
/// `entry` is a function of the C prototype of the function `name` of `module`.
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
    /// `S` tells where this very function is, in the [`Funcs`] that this becomes a part of.
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

/// The functions of one object of a patch, as the livepatch core walks them.
///
/// # Invariants
///
/// Each of `funcs` names a function and an entry of the same C prototype. `end` has no
/// name, which ends the list. Once the patch is enabled, only the core changes them.
#[repr(C)]
#[doc(hidden)]
pub struct Funcs<const N: usize> {
    funcs: UnsafeCell<[bindings::klp_func; N]>,
    end: UnsafeCell<bindings::klp_func>,
    module: Option<&'static CStr>,
}

// SAFETY: The livepatch core guards them with its mutex; `old_func` reads one word.
unsafe impl<const N: usize> Sync for Funcs<N> {}

impl<const N: usize> Funcs<N> {
    /// Makes the list of the functions `list` of `module`.
    ///
    /// # Panics
    ///
    /// When evaluated, which is at compile time: a function is of another module, or is
    /// there twice.
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
            // INVARIANT: The null name.
            end: UnsafeCell::new(pin_init::zeroed()),
            module,
        }
    }

    /// Returns the address of function `index`, which there must be; null where its module
    /// is not loaded.
    pub fn old_func(&'static self, index: usize) -> *mut c_void {
        assert!(index < N);
        // SAFETY: The index is within the array. The core sets the word before it redirects
        // the function, and clears it after the function's module has gone.
        unsafe {
            let func = self.funcs.get().cast::<bindings::klp_func>().add(index);
            ptr::read_volatile(&raw const (*func).old_func)
        }
    }

    /// Returns the list for the core, and the module's name.
    pub(super) const fn parts(&'static self) -> (*mut bindings::klp_func, Option<&'static CStr>) {
        // CAST: The array, or with N = 0 its end, comes first.
        (ptr::from_ref(self).cast_mut().cast(), self.module)
    }
}

/// Compares two names; [`None`] is vmlinux.
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
