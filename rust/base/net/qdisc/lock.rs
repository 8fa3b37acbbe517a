// SPDX-License-Identifier: GPL-2.0

//! Implements the guard of a qdisc tree's root lock. C takes this lock for the calls that move
//! packets; the guard takes it for the other calls.

use super::Sch;
use crate::bindings;

/// A guard that holds the root lock of a qdisc's tree, with bottom halves disabled.
pub(super) struct TreeLock(*mut bindings::Qdisc);

impl TreeLock {
    /// Takes the lock.
    ///
    /// # Safety
    ///
    /// RTNL is held for the lifetime of the guard. `sch` is a valid qdisc of a kind of this module,
    /// whose `init` has succeeded. The qdisc is in the tree of its transmit queue, or it was
    /// removed from the tree and no code sends packets through it any more.
    pub(super) unsafe fn new(sch: *mut bindings::Qdisc) -> Self {
        // SAFETY: By the function's requirements.
        unsafe { bindings::sch_tree_lock(sch) };
        Self(sch)
    }

    /// Returns the qdisc.
    pub(super) fn sch(&self) -> &Sch {
        // SAFETY: The qdisc is valid by the requirements of `new`. Its root lock is held, or no
        // other code uses the qdisc. The data that RTNL protects does not change.
        unsafe { Sch::from_raw(self.0) }
    }
}

impl Drop for TreeLock {
    fn drop(&mut self) {
        // SAFETY: `new` has taken the lock. RTNL is held, so the tree and its root lock are still
        // the same.
        unsafe { bindings::sch_tree_unlock(self.0) };
    }
}
