// SPDX-License-Identifier: GPL-2.0

//! Implements the filter condition that the current task is in a cgroup.
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
/// `group` is a cgroup of the default hierarchy, to which this holds a reference. `level` is the
/// level of the cgroup.
pub(super) struct Cgroup {
    group: NonNull<c_void>,
    level: usize,
}

// SAFETY: A cgroup may be used, and its reference may be dropped, from any thread.
unsafe impl Send for Cgroup {}
// SAFETY: As above. A shared reference only gives access to its address.
unsafe impl Sync for Cgroup {}

impl Cgroup {
    /// # Errors
    ///
    /// - `ENOENT`, `ENOTDIR`: there is no cgroup at `path`.
    /// - `EOPNOTSUPP`: the kernel has no cgroups.
    /// - `ENOMEM`: there is no memory for the path.
    pub(super) fn new(path: &str) -> Result<Self> {
        let path = CString::try_from_fmt(fmt!("{path}"))?;
        // SAFETY: The path ends with a NUL, and the caller may sleep.
        let group = from_err_ptr(unsafe { bindings::cgroup_get_from_path(path.as_char_ptr()) })?;
        let group = NonNull::new(group).ok_or(ENOENT)?;
        // SAFETY: The cgroup was just found, with a reference.
        let level = unsafe { level(group.as_ptr().cast()) };
        // INVARIANT: This takes over the reference.
        Ok(Self { group, level })
    }

    /// Returns whether the current task is in the cgroup, as `task_under_cgroup_hierarchy()` does.
    #[inline]
    pub(super) fn has_current(&self, _in_a_handler: &Call) -> bool {
        // SAFETY: `current` is valid. Its `css_set` and the cgroup of that are valid in an RCU
        // read-side section, and a handler is one, since preemption is disabled. The offsets are
        // those of the C fields. `dfl_cgrp` is a cgroup of the default hierarchy. A cgroup has
        // an ancestor for each level up to its own, and the level is checked before.
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

/// Returns the level of a cgroup in the hierarchy; the root is at level 0.
///
/// # Safety
///
/// `group` is a valid cgroup.
#[inline]
unsafe fn level(group: *const u8) -> usize {
    // SAFETY: By the function's requirements. The level of a cgroup does not change.
    let level = unsafe { group.add(bindings::CGROUP_LEVEL).cast::<c_int>().read() };
    // CAST: A level is not negative.
    level as usize
}
