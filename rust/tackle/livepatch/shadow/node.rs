// SPDX-License-Identifier: GPL-2.0

//! The value of a shadow variable, and references to it.

use core::{fmt, marker::PhantomData, mem::ManuallyDrop, ops::Deref, ptr, ptr::NonNull};
use kernel::{
    alloc::Flags,
    bindings::{kvfree_call_rcu, kvfree_rcu_head},
    prelude::*,
    sync::atomic::{ordering, Atomic},
};

/// What all nodes begin with, whatever their value.
#[repr(C)]
pub(super) struct Header {
    rcu: kvfree_rcu_head,
    /// The next of those that were taken from the core.
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
    /// Makes a node with one reference, which is the one returned.
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
        // SAFETY: It is not moved from its place any more.
        let node = KBox::into_raw(unsafe { Pin::into_inner_unchecked(node) });
        // SAFETY: The first reference.
        Ok(unsafe { ShadowRef::from_raw(node.cast()) })
    }
}

/// A reference to the value of a shadow variable. As long as there is one, the value stays,
/// though the variable may be freed.
///
/// # Invariants
///
/// `node` points to a node of `T` which counts this reference.
pub struct ShadowRef<T> {
    node: NonNull<Node<T>>,
    _value: PhantomData<Node<T>>,
}

// SAFETY: References to the value and in the end the value itself go to the other thread.
unsafe impl<T: Send + Sync> Send for ShadowRef<T> {}
// SAFETY: As above: who has a `&ShadowRef` can clone it.
unsafe impl<T: Send + Sync> Sync for ShadowRef<T> {}

impl<T> ShadowRef<T> {
    /// Takes over a reference.
    ///
    /// # Safety
    ///
    /// `header` is that of a node of `T`, one of whose references is handed over.
    pub(super) unsafe fn from_raw(header: *mut Header) -> Self {
        // INVARIANT: By the function's requirements.
        Self {
            // SAFETY: It points to a node.
            node: unsafe { NonNull::new_unchecked(header.cast()) },
            _value: PhantomData,
        }
    }

    /// Hands the reference over.
    pub(super) fn into_raw(self) -> *mut Header {
        ManuallyDrop::new(self).node.as_ptr().cast()
    }

    /// Adds a reference, unless the last one has gone.
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
                // SAFETY: The reference just added.
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
        // A count of 64 bits does not run over.
        self.refs().fetch_add(1, ordering::Relaxed);
        // INVARIANT: Counted.
        Self {
            node: self.node,
            _value: PhantomData,
        }
    }
}

impl<T> Deref for ShadowRef<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the type invariants the value is there.
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
        // Full order: all uses of the value come before it is dropped.
        if self.refs().fetch_sub(1, ordering::Full) != 1 {
            return;
        }
        let node = self.node.as_ptr();
        // SAFETY: This was the last reference, and nobody adds one to none. Somebody may
        // still look at the count, so that the memory, which `kmalloc()` gave, stays until
        // an RCU grace period is over.
        unsafe {
            ptr::drop_in_place(&raw mut (*node).value);
            kvfree_call_rcu(&raw mut (*node).header.rcu, node.cast());
        }
    }
}
