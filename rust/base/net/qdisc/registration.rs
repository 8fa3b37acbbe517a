// SPDX-License-Identifier: GPL-2.0

//! Kinds of qdiscs, made known to the kernel.

use super::{
    ops::{Ops, Tables},
    Qdisc,
};
use crate::{bindings, fault, leftover};
use core::{marker::PhantomData, mem::ManuallyDrop};
use kernel::{error::to_result, ffi::c_void, prelude::*, types::Opaque};

/// A kind of qdisc that users can create, until this is dropped.
///
/// A qdisc holds a reference to the module: `rmmod` is refused while there is one. As with
/// all that makes a module's code reachable, a module registers last when it is loaded.
///
/// # Invariants
///
/// `ops` is registered.
pub struct Registration<T: Qdisc> {
    // In a box since C keeps pointers to it; given up if somebody may still use it.
    ops: ManuallyDrop<KBox<Opaque<Tables>>>,
    _kind: PhantomData<fn() -> T>,
}

// SAFETY: The ops may be unregistered by any thread.
unsafe impl<T: Qdisc> Send for Registration<T> {}
// SAFETY: A shared reference gives access to nothing.
unsafe impl<T: Qdisc> Sync for Registration<T> {}

impl<T: Qdisc> Registration<T> {
    /// Makes the kind known.
    ///
    /// # Errors
    ///
    /// - `EEXIST`: there is a kind of this name.
    /// - `ENOMEM`: no memory for the ops.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn new() -> Result<Self> {
        fault::QDISC_OPS_ALLOC.check()?;
        let ops = KBox::new(Opaque::new(Ops::<T>::tables()), GFP_KERNEL)?;
        let raw = ops.get().cast();
        // First: from when it is registered, somebody may get a reference to the module.
        // SAFETY: `owner` is the module that this code runs for. `withdraw` is for registered ops,
        // and `drop` calls `start_drop` first; `free` is for what `drop` has left.
        unsafe { leftover::add((*ops.get()).ops.owner, raw, withdraw, free) }?;
        let registered = fault::REGISTER_QDISC.check().and_then(|()| {
            // SAFETY: The ops are complete, and stay in their place until they are unregistered
            // and not used any more (`drop`).
            to_result(unsafe { bindings::register_qdisc(&raw mut (*ops.get()).ops) })
        });
        if let Err(error) = registered {
            leftover::remove(raw);
            return Err(error);
        }
        leftover::registered(raw);
        // INVARIANT: Registered just now.
        Ok(Self {
            ops: ManuallyDrop::new(ops),
            _kind: PhantomData,
        })
    }
}

/// Takes a kind of qdisc from the kernel, and waits until nobody finds it by name any more.
///
/// # Safety
///
/// `ops` are registered. RTNL is not held.
unsafe fn withdraw(ops: *mut c_void) {
    // SAFETY: By the function's requirements. Who has found the ops holds a reference to the
    // module (a qdisc, or the system's default kind), or RTNL, or is in an RCU read-side critical
    // section. The latter two end here.
    unsafe {
        bindings::unregister_qdisc(ops.cast());
        bindings::rtnl_lock();
        bindings::rtnl_unlock();
        kernel::bindings::synchronize_rcu();
    }
}

/// Frees the memory of ops.
///
/// # Safety
///
/// `ops` is the box of a [`Registration`] that was dropped. Nobody uses it any more.
unsafe fn free(ops: *mut c_void) {
    // SAFETY: By the function's requirements.
    drop(unsafe { KBox::<Opaque<Tables>>::from_raw(ops.cast()) });
}

impl<T: Qdisc> Drop for Registration<T> {
    /// Takes RTNL, and waits for an RCU grace period.
    fn drop(&mut self) {
        let ops = self.ops.get();
        leftover::start_drop(ops.cast());
        // SAFETY: By the type invariants. RTNL is not held: modules are loaded and unloaded
        // without it.
        unsafe { withdraw(ops.cast()) };
        // SAFETY: `owner` is the module that this code runs for.
        let references = unsafe { kernel::bindings::module_refcount((*ops).ops.owner) };
        // While a module is being unloaded there are none. Else there may be qdiscs, which use
        // the ops.
        if references > 0 {
            leftover::leave(ops.cast());
            return;
        }
        leftover::remove(ops.cast());
        // SAFETY: Not used again; nobody else uses them, as said above.
        unsafe { ManuallyDrop::drop(&mut self.ops) };
    }
}
