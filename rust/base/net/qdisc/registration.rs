// SPDX-License-Identifier: GPL-2.0

//! Implements the registration of a kind of qdisc with the kernel.

use super::{
    ops::{Ops, Tables},
    Qdisc,
};
use crate::{bindings, fault, leftover};
use core::{marker::PhantomData, mem::ManuallyDrop};
use kernel::{error::to_result, ffi::c_void, prelude::*, types::Opaque};

/// A kind of qdisc that users can create, until this is dropped.
///
/// A qdisc has a reference to the module, so `rmmod` is refused while there is a qdisc. Register
/// last when the module is loaded: from then on the kernel can call the module's code.
///
/// # Invariants
///
/// `ops` is registered.
pub struct Registration<T: Qdisc> {
    // In a box, since C keeps pointers to the ops. The box is left in `leftover` if there may still
    // be qdiscs that use the ops.
    ops: ManuallyDrop<KBox<Opaque<Tables>>>,
    _kind: PhantomData<fn() -> T>,
}

// SAFETY: The ops may be unregistered by any thread.
unsafe impl<T: Qdisc> Send for Registration<T> {}
// SAFETY: A shared reference gives access to nothing.
unsafe impl<T: Qdisc> Sync for Registration<T> {}

impl<T: Qdisc> Registration<T> {
    /// Registers the kind.
    ///
    /// # Errors
    ///
    /// - `EEXIST`: a kind of this name is registered already.
    /// - `ENOMEM`: there is no memory for the ops.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn new() -> Result<Self> {
        fault::QDISC_OPS_ALLOC.check()?;
        let ops = KBox::new(Opaque::new(Ops::<T>::tables()), GFP_KERNEL)?;
        let raw = ops.get().cast();
        // First: once the kind is registered, a user can make a qdisc, which has a reference to the
        // module.
        // SAFETY: `owner` is the module that contains the ops' code. `withdraw` may be called while
        // the ops are registered: `drop` calls `start_drop` before it unregisters them. `free` may
        // be called for ops that `drop` has left.
        unsafe { leftover::add((*ops.get()).ops.owner, raw, withdraw, free) }?;
        let registered = fault::REGISTER_QDISC.check().and_then(|()| {
            // SAFETY: The ops are complete. The box keeps them at their address until they are
            // unregistered and no qdisc uses them any more (`drop`).
            to_result(unsafe { bindings::register_qdisc(&raw mut (*ops.get()).ops) })
        });
        if let Err(error) = registered {
            leftover::remove(raw);
            return Err(error);
        }
        leftover::registered(raw);
        // INVARIANT: The ops were registered just now.
        Ok(Self {
            ops: ManuallyDrop::new(ops),
            _kind: PhantomData,
        })
    }
}

/// Unregisters a kind of qdisc, and waits until no code uses ops that it has found by name without
/// a reference to the module.
///
/// # Safety
///
/// `ops` are registered. RTNL is not held.
unsafe fn withdraw(ops: *mut c_void) {
    // SAFETY: By the function's requirements. Code that has found the ops has a reference to the
    // module (a qdisc, or the system's default kind), holds RTNL, or is in an RCU read-side
    // critical section. Taking RTNL and the grace period wait for the latter two.
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
/// `ops` is the pointer of the box of a [`Registration`] that was dropped. No code uses the ops any
/// more.
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
        // SAFETY: `owner` is the module that contains the ops' code, so it is loaded.
        let references = unsafe { kernel::bindings::module_refcount((*ops).ops.owner) };
        // While `rmmod` unloads the module, there are no references. Otherwise there may be qdiscs,
        // which use the ops.
        if references > 0 {
            leftover::leave(ops.cast());
            return;
        }
        leftover::remove(ops.cast());
        // SAFETY: The box is not used again here. Without references to the module there are no
        // qdiscs, and `withdraw` has waited for all other users.
        unsafe { ManuallyDrop::drop(&mut self.ops) };
    }
}
