// SPDX-License-Identifier: GPL-2.0

//! Implements a pointer to a decider, which handlers read without a lock.

use crate::ftrace::Call;
use core::{
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};
use kernel::{
    prelude::*,
    sync::{
        rcu::{self, Guard},
        Arc,
    },
};

/// A pointer to a `T`, or none.
///
/// # Invariants
///
/// The pointer is null, or that of a box, which is dropped a grace period of RCU after it was
/// replaced.
pub(super) struct Slot<T: ?Sized>(AtomicPtr<Arc<T>>);

// SAFETY: Other threads get references to a `T` from it, and the last one drops the `T`.
unsafe impl<T: ?Sized + Send + Sync> Sync for Slot<T> {}

impl<T: ?Sized> Slot<T> {
    pub(super) const fn new() -> Self {
        // INVARIANT: It is null.
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Returns what is in it, in a handler that has got `call`.
    #[inline]
    pub(super) fn get<'a>(&self, _call: &'a Call) -> Option<&'a T> {
        let pointer = self.0.load(Ordering::Acquire);
        // SAFETY: By the type invariants. A handler has a reference to its call only while
        // preemption is disabled, and grace periods of RCU wait for such code.
        unsafe { pointer.as_ref() }.map(|arc| &**arc)
    }

    /// Returns what is in it, in an RCU read section.
    #[allow(dead_code)] // Without operations of the kernel.
    #[inline]
    pub(super) fn read<'a>(&self, _section: &'a Guard) -> Option<&'a T> {
        let pointer = self.0.load(Ordering::Acquire);
        // SAFETY: By the type invariants, and since the read section outlives `'a`.
        unsafe { pointer.as_ref() }.map(|arc| &**arc)
    }

    /// Puts `value` into the slot, which is empty. Calls of `set` and [`Slot::take`] are serialised
    /// by the caller.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn set(&self, value: Arc<T>) -> Result {
        let value = KBox::into_raw(KBox::new(value, GFP_KERNEL)?);
        // INVARIANT: It is that of a box.
        self.0.store(value, Ordering::Release);
        Ok(())
    }

    /// Empties the slot. When this returns, no handler uses what was in it. May sleep.
    pub(super) fn take(&self) -> Option<Arc<T>> {
        let value = self.0.swap(ptr::null_mut(), Ordering::AcqRel);
        if value.is_null() {
            return None;
        }
        rcu::synchronize_rcu();
        // SAFETY: It was made by `KBox::into_raw`. It is not in the slot, and the grace period has
        // ended.
        Some(KBox::into_inner(unsafe { KBox::from_raw(value) }))
    }
}
