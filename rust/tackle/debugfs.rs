// SPDX-License-Identifier: GPL-2.0

//! Files of the project's modules, under `/sys/kernel/debug/tackle`.
//!
//! C header: [`include/linux/debugfs.h`](srctree/include/linux/debugfs.h). Needs a kernel
//! with `CONFIG_DEBUG_FS`.
//!
//! The names and the shape are those of [`kernel::debugfs`], less what no module uses. The
//! difference is why this exists: a file that somebody has open keeps its module loaded
//! (`rmmod` then says that it is in use), as `.owner = THIS_MODULE` does in C. The kernel's
//! own crate leaves the owner out, so that closing a file after its module has gone reads
//! the module's freed memory (`full_proxy_release()` in `fs/debugfs/file.c`).

mod entry;
mod file_ops;
mod number;

pub use number::{read_bool, read_i64, read_u64};

use crate::library;
use core::{
    cell::Cell,
    marker::{PhantomData, PhantomPinned},
    ops::Deref,
};
use entry::Entry;
use file_ops::FileOps;
use kernel::{fmt, prelude::*, sync::Arc, uaccess::UserSliceReader};

kernel::sync::global_lock! {
    // SAFETY: `Library::new` initialises it, before which `library::ready` lets nobody take it.
    unsafe(uninit) static ROOT: Mutex<Option<Dir>> = None;
}

/// Initialises the lock of this file.
///
/// # Safety
///
/// To be called once, before [`library::ready`].
pub(crate) unsafe fn init() {
    // SAFETY: By the function's requirements.
    unsafe { ROOT.init() };
}

/// Returns the project's directory, `/sys/kernel/debug/tackle`.
///
/// # Errors
///
/// `ENODEV`: the library is not loaded, or is just being unloaded.
///
/// # Context
///
/// May sleep.
pub fn root() -> Result<Dir> {
    library::ready()?;
    ROOT.lock().clone().ok_or(ENODEV)
}

/// The project's directory, from when it is made until it is dropped.
pub(crate) struct Root(());

impl Root {
    /// Makes the directory.
    pub(crate) fn new() -> Result<Self> {
        let root = Self(());
        *ROOT.lock() = Some(Dir::new(c"tackle", None)?);
        Ok(root)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let root = ROOT.lock().take();
        // After the lock: removing waits for those who use the files.
        if let Some(Dir(entry)) = root {
            Entry::remove(entry);
        }
    }
}

/// A directory. It goes when the last handle to it and to what is in it is dropped, and with the
/// library at the latest.
///
/// As debugfs wants it, nothing but memory can fail here: where debugfs cannot make a
/// directory or a file, it is missing and the rest works.
#[derive(Clone)]
pub struct Dir(Arc<Entry>);

impl Dir {
    fn new(name: &CStr, parent: Option<&Dir>) -> Result<Self> {
        let entry = Entry::dir(name, parent.map(|dir| dir.0.clone()));
        Ok(Self(Arc::new(entry, GFP_KERNEL)?))
    }

    /// Makes the directory `name` in this one.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn subdir(&self, name: &CStr) -> Result<Dir> {
        Dir::new(name, Some(self))
    }

    /// Creates an initialiser for a directory `name` in this one, together with the data
    /// that its files show and change. `init` makes the files.
    ///
    /// # Errors
    ///
    /// Those of `data`.
    ///
    /// # Context
    ///
    /// The initialiser may sleep.
    pub fn scope<'a, T: 'static, E: 'a, F>(
        &'a self,
        data: impl PinInit<T, E> + 'a,
        name: &'a CStr,
        init: F,
    ) -> impl PinInit<Scope<T>, E> + 'a
    where
        F: for<'data> FnOnce(&'data T, &ScopedDir<'data>) + 'a,
    {
        self.fill(data, init, |parent| {
            Place::Own(Entry::dir(name, Some(parent)))
        })
    }

    /// As [`Dir::scope`], for files that are in this directory itself.
    pub fn files<'a, T: 'static, E: 'a, F>(
        &'a self,
        data: impl PinInit<T, E> + 'a,
        init: F,
    ) -> impl PinInit<Scope<T>, E> + 'a
    where
        F: for<'data> FnOnce(&'data T, &ScopedDir<'data>) + 'a,
    {
        self.fill(data, init, |parent| {
            Place::In(parent, Cell::new(KVec::new()))
        })
    }

    fn fill<'a, T: 'static, E: 'a, F>(
        &'a self,
        data: impl PinInit<T, E> + 'a,
        init: F,
        place: impl FnOnce(Arc<Entry>) -> Place + 'a,
    ) -> impl PinInit<Scope<T>, E> + 'a
    where
        F: for<'data> FnOnce(&'data T, &ScopedDir<'data>) + 'a,
    {
        try_pin_init!(Scope {
            files: None,
            data <- data,
            _pin: PhantomPinned,
        } ? E)
        .pin_chain(move |scope| {
            let scope = scope.project();
            let dir = ScopedDir {
                place: place(self.0.clone()),
                _data: PhantomData,
            };
            init(&scope.data, &dir);
            // INVARIANT: The files refer to `data`, or to what is static.
            *scope.files = Some(dir.place.filled());
            Ok(())
        })
    }
}

