// SPDX-License-Identifier: GPL-2.0

//! Implements the objects of a patch (the kernel proper and modules), with their callbacks.

use super::{func::same, Funcs, Transition};
use crate::bindings;
use core::cell::UnsafeCell;
use kernel::{error::from_result, ffi::c_int, prelude::*};

/// The callbacks of a patch, which are called when an object is patched or unpatched.
///
/// They are described in `Documentation/livepatch/callbacks.rst` of the kernel. All are optional.
/// If the [`pre_patch`](Self::pre_patch) of an object failed, or the object is not loaded, the
/// other callbacks are not called for it. They are not called either for a patch when another one
/// replaces it (`replace`).
///
/// # Context
///
/// A task, with the livepatch core's mutex held. A callback may sleep, but must not enable a patch.
#[vtable]
pub trait Callbacks {
    /// Called before the functions of an object are replaced: when the patch is enabled, or
    /// when the object's module is loaded.
    ///
    /// # Errors
    ///
    /// The patch is then not enabled, or the object's module is not loaded, and that operation
    /// returns this errno.
    fn pre_patch(_change: &Transition<'_>) -> Result {
        Ok(())
    }

    /// Called after the functions of an object were replaced, for every task.
    fn post_patch(_change: &Transition<'_>) {}

    /// Called before the original functions of an object are restored: when the patch is disabled,
    /// or when the object's module is unloaded.
    fn pre_unpatch(_change: &Transition<'_>) {}

    /// Called after the original functions of an object were restored, for every task.
    fn post_unpatch(_change: &Transition<'_>) {}
}

/// The C side of [`Callbacks::pre_patch`].
///
/// # Safety
///
/// Called by the livepatch core alone, as a callback of an object of a patch.
unsafe extern "C" fn pre_patch<C: Callbacks>(object: *mut bindings::klp_object) -> c_int {
    from_result(|| {
        // SAFETY: By the function's requirements.
        C::pre_patch(&unsafe { Transition::from_raw(object) }).map(|()| 0)
    })
}

macro_rules! notices {
    ($($name:ident)*) => {$(
        /// The C side of the method of this name of [`Callbacks`].
        ///
        /// # Safety
        ///
        /// Called by the livepatch core alone, as a callback of an object of a patch.
        unsafe extern "C" fn $name<C: Callbacks>(object: *mut bindings::klp_object) {
            // SAFETY: By the function's requirements.
            C::$name(&unsafe { Transition::from_raw(object) })
        }
    )*};
}

notices! { post_patch pre_unpatch post_unpatch }

/// One object of a patch.
///
/// # Invariants
///
/// `object.funcs` points at a static [`Funcs`], and `module` is `object.name`.
#[derive(Clone, Copy)]
#[doc(hidden)]
pub struct Object {
    object: bindings::klp_object,
    module: Option<&'static CStr>,
}

impl Object {
    /// Creates the object whose functions are `funcs`.
    ///
    /// # Safety
    ///
    /// No other object has these functions.
    pub const unsafe fn new<const N: usize>(funcs: &'static Funcs<N>) -> Self {
        let mut object: bindings::klp_object = pin_init::zeroed();
        let module;
        (object.funcs, module) = funcs.parts();
        if let Some(module) = module {
            object.name = kernel::str::as_char_ptr_in_const_context(module);
        }
        // INVARIANT: `funcs` is static, and the name was set from `module`.
        Self { object, module }
    }

    /// Sets the callbacks.
    pub const fn callbacks<C: Callbacks>(mut self) -> Self {
        let callbacks = &mut self.object.callbacks;
        if C::HAS_PRE_PATCH {
            callbacks.pre_patch = Some(pre_patch::<C>);
        }
        if C::HAS_POST_PATCH {
            callbacks.post_patch = Some(post_patch::<C>);
        }
        if C::HAS_PRE_UNPATCH {
            callbacks.pre_unpatch = Some(pre_unpatch::<C>);
        }
        if C::HAS_POST_UNPATCH {
            callbacks.post_unpatch = Some(post_unpatch::<C>);
        }
        self
    }
}

/// The objects of a patch, in the layout in which the livepatch core iterates over them.
///
/// # Invariants
///
/// Each element of `objects` points at a list of functions, which may be empty. `end` has neither
/// such a pointer nor a name, which ends the list. Once the patch is enabled, only the core changes
/// the list.
#[repr(C)]
#[doc(hidden)]
pub struct Objects<const N: usize> {
    objects: UnsafeCell<[bindings::klp_object; N]>,
    end: UnsafeCell<bindings::klp_object>,
}

// SAFETY: The livepatch core protects the list by its mutex.
unsafe impl<const N: usize> Sync for Objects<N> {}

impl<const N: usize> Objects<N> {
    /// Creates the list of the objects in `list`.
    ///
    /// # Panics
    ///
    /// If an object is in `list` twice. This is evaluated at compile time.
    ///
    /// # Safety
    ///
    /// No other list has these objects.
    pub const unsafe fn new(list: [Object; N]) -> Self {
        let mut objects: [bindings::klp_object; N] = [pin_init::zeroed(); N];
        let mut i = 0;
        while i < N {
            let mut j = 0;
            while j < i {
                assert!(
                    !same(list[i].module, list[j].module),
                    "a patch has each object once"
                );
                j += 1;
            }
            // INVARIANT: By the type invariants of `Object`.
            objects[i] = list[i].object;
            i += 1;
        }
        Self {
            objects: UnsafeCell::new(objects),
            // INVARIANT: All fields are null.
            end: UnsafeCell::new(pin_init::zeroed()),
        }
    }

    /// Returns the list for the core.
    pub(super) const fn as_ptr(&'static self) -> *mut bindings::klp_object {
        // CAST: The array is the first field.
        core::ptr::from_ref(self).cast_mut().cast()
    }
}
