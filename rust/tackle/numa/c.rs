// SPDX-License-Identifier: GPL-2.0

//! Implements the observer functions of `include/tackle/numa.h` for C modules.

use super::{
    node, task, Counted, Event, Events, Exit, Fault, Hint, Migration, Observer, Placement,
    Registration, Scan, Skip, Wakeup, Window,
};
use crate::{
    bindings::{self, tackle_numa_observer},
    leftover,
};
use core::ptr;
use kernel::{
    bindings::task_struct,
    ffi::{c_int, c_ulong, c_void},
    prelude::*,
};

/// An observer in C.
///
/// # Invariants
///
/// The observer stays valid and in its place until its registration is dropped. Its callbacks may
/// be called at events.
struct CObserver(*mut tackle_numa_observer);

// SAFETY: By the header, the callbacks may be called on any CPU.
unsafe impl Send for CObserver {}
// SAFETY: By the header, the callbacks may be called on many CPUs at once.
unsafe impl Sync for CObserver {}

macro_rules! callbacks {
    ($($name:ident: $event:ident,)*) => {
        impl Observer for CObserver {
            $(
                #[inline]
                fn $name(&self, event: &$event<'_>) {
                    // SAFETY: By the type invariants. The event has the layout of its C struct.
                    unsafe {
                        if let Some(callback) = (*self.0).$name {
                            callback(self.0, ptr::from_ref(event).cast());
                        }
                    }
                }
            )*
        }

        /// Returns the events for which `observer` has callbacks.
        fn events(observer: &tackle_numa_observer) -> Events {
            let mut events = Events::NONE;
            $(
                if observer.$name.is_some() {
                    events = events | Events::of(Event::$event);
                }
            )*
            events
        }
    };
}

callbacks! {
    hint: Hint,
    fault: Fault,
    counted: Counted,
    window: Window,
    scan: Scan,
    skip: Skip,
    migration: Migration,
    placement: Placement,
    exit: Exit,
    wakeup: Wakeup,
}

/// See `include/tackle/numa.h`.
///
/// # Safety
///
/// `observer` is an observer as described there.
#[no_mangle]
unsafe extern "C" fn tackle_numa_register(observer: *mut tackle_numa_observer) -> c_int {
    // SAFETY: By the function's requirements.
    match unsafe { register(observer) } {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}

/// # Safety
///
/// As for [`tackle_numa_register`].
unsafe fn register(observer: *mut tackle_numa_observer) -> Result {
    // SAFETY: By the function's requirements.
    let fields = unsafe { &*observer };
    let (owner, events) = (fields.owner, events(fields));
    if fields.size != size_of::<tackle_numa_observer>() || owner.is_null() || events.is_empty() {
        return Err(EINVAL);
    }
    if !fields.registration.is_null() {
        return Err(EBUSY);
    }
    // INVARIANT: By the function's requirements.
    let registration = Registration::new(CObserver(observer), events)?;
    let registration = KBox::into_raw(KBox::new(registration, GFP_KERNEL)?).cast::<c_void>();
    // SAFETY: `tackle_numa_unregister` removes the registration from the list before it drops it.
    // `remove` drops the registration and frees it, so `free` has nothing to free.
    let added = unsafe { leftover::add(owner.cast(), registration, remove, |_| ()) };
    if let Err(error) = added {
        // SAFETY: The registration was made above, and no other code has the pointer.
        unsafe { remove(registration) };
        return Err(error);
    }
    // SAFETY: By the function's requirements.
    unsafe { (*observer).registration = registration };
    leftover::registered(registration);
    Ok(())
}

/// Drops a registration.
///
/// # Safety
///
/// `registration` was made by [`register`], and is not used again.
unsafe fn remove(registration: *mut c_void) {
    // SAFETY: By the function's requirements.
    drop(unsafe { KBox::<Registration<CObserver>>::from_raw(registration.cast()) });
}

/// See `include/tackle/numa.h`. Does nothing if `observer` is not registered: then its field
/// `registration` is null.
///
/// # Safety
///
/// `observer` is an observer as described there.
#[no_mangle]
unsafe extern "C" fn tackle_numa_unregister(observer: *mut tackle_numa_observer) {
    // SAFETY: By the function's requirements.
    let registration = unsafe { (*observer).registration };
    if registration.is_null() {
        return;
    }
    // First: once the registration is freed, another registration can have its address.
    leftover::remove(registration);
    // SAFETY: The registration was made by `register`. It is not used again, since the observer's
    // pointer to it is cleared.
    unsafe {
        (*observer).registration = ptr::null_mut();
        remove(registration);
    }
}

/// See `include/tackle/numa.h`.
///
/// # Safety
///
/// `task` is valid.
#[no_mangle]
unsafe extern "C" fn tackle_numa_group_id(task: *mut task_struct) -> c_int {
    // SAFETY: By the function's requirements.
    unsafe { task::group_id(task) }
}

/// See `include/tackle/numa.h`.
///
/// # Safety
///
/// `task` is valid, and an RCU read section has begun.
#[no_mangle]
unsafe extern "C" fn tackle_numa_cgroup_id(task: *mut task_struct) -> u64 {
    // SAFETY: By the function's requirements.
    unsafe { bindings::task_cgroup_id(task) }
}

/// See `include/tackle/numa.h`.
#[no_mangle]
extern "C" fn tackle_numa_free_pages(node: c_int) -> c_ulong {
    let node = usize::try_from(node).unwrap_or(usize::MAX);
    // CAST: On 64 bits, `c_ulong` is as wide as `u64`.
    node::free_pages(node) as c_ulong
}