/// Where files are being made.
enum Place {
    /// In a directory of their own.
    Own(Entry),
    /// In one that has others, too.
    In(Arc<Entry>, Cell<KVec<Entry>>),
}

impl Place {
    fn filled(self) -> Files {
        match self {
            Self::Own(dir) => Files::Dir(dir),
            Self::In(_, files) => Files::Single(files.into_inner()),
        }
    }
}

/// What removes files when it is dropped.
enum Files {
    /// Those of a directory, with it.
    Dir(#[expect(dead_code, reason = "it is there to be dropped")] Entry),
    /// Each by itself.
    Single(#[expect(dead_code, reason = "they are there to be dropped")] KVec<Entry>),
}

/// Files and the data behind them, as long as it lives.
///
/// Dropping it removes the files first, which waits for readers and writers, and then
/// drops the data. It may sleep.
///
/// # Invariants
///
/// The files refer to nothing that is dropped before `files`.
#[pin_data]
pub struct Scope<T> {
    // Dropped in this order.
    files: Option<Files>,
    #[pin]
    data: T,
    // The files have its address.
    #[pin]
    _pin: PhantomPinned,
}

impl<T> Scope<T> {
    /// Returns the data, pinned.
    pub fn data(self: Pin<&Self>) -> Pin<&T> {
        // SAFETY: `data` is pinned with the scope.
        unsafe { self.map_unchecked(|scope| &scope.data) }
    }
}

impl<T> Deref for Scope<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

/// A directory that is being filled with files over data that lives for `'data`.
///
/// The callbacks `F` and `W` are function items or closures that capture nothing, which is
/// checked at build time. They run in the context of the system call, with no lock held,
/// and on several CPUs at once when several tasks use the file.
pub struct ScopedDir<'data> {
    place: Place,
    // Invariant: data that lives shorter will not do, nor will this pass for one.
    _data: PhantomData<fn(&'data ()) -> &'data ()>,
}

impl<'data> ScopedDir<'data> {
    /// Makes a read-only file whose text `f` writes.
    pub fn read_callback_file<T, F>(&self, name: &CStr, data: &'data T, f: &'static F)
    where
        T: Sync + 'static,
        F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + Sync,
    {
        self.create(name, data, FileOps::<T>::read_only(f));
    }

    /// Makes a file that is read through `f` and written through `w`.
    pub fn read_write_callback_file<T, F, W>(
        &self,
        name: &CStr,
        data: &'data T,
        f: &'static F,
        w: &'static W,
    ) where
        T: Sync + 'static,
        F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + Sync,
        W: Fn(&T, &mut UserSliceReader) -> Result + Sync,
    {
        self.create(name, data, FileOps::<T>::read_write(f, w));
    }

    /// Makes a write-only file; `w` takes each write.
    pub fn write_only_callback_file<T, W>(&self, name: &CStr, data: &'data T, w: &'static W)
    where
        T: Sync + 'static,
        W: Fn(&T, &mut UserSliceReader) -> Result + Sync,
    {
        self.create(name, data, FileOps::<T>::write_only(w));
    }

    fn create<T: Sync + 'static>(&self, name: &CStr, data: &'data T, ops: FileOps<T>) {
        // SAFETY: `'data` is any lifetime to the one who fills the directory, so `data` is
        // static or part of the scope's data, which outlives the scope's files.
        unsafe {
            match &self.place {
                Place::Own(dir) => dir.create_file(name, data, ops),
                Place::In(dir, files) => {
                    let file = Entry::file(name, dir.clone(), data, ops);
                    // Without memory the file is removed again.
                    let mut list = files.replace(KVec::new());
                    let _ = list.push(file, GFP_KERNEL);
                    files.set(list);
                }
            }
        }
    }
}
