// SPDX-License-Identifier: GPL-2.0

//! Files of the project's modules, under `/sys/kernel/debug/tackle`.
//!
//! C header: [`include/linux/debugfs.h`](srctree/include/linux/debugfs.h). Needs a kernel
//! with `CONFIG_DEBUG_FS`.
//!
//! The names and the shape are those of [`kernel::debugfs`], less what no module uses. A file
//! that somebody has open keeps its module loaded (`rmmod` then says that it is in use), as
//! `.owner = THIS_MODULE` does in C. Of Linux 7.3, `kernel::debugfs` leaves the owner out, so
//! that closing a file after its module has gone reads the module's freed memory. Therefore
//! `own` makes the files there. A kernel with the patch "rust: debugfs: let files keep their
//! module loaded" (`scripts/patches`) makes them itself; Kbuild finds out.
//!
//! What a module never drops (`mem::forget`) is removed when the module is unloaded.

mod line;
mod node;
mod number;
#[cfg(not(tackle_kernel_debugfs))]
mod own;

pub use line::{line_text, read_line, LastError, LineError};
pub(crate) use node::{init, sweep};
pub use number::{read_bool, read_i64, read_u64};

use crate::library;
use core::{ops::Deref, ptr};
use kernel::{bindings, fmt, prelude::*, sync::Arc, uaccess::UserSliceReader};
use node::Node;

/// The kernel's own files.
#[cfg(tackle_kernel_debugfs)]
mod layer {
    use super::OWNER;
    pub(super) use kernel::debugfs::{File, Scope};
    use kernel::{module::ModuleMetadata, prelude::*, ThisModule};

    /// The module that this code is compiled into.
    pub(super) enum Local {}

    impl ModuleMetadata for Local {
        const NAME: &'static CStr = c"tackle";

        // SAFETY: It is that of the module that the constant is compiled into.
        const THIS_MODULE: ThisModule = unsafe { ThisModule::from_ptr(OWNER) };
    }

    pub(super) type Dir = kernel::debugfs::Dir<Local>;
    pub(super) type ScopedDir<'data, 'dir> = kernel::debugfs::ScopedDir<'data, 'dir, Local>;
}
#[cfg(not(tackle_kernel_debugfs))]
use own as layer;

/// The module that the constant is compiled into: in generic and inlined functions, that of the
/// caller.
const OWNER: *mut bindings::module = &raw mut bindings::__this_module;

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
    node::root()
}

/// A directory. It goes when the last handle to it and to what is in it is dropped, and with the
/// library at the latest.
///
/// As debugfs wants it, nothing but memory and names can fail here: where debugfs cannot make
/// a directory or a file, it is missing and the rest works.
#[derive(Clone)]
pub struct Dir {
    // Dropped in this order: when the name is free, debugfs has it no more.
    dir: layer::Dir,
    node: Arc<Node>,
}

impl Dir {
    /// Makes the directory `name` in this one.
    ///
    /// # Errors
    ///
    /// - `EEXIST`: there is something of this name.
    /// - `ENOENT`: this directory was removed with the module that had made it.
    /// - `ENAMETOOLONG`: it is more than 16 directories deep.
    /// - `ENOMEM`.
    ///
    /// # Context
    ///
    /// May sleep.
    // Inlined for the owner.
    #[inline(always)]
    pub fn subdir(&self, name: &CStr) -> Result<Dir> {
        self.subdir_of(OWNER, name)
    }

    /// Makes a directory that `owner` will drop.
    #[doc(hidden)]
    pub fn subdir_of(&self, owner: *const bindings::module, name: &CStr) -> Result<Dir> {
        let node = Node::new(owner, Some(self.node.clone()), name)?;
        let dir = self.dir.subdir(name);
        node.made();
        Ok(Dir { dir, node })
    }

