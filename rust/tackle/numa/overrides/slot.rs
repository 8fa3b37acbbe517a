// SPDX-License-Identifier: GPL-2.0

//! Implements a pointer to a controller or policy, which handlers read without a lock.

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
/// The pointer is null or comes from a box. The box is dropped one RCU grace period after the
/// pointer was replaced.
pub(super) struct Slot<T: ?Sized>(AtomicPtr<Arc<T>>);

// SAFETY: Other threads get references to a `T` from it, so `T` is `Sync`. The thread that drops
// the last reference drops the `T`, so `T` is `Send`.
unsafe impl<T: ?Sized + Send + Sync> Sync for Slot<T> {}

impl<T: ?Sized> Slot<T> {
    pub(super) const fn new() -> Self {
        // INVARIANT: It is null.
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Returns the content of the slot, in a handler that was called with `call`.
    #[inline]
    pub(super) fn get<'a>(&self, _call: &'a Call) -> Option<&'a T> {
        let pointer = self.0.load(Ordering::Acquire);
        // SAFETY: By the type invariants. A handler has a reference to its call only while
        // preemption is disabled, and an RCU grace period waits for code with preemption disabled.
        unsafe { pointer.as_ref() }.map(|arc| &**arc)
    }

    /// Returns the content of the slot, in an RCU read section.
    #[allow(dead_code)] // Without operations of the kernel.
    #[inline]
    pub(super) fn read<'a>(&self, _section: &'a Guard) -> Option<&'a T> {
        let pointer = self.0.load(Ordering::Acquire);
        // SAFETY: By the type invariants, and since the read section outlives `'a`.
        unsafe { pointer.as_ref() }.map(|arc| &**arc)
    }

    /// Puts `value` into the slot, which is empty. The caller serialises calls of `set` and
    /// [`Slot::take`].
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there is no memory for the box.
    pub(super) fn set(&self, value: Arc<T>) -> Result {
        let value = KBox::into_raw(KBox::new(value, GFP_KERNEL)?);
        // INVARIANT: The pointer comes from a box.
        self.0.store(value, Ordering::Release);
        Ok(())
    }

    /// Empties the slot and returns its content. When this returns, no handler uses the content any
    /// more. May sleep.
    pub(super) fn take(&self) -> Option<Arc<T>> {
        let value = self.0.swap(ptr::null_mut(), Ordering::AcqRel);
        if value.is_null() {
            return None;
        }
        rcu::synchronize_rcu();
        // SAFETY: The pointer was made by `KBox::into_raw`. It is not in the slot any more, and the
        // grace period has ended, so no handler uses the box.
        Some(KBox::into_inner(unsafe { KBox::from_raw(value) }))
    }
}
