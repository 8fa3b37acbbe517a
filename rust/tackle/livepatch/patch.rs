// SPDX-License-Identifier: GPL-2.0

//! A patch, as the livepatch core knows it.

use super::{Objects, States};
use crate::{bindings, fault, going};
use core::cell::UnsafeCell;
use kernel::{
    error::to_result,
    prelude::*,
    sync::atomic::{Acquire, Atomic, Release},
};

/// A live patch. Lives in a static: the kernel keeps a pointer to it until the module is
/// gone.
///
/// Declared with [`livepatch!`](crate::livepatch), or with [`patch!`](crate::patch).
///
/// # Invariants
///
/// - `objs` and `states` point at a static [`Objects`] and [`States`].
/// - After `enabled` was set, only the livepatch core changes the other fields.
pub struct Patch {
    patch: UnsafeCell<bindings::klp_patch>,
    enabled: Atomic<bool>,
}

// SAFETY: `enabled` sees to it that one thread at most sets the structures up; then the
// livepatch core guards them with its mutex.
unsafe impl Sync for Patch {}

impl Patch {
    /// Creates a patch of `objects` that modifies `states`.
    ///
    /// # Safety
    ///
    /// No other patch has these objects and states.
    #[doc(hidden)]
    pub const unsafe fn new<const N: usize, const M: usize>(
        objects: &'static Objects<N>,
        states: &'static States<M>,
    ) -> Self {
        assert!(N > 0, "a patch has at least one object");
        let mut patch: bindings::klp_patch = pin_init::zeroed();
        patch.objs = objects.as_ptr();
        patch.states = states.as_ptr();
        // INVARIANT: As above.
        Self {
            patch: UnsafeCell::new(patch),
            enabled: Atomic::new(false),
        }
    }

    /// Enables the patch: to be called from the init function of the module that holds it.
    ///
    /// It returns when the transition has begun, not when every task has changed over;
    /// `/sys/kernel/livepatch/MODULE/transition` tells. The core holds a reference to the
    /// module until the patch is disabled again. With `replace` all patches that are in
    /// force go when this one has come.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: this was called before, with success or without; or a function is redirected by
    ///   somebody else: a kprobe with a `post_handler`, a hook; or ftrace is switched off.
    /// - `EINVAL`: the module is not marked as a live patch (`livepatch!` does that); a
    ///   function is not in its object, or its name stands for several; or the states do
    ///   not go with those of the patches in force.
    /// - `ENODEV`: the kernel has no live patching.
    /// - `ENOMEM`, and what a [`pre_patch`](super::Callbacks::pre_patch) returns.
    ///
    /// The kernel's log says more.
    ///
    /// # Context
    ///
    /// May sleep; takes the livepatch core's mutex.
    pub fn enable(&'static self, module: &'static ThisModule, replace: bool) -> Result {
        if self.enabled.cmpxchg(false, true, Acquire).is_err() {
            return Err(EBUSY);
        }
        going::note(module.as_ptr()).inspect_err(|_| self.enabled.store(false, Release))?;
        let patch = self.patch.get();
        // SAFETY: `enabled` was not set: nobody else knows the structure.
        unsafe {
            (*patch).mod_ = module.as_ptr();
            (*patch).replace = replace;
        }
        fault::KLP_ENABLE_PATCH
            .check()
            .inspect_err(|_| self.enabled.store(false, Release))?;
        // `enabled` stays set, whatever comes of it: after a failure the core leaves pointers to
        // freed names in the structures, which another attempt would free once more.
        // SAFETY: By the type invariants the patch and what it points at are valid, and they are
        // static; the core holds the module, and with it the code, while it uses them.
        to_result(unsafe { bindings::klp_enable_patch(patch) })
    }
}
