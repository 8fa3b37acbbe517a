// SPDX-License-Identifier: GPL-2.0

//! Implements the owner of a debugfs dentry, which is a directory or a file.

use super::file_ops::FileOps;
use core::ptr;
use kernel::{bindings, prelude::*, sync::Arc};

/// A directory or a file. When it is dropped, it is removed, a directory with everything in it.
///
/// # Invariants
///
/// `dentry` is the pointer that debugfs returned when it made the directory or file, which can be
/// an error pointer. Nothing else removes it: `parent` outlives it.
pub(super) struct Entry {
    dentry: *mut bindings::dentry,
    _parent: Option<Arc<Entry>>,
}

// SAFETY: debugfs' functions may be called from any thread.
unsafe impl Send for Entry {}
// SAFETY: debugfs' functions may be called from many threads at once.
unsafe impl Sync for Entry {}

impl Entry {
    /// Makes the directory `name` in `parent`, or in the root of debugfs.
    pub(super) fn dir(name: &CStr, parent: Option<Arc<Entry>>) -> Self {
        let parent_dentry = parent.as_ref().map_or(ptr::null_mut(), |p| p.dentry);
        // SAFETY: By the type invariants the parent's dentry comes from debugfs, which takes it as
        // a parent, even if it is an error pointer. debugfs copies the name.
        let dentry = unsafe { bindings::debugfs_create_dir(name.as_char_ptr(), parent_dentry) };
        // INVARIANT: The dentry was made just now, and `parent` is kept.
        Self {
            dentry,
            _parent: parent,
        }
    }

    /// Makes the file `name` in this directory. It is removed with the directory.
    ///
    /// # Safety
    ///
    /// `data` outlives this entry.
    pub(super) unsafe fn create_file<T>(&self, name: &CStr, data: &T, ops: FileOps<T>) {
        // SAFETY: By the function's requirement `data` outlives this directory, and the file is
        // removed with the directory.
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
        // INVARIANT: The dentry was made just now, and `parent` is kept.
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
        // SAFETY: By the type invariants the dentry comes from debugfs, which takes it as a parent.
        // The ops are static and expect a `T`. debugfs calls them only until the file is removed,
        // and `data` lives that long by the function's requirement.
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
