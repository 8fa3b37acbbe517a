// SPDX-License-Identifier: GPL-2.0

//! Implements debugfs files with an owner, for kernels whose [`kernel::debugfs`] makes files
//! without an owner.
//!
//! The names are those of [`kernel::debugfs`].

mod entry;
mod file_ops;

use core::{
    marker::{PhantomData, PhantomPinned},
    ops::Deref,
};
use entry::Entry;
use file_ops::FileOps;
use kernel::{fmt, prelude::*, sync::Arc, uaccess::UserSliceReader};

/// A directory; [`None`] if there was no memory for it. Then nothing can be made in it.
#[derive(Clone)]
pub(super) struct Dir(Option<Arc<Entry>>);

impl Dir {
    /// Makes a directory in the root of debugfs.
    pub(super) fn new(name: &CStr) -> Self {
        Self(Arc::new(Entry::dir(name, None), GFP_KERNEL).ok())
    }

    /// Makes the directory `name` in this one.
    pub(super) fn subdir(&self, name: &CStr) -> Self {
        Self(self.0.as_ref().and_then(|parent| {
            let entry = Entry::dir(name, Some(parent.clone()));
            Arc::new(entry, GFP_KERNEL).ok()
        }))
    }

    /// Creates an initialiser for a directory with files over `data`, which `init` makes.
    pub(super) fn scope<'a, T: 'a, E: 'a, F>(
        &'a self,
        data: impl PinInit<T, E> + 'a,
        name: &'a CStr,
        init: F,
    ) -> impl PinInit<Scope<T>, E> + 'a
    where
        F: for<'data, 'dir> FnOnce(&'data T, &'dir ScopedDir<'data, 'dir>) + 'a,
    {
        self.fill(data, move |parent, data| {
            let entry = Entry::dir(name, Some(parent));
            init(data, &ScopedDir::new(&entry));
            entry
        })
    }

    /// Creates an initialiser for a read-only file over `data`, which `f` writes.
    pub(super) fn read_callback_file<'a, T, E: 'a, F>(
        &'a self,
        name: &'a CStr,
        data: impl PinInit<T, E> + 'a,
        f: &'static F,
    ) -> impl PinInit<File<T>, E> + 'a
    where
        T: Send + Sync + 'static,
        F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + Send + Sync,
    {
        self.file(name, data, FileOps::read_only(f))
    }

    /// Creates an initialiser for a write-only file over `data`; `w` handles each write.
    pub(super) fn write_callback_file<'a, T, E: 'a, W>(
        &'a self,
        name: &'a CStr,
        data: impl PinInit<T, E> + 'a,
        w: &'static W,
    ) -> impl PinInit<File<T>, E> + 'a
    where
        T: Send + Sync + 'static,
        W: Fn(&T, &mut UserSliceReader) -> Result + Send + Sync,
    {
        self.file(name, data, FileOps::write_only(w))
    }

    fn file<'a, T: 'a, E: 'a>(
        &'a self,
        name: &'a CStr,
        data: impl PinInit<T, E> + 'a,
        ops: FileOps<T>,
    ) -> impl PinInit<File<T>, E> + 'a {
        try_pin_init!(File {
            // SAFETY: The entry is dropped before the data.
            scope <- self.fill(data, move |parent, data| unsafe {
                Entry::file(name, parent, data, ops)
            }),
        } ? E)
    }

    /// Creates an initialiser for `data` and an entry that is made over it.
    fn fill<'a, T: 'a, E: 'a>(
        &'a self,
        data: impl PinInit<T, E> + 'a,
        entry: impl FnOnce(Arc<Entry>, &T) -> Entry + 'a,
    ) -> impl PinInit<Scope<T>, E> + 'a {
        try_pin_init!(Scope {
            entry: None,
            data <- data,
            _pin: PhantomPinned,
        } ? E)
        .pin_chain(move |scope| {
            let scope = scope.project();
            // INVARIANT: The entry's files refer only to `data` and to statics.
            *scope.entry = self.0.clone().map(|parent| entry(parent, &scope.data));
            Ok(())
        })
    }
}

/// A directory with files, and the data of the files.
///
/// Dropping it removes the files first, which waits for readers and writers.
///
/// # Invariants
///
/// The files refer to nothing that is dropped before `entry`.
#[pin_data]
pub(super) struct Scope<T> {
    // Dropped in this order.
    entry: Option<Entry>,
    #[pin]
    data: T,
    // Must not move: the files have the address of the data.
    #[pin]
    _pin: PhantomPinned,
}

impl<T> Deref for Scope<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

/// A file and its data.
#[pin_data]
pub(super) struct File<T> {
    #[pin]
    scope: Scope<T>,
}

impl<T> Deref for File<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.scope
    }
}

/// A directory that is being filled with files over data that lives for `'data`.
pub(super) struct ScopedDir<'data, 'dir> {
    entry: &'dir Entry,
    // Invariant in `'data`: the lifetime can be neither shortened nor extended.
    _data: PhantomData<fn(&'data ()) -> &'data ()>,
}

impl<'data, 'dir> ScopedDir<'data, 'dir> {
    fn new(entry: &'dir Entry) -> Self {
        Self {
            entry,
            _data: PhantomData,
        }
    }

    /// Makes a read-only file whose text `f` writes.
    pub(super) fn read_callback_file<T, F>(&self, name: &CStr, data: &'data T, f: &'static F)
    where
        T: Send + Sync + 'static,
        F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + Send + Sync,
    {
        self.create(name, data, FileOps::read_only(f));
    }

    /// Makes a file that is read through `f` and written through `w`.
    pub(super) fn read_write_callback_file<T, F, W>(
        &self,
        name: &CStr,
        data: &'data T,
        f: &'static F,
        w: &'static W,
    ) where
        T: Send + Sync + 'static,
        F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + Send + Sync,
        W: Fn(&T, &mut UserSliceReader) -> Result + Send + Sync,
    {
        self.create(name, data, FileOps::read_write(f, w));
    }

    /// Makes a write-only file; `w` handles each write.
    pub(super) fn write_only_callback_file<T, W>(&self, name: &CStr, data: &'data T, w: &'static W)
    where
        T: Send + Sync + 'static,
        W: Fn(&T, &mut UserSliceReader) -> Result + Send + Sync,
    {
        self.create(name, data, FileOps::write_only(w));
    }

    fn create<T>(&self, name: &CStr, data: &'data T, ops: FileOps<T>) {
        // SAFETY: The closure that fills the directory must accept any lifetime `'data`. So `data`
        // is static or part of the scope's data, which outlives the scope's files.
        unsafe { self.entry.create_file(name, data, ops) }
    }
}
