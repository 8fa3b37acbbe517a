// SPDX-License-Identifier: GPL-2.0

//! The tasks of a cgroup.
//!
//! C header: [`include/linux/cgroup.h`](srctree/include/linux/cgroup.h)

use crate::{bindings, ftrace::Call};
use core::ptr::NonNull;
use kernel::{
    error::from_err_ptr,
    ffi::{c_int, c_void},
    prelude::*,
    str::CString,
    task::Task,
};

/// A cgroup of the default hierarchy, and its descendants.
///
/// # Invariants
///
/// `group` is a cgroup of that hierarchy, of which this has a reference; `level` is its level.
pub(super) struct Cgroup {
    group: NonNull<c_void>,
    level: usize,
}

// SAFETY: A cgroup may be used, and let go of, from any thread.
unsafe impl Send for Cgroup {}
// SAFETY: As above; only its address is looked at.
unsafe impl Sync for Cgroup {}

impl Cgroup {
    /// # Errors
    ///
    /// - `ENOENT`, `ENOTDIR`: there is none at `path`.
    /// - `EOPNOTSUPP`: the kernel has no cgroups.
    /// - `ENOMEM`.
    pub(super) fn new(path: &str) -> Result<Self> {
        let path = CString::try_from_fmt(fmt!("{path}"))?;
        // SAFETY: The path ends with a NUL. May sleep.
        let group = from_err_ptr(unsafe { bindings::cgroup_get_from_path(path.as_char_ptr()) })?;
        let group = NonNull::new(group).ok_or(ENOENT)?;
        // SAFETY: The cgroup was just found, with a reference.
        let level = unsafe { level(group.as_ptr().cast()) };
        // INVARIANT: The reference is this one's.
        Ok(Self { group, level })
    }

    /// Whether the current task is in it, as `task_under_cgroup_hierarchy()`.
    #[inline]
    pub(super) fn has_current(&self, _in_a_handler: &Call) -> bool {
        // SAFETY: `current` is valid, and so is what it leads to within an RCU read section,
        // which a handler is: preemption is disabled. The fields are where C has them. That
        // `dfl_cgrp` is of the default hierarchy is said by its name, and an ancestor of each
        // level up to its own it has.
        unsafe {
            let set = (&raw const (*Task::current_raw()).cgroups).read_volatile();
            let group = set
                .cast::<u8>()
                .add(bindings::CSS_SET_DFL_CGRP)
                .cast::<*const u8>()
                .read_volatile();
            level(group) >= self.level
                && group
                    .add(bindings::CGROUP_ANCESTORS)
                    .cast::<*const c_void>()
                    .add(self.level)
                    .read()
                    == self.group.as_ptr()
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // SAFETY: By the type invariants.
        unsafe { bindings::cgroup_put(self.group.as_ptr()) };
    }
}

/// How far down a cgroup is; the root is at 0.
///
/// # Safety
///
/// It is valid.
#[inline]
unsafe fn level(group: *const u8) -> usize {
    // SAFETY: By the function's requirements; it does not change.
    let level = unsafe { group.add(bindings::CGROUP_LEVEL).cast::<c_int>().read() };
    // CAST: It is not negative.
    level as usize
}
