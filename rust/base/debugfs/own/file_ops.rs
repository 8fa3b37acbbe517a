// SPDX-License-Identifier: GPL-2.0

//! Implements the `file_operations` of a file, which call the file's Rust callbacks.

use crate::debugfs::OWNER;
use core::{marker::PhantomData, ptr::NonNull};
use kernel::{
    bindings,
    ffi::{c_char, c_int, c_void},
    fmt,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    uaccess::{UserPtr, UserSlice, UserSliceReader},
};

/// How a file over a `T` is opened, read and written.
///
/// # Invariants
///
/// `ops` may be used for a file whose inode's private pointer is a `&T` that is valid whenever
/// debugfs calls one of the operations other than `release`. A value of each callback type exists
/// for ever.
pub(super) struct FileOps<T> {
    ops: &'static bindings::file_operations,
    mode: bindings::umode_t,
    _data: PhantomData<fn(&T)>,
}

impl<T: Sync + 'static> FileOps<T> {
    pub(super) fn read_only<F>(_f: &'static F) -> Self
    where
        F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + Sync,
    {
        // INVARIANT: `open` and `show` expect a `T`. `_f` lives for ever.
        Self::new(&Adapter::<T, F, ()>::READ, 0o400)
    }

    pub(super) fn read_write<F, W>(_f: &'static F, _w: &'static W) -> Self
    where
        F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + Sync,
        W: Fn(&T, &mut UserSliceReader) -> Result + Sync,
    {
        // INVARIANT: `open`, `show` and `write` expect a `T`. `_f` and `_w` live for ever.
        Self::new(&Adapter::<T, F, W>::READ_WRITE, 0o600)
    }

    pub(super) fn write_only<W>(_w: &'static W) -> Self
    where
        W: Fn(&T, &mut UserSliceReader) -> Result + Sync,
    {
        // INVARIANT: `open` and `write` expect a `T`. `_w` lives for ever.
        Self::new(&Adapter::<T, (), W>::WRITE, 0o200)
    }

    fn new(ops: &'static bindings::file_operations, mode: bindings::umode_t) -> Self {
        Self {
            ops,
            mode,
            _data: PhantomData,
        }
    }
}

impl<T> FileOps<T> {
    pub(super) fn mode(&self) -> bindings::umode_t {
        self.mode
    }

    pub(super) fn as_ptr(&self) -> *const bindings::file_operations {
        self.ops
    }
}

/// The operations that all files have. The owner is the module that this constant is compiled into,
/// so that the module stays loaded, and the operations with it, as long as a file is open.
const BASE: bindings::file_operations = bindings::file_operations {
    owner: OWNER,
    release: Some(bindings::single_release),
    ..pin_init::zeroed()
};

/// The operations of a file over a `T` that is read by an `F` and written by a `W`.
struct Adapter<T, F, W>(PhantomData<(T, F, W)>);

impl<T, F> Adapter<T, F, ()>
where
    T: Sync + 'static,
    F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + 'static,
{
    const READ: bindings::file_operations = bindings::file_operations {
        open: Some(open::<T, F>),
        read: Some(bindings::seq_read),
        llseek: Some(bindings::seq_lseek),
        ..BASE
    };
}

impl<T, F, W> Adapter<T, F, W>
where
    T: Sync + 'static,
    F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + 'static,
    W: Fn(&T, &mut UserSliceReader) -> Result + 'static,
{
    const READ_WRITE: bindings::file_operations = bindings::file_operations {
        write: Some(write::<T, W>),
        open: Some(open::<T, F>),
        read: Some(bindings::seq_read),
        llseek: Some(bindings::seq_lseek),
        ..BASE
    };
}

impl<T, W> Adapter<T, (), W>
where
    T: Sync + 'static,
    W: Fn(&T, &mut UserSliceReader) -> Result + 'static,
{
    const WRITE: bindings::file_operations = bindings::file_operations {
        open: Some(open_write_only),
        write: Some(write::<T, W>),
        llseek: Some(bindings::noop_llseek),
        ..BASE
    };
}

/// Opens a file that can be read.
///
/// # Safety
///
/// `inode` and `file` are those of a file that is being opened, made with [`FileOps<T>`].
unsafe extern "C" fn open<T, F>(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int
where
    T: Sync,
    F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + 'static,
{
    // SAFETY: By the function's requirements. `show` is called with the private pointer that is
    // passed here.
    unsafe { bindings::single_open(file, Some(show::<T, F>), (*inode).i_private) }
}

/// Opens a file that can only be written.
///
/// # Safety
///
/// As for [`open`].
unsafe extern "C" fn open_write_only(
    inode: *mut bindings::inode,
    file: *mut bindings::file,
) -> c_int {
    // SAFETY: By the function's requirements. The file has no `read`, and its `llseek` is
    // `noop_llseek`. So the missing `show` function is never called.
    unsafe { bindings::single_open(file, None, (*inode).i_private) }
}

/// Calls an `F`, which writes the text of the file.
///
/// # Safety
///
/// `seq` is a `seq_file` that is being read, whose private pointer is a valid `&T`; a value
/// of `F` lives for ever.
unsafe extern "C" fn show<T, F>(seq: *mut bindings::seq_file, _: *mut c_void) -> c_int
where
    T: Sync,
    F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + 'static,
{
    struct Text<'a, T, F>(&'a T, &'a F);

    impl<T, F> fmt::Display for Text<'_, T, F>
    where
        F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result,
    {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            (self.1)(self.0, f)
        }
    }

    // SAFETY: By the function's requirements.
    let (seq_file, data, f) = unsafe {
        let data = &*(*seq).private.cast::<T>();
        (SeqFile::from_raw(seq), data, the_only::<F>())
    };
    seq_print!(seq_file, "{}", Text(data, f));
    0
}

/// Calls a `W` with a write to the file.
///
/// # Safety
///
/// `file` was opened with [`open`] or [`open_write_only`], the private pointer of its inode
/// is a valid `&T`; a value of `W` lives for ever.
unsafe extern "C" fn write<T, W>(
    file: *mut bindings::file,
    buf: *const c_char,
    count: usize,
    _pos: *mut bindings::loff_t,
) -> isize
where
    T: Sync,
    W: Fn(&T, &mut UserSliceReader) -> Result + 'static,
{
    // SAFETY: By the function's requirements. Both open functions put the inode's private pointer
    // into a `seq_file`.
    let (data, w) = unsafe {
        let seq = (*file).private_data.cast::<bindings::seq_file>();
        (&*(*seq).private.cast::<T>(), the_only::<W>())
    };
    let mut reader =
        UserSlice::new(UserPtr::from_ptr(buf.cast_mut().cast::<c_void>()), count).reader();
    match w(data, &mut reader) {
        // Like debugfs' own files, report that all bytes were used.
        Ok(()) => count as isize,
        Err(error) => error.to_errno() as isize,
    }
}

/// Returns the value of a zero-sized type.
///
/// # Safety
///
/// A value of the type exists for ever.
unsafe fn the_only<F: 'static>() -> &'static F {
    const {
        assert!(
            size_of::<F>() == 0,
            "the callback of a file captures nothing"
        )
    };
    // SAFETY: A reference to a zero-sized type only has to be aligned. By the function's
    // requirements a value of the type exists.
    unsafe { NonNull::<F>::dangling().as_ref() }
}
