// SPDX-License-Identifier: GPL-2.0

//! A directory or file of debugfs, as the owner of its dentry.

use super::file_ops::FileOps;
use core::ptr;
use kernel::{bindings, prelude::*, sync::Arc};

/// A directory, removed with everything in it when dropped, or a file.
///
/// # Invariants
///
/// `dentry` is what debugfs returned when it was made (an error pointer, perhaps), and
/// nothing else removes it: `parent` outlives it.
pub(super) struct Entry {
    dentry: *mut bindings::dentry,
    _parent: Option<Arc<Entry>>,
}

// SAFETY: debugfs' functions may be called from any thread.
unsafe impl Send for Entry {}
// SAFETY: As above, at the same time too.
unsafe impl Sync for Entry {}

impl Entry {
    /// Makes the directory `name` in `parent`, or in the root of debugfs.
    pub(super) fn dir(name: &CStr, parent: Option<Arc<Entry>>) -> Self {
        let parent_dentry = parent.as_ref().map_or(ptr::null_mut(), |p| p.dentry);
        // SAFETY: The parent's dentry is as the type invariants say, which debugfs takes;
        // it copies the name.
        let dentry = unsafe { bindings::debugfs_create_dir(name.as_char_ptr(), parent_dentry) };
        // INVARIANT: It was just made, and the parent is kept.
        Self {
            dentry,
            _parent: parent,
        }
    }

    /// Makes the file `name`, which goes with this directory.
    ///
    /// # Safety
    ///
    /// `data` outlives this entry.
    pub(super) unsafe fn create_file<T>(&self, name: &CStr, data: &T, ops: FileOps<T>) {
        // SAFETY: By the function's requirement. The file goes with the directory.
        unsafe { self.file_dentry(name, data, &ops) };
    }

    /// Makes the file `name` in `parent`.
    ///
    /// # Safety
    ///
    /// `data` outlives the entry that is returned.
    pub(super) unsafe fn file<T>(
        name: &CStr,
        parent: Arc<Entry>,
        data: &T,
        ops: FileOps<T>,
    ) -> Self {
        // SAFETY: By the function's requirement.
        let dentry = unsafe { parent.file_dentry(name, data, &ops) };
        // INVARIANT: It was just made, and the parent is kept.
        Self {
            dentry,
            _parent: Some(parent),
        }
    }

    /// # Safety
    ///
    /// `data` outlives the file.
    unsafe fn file_dentry<T>(
        &self,
        name: &CStr,
        data: &T,
        ops: &FileOps<T>,
    ) -> *mut bindings::dentry {
        // SAFETY: The dentry is as the type invariants say, and debugfs takes it. The ops
        // are static, want a `T`, and are called until the file is removed at the latest;
        // `data` lives that long by the function's requirement.
        unsafe {
            bindings::debugfs_create_file_full(
                name.as_char_ptr(),
                ops.mode(),
                self.dentry,
                ptr::from_ref(data).cast_mut().cast(),
                ptr::null(),
                ops.as_ptr(),
            )
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // SAFETY: By the type invariants; debugfs ignores an error pointer.
        unsafe { bindings::debugfs_remove(self.dentry) };
    }
}