    /// Creates an initialiser for a directory `name` in this one, together with the data
    /// that its files show and change. `init` makes the files.
    ///
    /// # Errors
    ///
    /// - Those of [`Dir::subdir`].
    /// - Those of `data`.
    ///
    /// # Context
    ///
    /// The initialiser may sleep.
    pub fn scope<'a, T: 'a, E: 'a, F>(
        &'a self,
        data: impl PinInit<T, E> + 'a,
        name: &'a CStr,
        init: F,
    ) -> impl PinInit<Scope<T>, Error> + 'a
    where
        Error: From<E>,
        F: for<'data, 'dir> FnOnce(&'data T, &ScopedDir<'data, 'dir>) + 'a,
    {
        try_pin_init!(Scope {
            node: Node::new(OWNER, Some(self.node.clone()), name)?,
            scope <- self.dir.scope(data, name, |data, dir| init(data, &ScopedDir(dir))),
        })
        .pin_chain(|this| {
            this.node.made();
            Ok(())
        })
    }

    /// Creates an initialiser for a read-only file, together with the data that `f` writes as
    /// text. `f` makes nothing in this directory: removing the file waits for it, with the
    /// directory locked.
    ///
    /// # Errors
    ///
    /// Those of [`Dir::scope`].
    ///
    /// # Context
    ///
    /// The initialiser may sleep.
    pub fn read_callback_file<'a, T, E: 'a, F>(
        &'a self,
        name: &'a CStr,
        data: impl PinInit<T, E> + 'a,
        f: &'static F,
    ) -> impl PinInit<File<T>, Error> + 'a
    where
        Error: From<E>,
        T: Send + Sync + 'static,
        F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + Send + Sync,
    {
        try_pin_init!(File {
            node: Node::new(OWNER, Some(self.node.clone()), name)?,
            file <- self.dir.read_callback_file(name, data, f),
        })
        .pin_chain(|this| {
            this.node.made();
            Ok(())
        })
    }

    /// Creates an initialiser for a write-only file, together with its data. `w` takes each write.
    /// While the file may be removed, it makes nothing in this directory: removing the file waits
    /// for it, with the directory locked. (It may in a module that is being used: an open file
    /// keeps that loaded.)
    ///
    /// # Errors
    ///
    /// Those of [`Dir::scope`].
    ///
    /// # Context
    ///
    /// The initialiser may sleep.
    pub fn write_callback_file<'a, T, E: 'a, W>(
        &'a self,
        name: &'a CStr,
        data: impl PinInit<T, E> + 'a,
        w: &'static W,
    ) -> impl PinInit<File<T>, Error> + 'a
    where
        Error: From<E>,
        T: Send + Sync + 'static,
        W: Fn(&T, &mut UserSliceReader) -> Result + Send + Sync,
    {
        try_pin_init!(File {
            node: Node::new(OWNER, Some(self.node.clone()), name)?,
            file <- self.dir.write_callback_file(name, data, w),
        })
        .pin_chain(|this| {
            this.node.made();
            Ok(())
        })
    }
}

/// A directory that is being filled with files over data that lives for `'data`.
///
/// The callbacks `F` and `W` are function items or closures that capture nothing, which is
/// checked at build time. They run in the context of the system call, with no lock held,
/// and on several CPUs at once when several tasks use the file.
pub struct ScopedDir<'data, 'dir>(&'dir layer::ScopedDir<'data, 'dir>);

impl<'data> ScopedDir<'data, '_> {
    /// Makes a read-only file whose text `f` writes.
    pub fn read_callback_file<T, F>(&self, name: &CStr, data: &'data T, f: &'static F)
    where
        T: Send + Sync + 'static,
        F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + Send + Sync,
    {
        self.0.read_callback_file(name, data, f);
    }

    /// Makes a file that is read through `f` and written through `w`.
    pub fn read_write_callback_file<T, F, W>(
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
        self.0.read_write_callback_file(name, data, f, w);
    }

    /// Makes a write-only file; `w` takes each write.
    pub fn write_only_callback_file<T, W>(&self, name: &CStr, data: &'data T, w: &'static W)
    where
        T: Send + Sync + 'static,
        W: Fn(&T, &mut UserSliceReader) -> Result + Send + Sync,
    {
        self.0.write_only_callback_file(name, data, w);
    }
}

/// The project's directory, from when it is made until it is dropped.
pub(crate) struct Root(());

impl Root {
    /// Makes the directory.
    ///
    /// # Errors
    ///
    /// - `EEXIST`: somebody else has made it.
    /// - `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: The name is a string, and the parent is the root of debugfs. What is found is
        // a reference, or null.
        let is_there = unsafe {
            let dentry = bindings::debugfs_lookup(NAME.as_char_ptr(), ptr::null_mut());
            bindings::dput(dentry);
            !dentry.is_null()
        };
        if is_there {
            pr_err!("somebody else has made {NAME} in debugfs\n");
            return Err(EEXIST);
        }
        let root = Self(());
        let node = Node::new(ptr::null(), None, NAME)?;
        let dir = layer::Dir::new(NAME);
        node.made();
        node::set_root(Dir { dir, node });
        Ok(root)
    }
}

/// The directory's name.
const NAME: &CStr = c"tackle";

impl Drop for Root {
    /// No module uses the library any more: those that have a handle to the directory have
    /// forgotten that (`mem::forget`), and do not drop it.
    fn drop(&mut self) {
        node::clear();
        // SAFETY: The name is a string, and the directory's parent is the root of debugfs.
        unsafe { bindings::debugfs_lookup_and_remove(NAME.as_char_ptr(), ptr::null_mut()) };
    }
}

/// Files and the data behind them.
///
/// Dropping it removes the files first, which waits for readers and writers, and then
/// drops the data. It may sleep.
#[pin_data]
pub struct Scope<T> {
    // Dropped in this order: when the name is free, debugfs has it no more.
    #[pin]
    scope: layer::Scope<T>,
    node: Arc<Node>,
}

impl<T> Scope<T> {
    /// Returns the data, pinned.
    pub fn data(self: Pin<&Self>) -> Pin<&T> {
        // SAFETY: The layer pins it with its scope, which is pinned with this one.
        unsafe { Pin::new_unchecked(&*self.get_ref().scope) }
    }
}

impl<T> Deref for Scope<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.scope
    }
}

/// A file and the data behind it. Dropped as a [`Scope`].
#[pin_data]
pub struct File<T> {
    // Dropped in this order: when the name is free, debugfs has it no more.
    #[pin]
    file: layer::File<T>,
    node: Arc<Node>,
}

impl<T> Deref for File<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.file
    }
}
