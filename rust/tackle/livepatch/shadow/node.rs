// SPDX-License-Identifier: GPL-2.0

//! Implements the reference-counted value of a shadow variable, and references to it.

use core::{fmt, marker::PhantomData, mem::ManuallyDrop, ops::Deref, ptr, ptr::NonNull};
use kernel::{
    alloc::Flags,
    bindings::{kvfree_call_rcu, kvfree_rcu_head},
    prelude::*,
    sync::atomic::{ordering, Atomic},
};

/// The first field of each node. It does not depend on the type of the value.
#[repr(C)]
pub(super) struct Header {
    rcu: kvfree_rcu_head,
    /// The next node in a list of nodes whose variables were taken from the core.
    pub(super) next: *mut Header,
    refs: Atomic<usize>,
}

/// A value with its count of references.
#[repr(C)]
#[pin_data]
pub(super) struct Node<T> {
    header: Header,
    #[pin]
    value: T,
}

impl<T> Node<T> {
    /// Creates a node with one reference, and returns this reference.
    #[allow(clippy::new_ret_no_self)]
    pub(super) fn new<E>(init: impl PinInit<T, E>, flags: Flags) -> Result<ShadowRef<T>>
    where
        Error: From<E>,
    {
        let node = KBox::pin_init(
            try_pin_init!(Self {
                header: Header {
                    rcu: pin_init::zeroed(),
                    next: ptr::null_mut(),
                    refs: Atomic::new(1),
                },
                value <- init,
            }? E),
            flags,
        )?;
        // SAFETY: The node is not moved any more.
        let node = KBox::into_raw(unsafe { Pin::into_inner_unchecked(node) });
        // SAFETY: The count is 1, for the reference that is created here.
        Ok(unsafe { ShadowRef::from_raw(node.cast()) })
    }
}

/// A reference to the value of a shadow variable. As long as there is one, the value stays valid,
/// even if the variable is freed.
///
/// # Invariants
///
/// `node` points to a node of `T`, whose count includes this reference.
pub struct ShadowRef<T> {
    node: NonNull<Node<T>>,
    _value: PhantomData<Node<T>>,
}

// SAFETY: The other thread gets shared references to the value, for which `T` is `Sync`. It may
// also drop the value, for which `T` is `Send`.
unsafe impl<T: Send + Sync> Send for ShadowRef<T> {}
// SAFETY: As above: another thread can clone a `&ShadowRef`, and so get a `ShadowRef`.
unsafe impl<T: Send + Sync> Sync for ShadowRef<T> {}

impl<T> ShadowRef<T> {
    /// Creates a `ShadowRef` from a raw reference.
    ///
    /// # Safety
    ///
    /// `header` is that of a node of `T`. The caller hands over one of the counted references.
    pub(super) unsafe fn from_raw(header: *mut Header) -> Self {
        // INVARIANT: By the function's requirements.
        Self {
            // SAFETY: `header` points to a node, so it is not null.
            node: unsafe { NonNull::new_unchecked(header.cast()) },
            _value: PhantomData,
        }
    }

    /// Converts this into a raw reference, which stays counted.
    pub(super) fn into_raw(self) -> *mut Header {
        ManuallyDrop::new(self).node.as_ptr().cast()
    }

    /// Adds a reference, unless the count is 0.
    ///
    /// # Safety
    ///
    /// `header` is that of a node of `T`, whose memory is valid.
    pub(super) unsafe fn get_unless_zero(header: *mut Header) -> Option<Self> {
        // SAFETY: By the function's requirements.
        let refs = unsafe { &(*header).refs };
        let mut count = refs.load(ordering::Relaxed);
        while count != 0 {
            match refs.cmpxchg(count, count + 1, ordering::Acquire) {
                // SAFETY: The count includes the reference that was just added.
                Ok(_) => return Some(unsafe { Self::from_raw(header) }),
                Err(now) => count = now,
            }
        }
        None
    }

    fn refs(&self) -> &Atomic<usize> {
        // SAFETY: By the type invariants the node is valid.
        unsafe { &(*self.node.as_ptr()).header.refs }
    }
}

impl<T> Clone for ShadowRef<T> {
    fn clone(&self) -> Self {
        // A count of 64 bits does not overflow.
        self.refs().fetch_add(1, ordering::Relaxed);
        // INVARIANT: The count includes the new reference.
        Self {
            node: self.node,
            _value: PhantomData,
        }
    }
}

impl<T> Deref for ShadowRef<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the type invariants the node is valid, and so is its value.
        unsafe { &(*self.node.as_ptr()).value }
    }
}

impl<T: fmt::Debug> fmt::Debug for ShadowRef<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T> Drop for ShadowRef<T> {
    fn drop(&mut self) {
        // Full ordering: all uses of the value happen before it is dropped.
        if self.refs().fetch_sub(1, ordering::Full) != 1 {
            return;
        }
        let node = self.node.as_ptr();
        // SAFETY: This was the last reference, and no reference is added to a count of 0, so
        // nothing uses the value any more. `get_unless_zero` may still read the count in an RCU
        // read-side section, so the memory is freed only after a grace period. It was allocated by
        // `kmalloc()`, as `kvfree_call_rcu()` requires.
        unsafe {
            ptr::drop_in_place(&raw mut (*node).value);
            kvfree_call_rcu(&raw mut (*node).header.rcu, node.cast());
        }
    }
}
