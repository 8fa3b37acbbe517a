// SPDX-License-Identifier: GPL-2.0

//! The lock that C takes for the calls with packets, taken for the others.

use super::Sch;
use crate::bindings;

/// The root lock of a qdisc's tree, held, with bottom halves disabled.
pub(super) struct TreeLock(*mut bindings::Qdisc);

impl TreeLock {
    /// Takes the lock.
    ///
    /// # Safety
    ///
    /// RTNL is held, and stays so for the lifetime. `sch` is a valid qdisc of a kind of
    /// this module, whose `init` has succeeded. It is in the tree of its transmit queue;
    /// or it was taken out, and with that nobody sends packets through it any more.
    pub(super) unsafe fn new(sch: *mut bindings::Qdisc) -> Self {
        // SAFETY: By the function's requirements.
        unsafe { bindings::sch_tree_lock(sch) };
        Self(sch)
    }

    /// The qdisc.
    pub(super) fn sch(&self) -> &Sch {
        // SAFETY: The qdisc is valid by the requirements of `new`. The lock is held, or
        // nobody else uses the qdisc: what RTNL protects does not change.
        unsafe { Sch::from_raw(self.0) }
    }
}

impl Drop for TreeLock {
    fn drop(&mut self) {
        // SAFETY: Taken in `new`; RTNL keeps the tree, and so the lock, the same.
        unsafe { bindings::sch_tree_unlock(self.0) };
    }
}
