// SPDX-License-Identifier: GPL-2.0

//! Implements a kernel thread that calls a function periodically.
//!
//! The kernel's own abstraction of work queues cannot cancel delayed work, so a module that uses it
//! could be unloaded while its work is queued.
//!
//! C header: [`include/linux/kthread.h`](srctree/include/linux/kthread.h)

use crate::{bindings, fault, leftover};
use core::ptr::NonNull;
use kernel::{
    bindings::task_struct,
    ffi::{c_int, c_void},
    prelude::*,
};

/// The function that the thread calls. It returns the delay of the next call in milliseconds.
type Function = KBox<dyn Fn() -> u32 + Send + Sync>;

/// A kernel thread that calls a function until this is dropped.
///
/// `drop` waits until the function has returned. If it is never dropped (`mem::forget`), the
/// library stops the thread when the module is unloaded.
///
/// # Invariants
///
/// `data` comes from a box of a [`Data`], whose thread runs.
pub struct Periodic {
    data: NonNull<Data>,
}

/// The data of the thread.
struct Data {
    function: Function,
    /// Null until the thread is made.
    thread: *mut task_struct,
}

// SAFETY: The thread may be stopped by any thread.
unsafe impl Send for Periodic {}
// SAFETY: A shared reference gives access to nothing.
unsafe impl Sync for Periodic {}

impl Periodic {
    /// Starts a thread with this name. The thread calls `function` at once. After each call it
    /// waits for the number of milliseconds that `function` has returned, and calls `function`
    /// again.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there is no memory for the thread.
    ///
    /// # Context
    ///
    /// May sleep.
    // Inlined, so that the owner is the module of the caller.
    #[inline(always)]
    pub fn new<F: Fn() -> u32 + Send + Sync + 'static>(name: &CStr, function: F) -> Result<Self> {
        let function: Function = KBox::new(function, GFP_KERNEL)?;
        let owner = &raw mut kernel::bindings::__this_module;
        // SAFETY: A generic function is compiled into the module that calls it, so `owner` is the
        // module of `function`.
        unsafe { Self::start(owner, name, function) }
    }

    /// Starts the thread for the module `owner`.
    ///
    /// # Safety
    ///
    /// `owner` is the module that contains the code of `function`.
    #[doc(hidden)]
    pub unsafe fn start(
        owner: *const kernel::bindings::module,
        name: &CStr,
        function: Function,
    ) -> Result<Self> {
        let thread = core::ptr::null_mut();
        let data = KBox::into_raw(KBox::new(Data { function, thread }, GFP_KERNEL)?);
        let free = || {
            // SAFETY: The pointer was made from a box just now, and no thread uses it.
            drop(unsafe { KBox::from_raw(data) });
        };
        // SAFETY: The thread runs from `leftover::registered` to `leftover::remove` in `drop`, so
        // `stop` may be called. `stop` frees the data, so `free` has nothing to free.
        if let Err(error) = unsafe { leftover::add(owner, data.cast(), stop, |_| ()) } {
            free();
            return Err(error);
        }
        let made = fault::KTHREAD_RUN.check().and_then(|()| {
            // SAFETY: `run` gets the data, which outlives the thread. The helper passes the name to
            // a format `%s`, which takes any C string.
            let thread =
                unsafe { bindings::kthread_run(Some(run), data.cast(), name.as_char_ptr()) };
            kernel::error::from_err_ptr(thread)
        });
        match made {
            Ok(thread) => {
                // SAFETY: The thread does not read this field.
                unsafe { (&raw mut (*data).thread).write(thread) };
                leftover::registered(data.cast());
                // INVARIANT: The thread of `data` runs.
                Ok(Self {
                    data: NonNull::new(data).ok_or(ENOMEM)?,
                })
            }
            Err(error) => {
                leftover::remove(data.cast());
                free();
                Err(error)
            }
        }
    }
}

impl Drop for Periodic {
    fn drop(&mut self) {
        let data = self.data.as_ptr().cast();
        leftover::remove(data);
        // SAFETY: By the type invariants. `data` was removed from the list, so no other code has
        // the pointer.
        unsafe { stop(data) };
    }
}

/// Stops a thread and frees its data.
///
/// # Safety
///
/// `data` comes from a box of a [`Data`] whose thread runs. It is not used again.
unsafe fn stop(data: *mut c_void) {
    let data: *mut Data = data.cast();
    // SAFETY: By the function's requirements. The thread ends only when it is stopped, so its
    // `task_struct` is still there.
    unsafe {
        bindings::kthread_stop((&raw const (*data).thread).read());
        drop(KBox::from_raw(data));
    }
}

/// The function that the thread executes.
///
/// # Safety
///
/// `data` is a [`Data`] that is freed after the thread has ended.
unsafe extern "C" fn run(data: *mut c_void) -> c_int {
    let data: *const Data = data.cast();
    loop {
        // SAFETY: By the function's requirements. No code writes this field.
        let ms = unsafe { ((*data).function)() };
        // SAFETY: This is a kernel thread.
        if unsafe { bindings::kthread_wait(ms) } {
            return 0;
        }
    }
}
