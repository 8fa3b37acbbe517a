// SPDX-License-Identifier: GPL-2.0

//! Implements [`Patch`], the `struct klp_patch` that is registered with the livepatch core.

use super::{Objects, States};
use crate::{bindings, fault, going};
use core::cell::UnsafeCell;
use kernel::{
    error::to_result,
    prelude::*,
    sync::atomic::{Acquire, Atomic, Release},
};

/// A live patch. It is in a static, since the kernel keeps a pointer to it until the module is
/// unloaded.
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

// SAFETY: By the exchange of `enabled`, at most one thread initialises the structures. After that
// the livepatch core protects them by its mutex.
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
        // INVARIANT: `objects` and `states` are static.
        Self {
            patch: UnsafeCell::new(patch),
            enabled: Atomic::new(false),
        }
    }

    /// Enables the patch. Called in the init function of the module that contains it.
    ///
    /// It returns when the transition has begun, before all tasks are switched to the new
    /// functions. `/sys/kernel/livepatch/MODULE/transition` is 1 during the transition. The core
    /// holds a reference to the module until the patch is disabled again. With `replace` this patch
    /// replaces all patches that are enabled: they are disabled by the same transition.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: another call of this is running, or an earlier call has passed the patch to the
    ///   livepatch core, with success or without; another patch is in transition; another user
    ///   redirects one of the functions, such as a kprobe with a `post_handler` or a hook; or the
    ///   administrator has switched ftrace off, which Linux 7.3 does not allow any more.
    /// - `EINVAL`: the module is not marked as a live patch (`livepatch!` does that); a function is
    ///   not in its object, or several functions have its name; or the states are not compatible
    ///   with those of the enabled patches.
    /// - `ENODEV`: the kernel has no live patching, or ftrace has switched itself off after a fault
    ///   of its own.
    /// - `ENOMEM`: there is no memory for the patch.
    /// - The errors of a [`pre_patch`](super::Callbacks::pre_patch).
    ///
    /// A call that fails before it has passed the patch to the core can be repeated. Such a call
    /// returns `ENOMEM`: there is no memory for the library's list of modules, or the fault point
    /// `klp_enable_patch` fails.
    ///
    /// The kernel's log has details.
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
        // SAFETY: This thread has set `enabled`, so no other thread and not the core use the
        // structure yet.
        unsafe {
            (*patch).mod_ = module.as_ptr();
            (*patch).replace = replace;
        }
        fault::KLP_ENABLE_PATCH
            .check()
            .inspect_err(|_| self.enabled.store(false, Release))?;
        // `enabled` stays set even if this fails: after a failure the core leaves pointers to
        // freed names in the structures, and another attempt would free these names again.
        //
        // SAFETY: By the type invariants the patch and the structures that it points at are valid
        // and static. The core holds a reference to the module, and so to the code, while it uses
        // them.
        to_result(unsafe { bindings::klp_enable_patch(patch) })
    }
}
