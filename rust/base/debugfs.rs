// SPDX-License-Identifier: GPL-2.0

//! Implements the debugfs files and directories of modules, under `/sys/kernel/debug/tackle`.
//!
//! C header: [`include/linux/debugfs.h`](srctree/include/linux/debugfs.h). Needs a kernel
//! with `CONFIG_DEBUG_FS`.
//!
//! The interface is a subset of [`kernel::debugfs`], with the same names. An open file keeps its
//! module loaded (`rmmod` then reports that the module is in use), as `.owner = THIS_MODULE` does
//! in C. In Linux 7.3 `kernel::debugfs` does not set the owner. There, closing a file after its
//! module was unloaded reads the module's freed memory. So on such kernels `own` makes the files.
//! On kernels with the patch "rust: debugfs: let files keep their module loaded"
//! (`scripts/patches`) `kernel::debugfs` makes them. Kbuild finds out which kernel it is.
//!
//! Files and directories that a module never drops (`mem::forget`) are removed when the module is
//! unloaded.

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

        // SAFETY: `OWNER` is the address of the module that the constant is compiled into.
        const THIS_MODULE: ThisModule = unsafe { ThisModule::from_ptr(OWNER) };
    }

    pub(super) type Dir = kernel::debugfs::Dir<Local>;
    pub(super) type ScopedDir<'data, 'dir> = kernel::debugfs::ScopedDir<'data, 'dir, Local>;
}
#[cfg(not(tackle_kernel_debugfs))]
use own as layer;

/// The module that the constant is compiled into. In generic and inlined functions, this is the
/// module of the caller.
const OWNER: *mut bindings::module = &raw mut bindings::__this_module;

/// Returns the project's directory, `/sys/kernel/debug/tackle`.
///
/// # Errors
///
/// `ENODEV`: the library is not loaded, or is being unloaded.
///
/// # Context
///
/// May sleep.
pub fn root() -> Result<Dir> {
    library::ready()?;
    node::root()
}

/// A directory. It is removed when the last handle to it and to its content is dropped, at the
/// latest when the library is unloaded.
///
/// The methods return errors of the library's own list of directories and files, and of the data
/// of a file. Errors of debugfs are not returned, by its convention: if debugfs cannot make a
/// directory or a file, the method succeeds, that directory or file is missing, and the rest
/// works. For example, this happens if other code has made a file of this name in the same
/// directory.
#[derive(Clone)]
pub struct Dir {
    // Dropped in this order: the name becomes free after debugfs has removed it.
    dir: layer::Dir,
    node: Arc<Node>,
}

impl Dir {
    /// Makes the directory `name` in this one.
    ///
    /// # Errors
    ///
    /// - `EEXIST`: this directory has a directory or file of this name, which was made with this
    ///   API, or which another thread is making or removing.
    /// - `ENOENT`: the module that had made this directory was unloaded. The directory was removed
    ///   then, or remains only until what other modules have made in it is removed.
    /// - `ENAMETOOLONG`: the new directory would have more than 16 directories above it, of which
    ///   `tackle` is the first.
    /// - `ENOMEM`: there is no memory for the entry in the library's list.
    ///
    /// # Context
    ///
    /// May sleep.
    // Inlined, so that the owner is the module of the caller.
    #[inline(always)]
    pub fn subdir(&self, name: &CStr) -> Result<Dir> {
        self.subdir_of(OWNER, name)
    }

    /// Makes the directory `name` in this one. The module `owner` is to drop it.
    #[doc(hidden)]
    pub fn subdir_of(&self, owner: *const bindings::module, name: &CStr) -> Result<Dir> {
        let node = Node::new(owner, Some(self.node.clone()), name)?;
        let dir = self.dir.subdir(name);
        node.made();
        Ok(Dir { dir, node })
    }

    /// Creates an initialiser for a directory `name` in this one and for the data that its files
    /// show and change. `init` makes the files.
    ///
    /// # Errors
    ///
    /// The initialiser returns:
    ///
    /// - The errors of [`Dir::subdir`]. Then the data is not initialised.
    /// - The error of `data`, if the data cannot be initialised. Then no directory is made.
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

    /// Creates an initialiser for a read-only file and its data, which `f` writes as text. `f` must
    /// not make anything in this directory: removing the file locks the directory and waits for
    /// `f`.
    ///
    /// # Errors
    ///
    /// The initialiser returns:
    ///
    /// - The errors of [`Dir::subdir`], for a file in place of the new directory. Then the data is
    ///   not initialised.
    /// - The error of `data`, if the data cannot be initialised. Then no file is made.
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

    /// Creates an initialiser for a write-only file and its data. `w` handles each write. If the
    /// file can be removed at the same time, `w` must not make anything in this directory: removing
    /// the file locks the directory and waits for `w`. (A file that is removed only when its module
    /// is unloaded is not removed while `w` runs: the open file keeps the module loaded.)
    ///
    /// # Errors
    ///
    /// The initialiser returns:
    ///
    /// - The errors of [`Dir::subdir`], for a file in place of the new directory. Then the data is
    ///   not initialised.
    /// - The error of `data`, if the data cannot be initialised. Then no file is made.
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
/// checked at build time. They run in the context of the system call, with no lock held. They run
/// on several CPUs at once if several tasks use the file.
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
    /// - `EEXIST`: other code has made a directory of this name.
    /// - `ENOMEM`: there is no memory for the directory.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: The name is a C string, and the parent is the root of debugfs. The result is
        // null, or a reference to a dentry, which `dput` drops.
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
    /// No module uses the library any more. So a handle to the directory that still exists was
    /// forgotten (`mem::forget`), and is never dropped.
    fn drop(&mut self) {
        node::clear();
        // SAFETY: The name is a C string, and the directory's parent is the root of debugfs.
        unsafe { bindings::debugfs_lookup_and_remove(NAME.as_char_ptr(), ptr::null_mut()) };
    }
}

/// A directory with files, and the data of the files.
///
/// Dropping it removes the files first, which waits for readers and writers, and then
/// drops the data. It may sleep.
#[pin_data]
pub struct Scope<T> {
    // Dropped in this order: the name becomes free after debugfs has removed it.
    #[pin]
    scope: layer::Scope<T>,
    node: Arc<Node>,
}

impl<T> Scope<T> {
    /// Returns the data, pinned.
    pub fn data(self: Pin<&Self>) -> Pin<&T> {
        // SAFETY: The scope of the layer pins the data, and is pinned by this scope.
        unsafe { Pin::new_unchecked(&*self.get_ref().scope) }
    }
}

impl<T> Deref for Scope<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.scope
    }
}

/// A file and its data. It is dropped like a [`Scope`].
#[pin_data]
pub struct File<T> {
    // Dropped in this order: the name becomes free after debugfs has removed it.
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
