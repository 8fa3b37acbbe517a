// SPDX-License-Identifier: GPL-2.0

//! Implements the functions of `include/tackle/fault.h`, the fault attributes of C modules.

use super::{
    files::{self, Off},
    random, Attribute, State,
};
use crate::{
    bindings::tackle_fault_attr,
    debugfs::{self, Scope},
    leftover,
};
use core::{pin::Pin, slice, str, sync::atomic::Ordering};
use kernel::{
    error::to_result,
    ffi::{c_int, c_void},
    prelude::*,
};

/// The data of a C module's attribute while it is registered.
///
/// # Invariants
///
/// `attribute` and `_points` refer only to later fields of this struct, and to names that are valid
/// until this is dropped.
struct InC {
    // Dropped in this order.
    _files: Option<Pin<KBox<Scope<()>>>>,
    _off: Off,
    attribute: KBox<Attribute>,
    _points: KVec<&'static State>,
    _states: KVec<State>,
}

/// Extends the lifetime of a reference to the content of a box or a vector of an [`InC`].
///
/// # Safety
///
/// The returned reference is not used after the `InC` was dropped.
unsafe fn extend<T: ?Sized>(value: &T) -> &'static T {
    // SAFETY: By the function's requirements.
    unsafe { &*core::ptr::from_ref(value) }
}

/// See `include/tackle/fault.h`.
///
/// # Safety
///
/// `attr` is an attribute as described there.
#[no_mangle]
unsafe extern "C" fn tackle_fault_register(attr: *mut tackle_fault_attr) -> c_int {
    // SAFETY: By the function's requirements.
    match unsafe { register(attr) } {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}

/// # Safety
///
/// As for [`tackle_fault_register`].
unsafe fn register(attr: *mut tackle_fault_attr) -> Result {
    // SAFETY: By the function's requirements.
    let fields = unsafe { &*attr };
    if fields.owner.is_null() {
        return Err(EINVAL);
    }
    if !fields.attribute.is_null() {
        return Err(EBUSY);
    }
    let mut states = KVec::with_capacity(fields.count, GFP_KERNEL)?;
    // SAFETY: By the function's requirements `points` has `count` elements.
    for point in unsafe { slice::from_raw_parts(fields.points, fields.count) } {
        // SAFETY: By the function's requirements the name is a C string, which stays valid while
        // the attribute is registered.
        let name: &'static CStr = unsafe { CStr::from_char_ptr(point.name) };
        let name = str::from_utf8(name.to_bytes()).map_err(|_| EINVAL)?;
        let error = to_result(point.error).err().ok_or(EINVAL)?;
        states.push_within_capacity(State::new(name, error))?;
    }
    let mut points = KVec::with_capacity(fields.count, GFP_KERNEL)?;
    for state in &states {
        // SAFETY: `InC` keeps the vector as long as the reference is used. The vector does not grow
        // any more, so its memory does not move.
        points.push_within_capacity(unsafe { extend(state) })?;
    }
    // SAFETY: By the function's requirements the name is a C string. `InC` keeps the vector
    // `points`, which does not grow any more.
    let (name, list) = unsafe { (CStr::from_char_ptr(fields.name), extend(points.as_slice())) };
    let attribute = KBox::new(Attribute::new(name, list), GFP_KERNEL)?;
    // SAFETY: By the function's requirements.
    let key = unsafe { (&raw mut (*attr).key).cast() };
    attribute.key_in_c.store(key, Ordering::Relaxed);
    // SAFETY: `InC` keeps the box as long as the reference is used.
    let forever = unsafe { extend(&*attribute) };
    let mut this = KBox::new(
        InC {
            _files: None,
            _off: Off(forever),
            attribute,
            _points: points,
            _states: states,
        },
        GFP_KERNEL,
    )?;
    random::seed();
    let root = debugfs::root()?;
    let dir = root.scope((), name, |(), dir| files::fill(forever, dir));
    this._files = Some(KBox::pin_init(dir, GFP_KERNEL)?);
    // SAFETY: `tackle_fault_unregister` removes the attribute from the list before it drops its
    // data. `withdraw` frees the data, so `free` has nothing to free.
    unsafe { leftover::add(fields.owner, attr.cast(), withdraw, |_| ()) }?;
    // SAFETY: By the function's requirements. No point is armed yet, so no other code reads the
    // field.
    unsafe { (*attr).attribute = KBox::into_raw(this).cast() };
    leftover::registered(attr.cast());
    Ok(())
}

/// Removes an attribute whose module is being unloaded.
///
/// # Safety
///
/// `attr` is a [`tackle_fault_attr`]. No code passes its points any more.
unsafe fn withdraw(attr: *mut c_void) {
    let attr = attr.cast::<tackle_fault_attr>();
    // SAFETY: By the function's requirements.
    let attribute = unsafe { core::mem::replace(&mut (*attr).attribute, core::ptr::null_mut()) };
    if !attribute.is_null() {
        // SAFETY: `register` has made the pointer from a box. The field was cleared, so it is not
        // used again.
        drop(unsafe { KBox::from_raw(attribute.cast::<InC>()) });
    }
}

/// See `include/tackle/fault.h`.
///
/// # Safety
///
/// `attr` is an attribute as described there, and no code passes its points any more.
#[no_mangle]
unsafe extern "C" fn tackle_fault_unregister(attr: *mut tackle_fault_attr) {
    // First: afterwards no other thread withdraws the attribute.
    leftover::remove(attr.cast());
    // SAFETY: By the function's requirements.
    unsafe { withdraw(attr.cast()) };
}

/// See `include/tackle/fault.h`.
///
/// # Safety
///
/// `attr` is registered.
#[no_mangle]
unsafe extern "C" fn tackle_fault_decide(attr: *const tackle_fault_attr, point: usize) -> c_int {
    // SAFETY: By the function's requirements.
    let attribute = unsafe { (*attr).attribute.cast::<InC>().as_ref() };
    let Some(InC { attribute, .. }) = attribute else {
        return 0;
    };
    match attribute
        .points
        .get(point)
        .map(|point| attribute.decide(point))
    {
        Some(Err(error)) => error.to_errno(),
        _ => 0,
    }
}
