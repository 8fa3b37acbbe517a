// SPDX-License-Identifier: GPL-2.0

//! Implements shadow variables: data that a patch attaches to structures of the kernel.
//!
//! They are described in `Documentation/livepatch/shadow-vars.rst` of the kernel.
//!
//! # Soundness
//!
//! The livepatch core finds a variable by the address of a structure and an id. It does not know
//! the type of a variable. So these rules hold here:
//!
//! - An id belongs to one type. A [`Shadow`] is registered with its type while its module
//!   is loaded, and the registration of the same id with another type fails. When the last
//!   registration of an id ends, all variables of the id are freed.
//! - A value is reference-counted. The core's variable holds one reference, and [`Shadow::get`]
//!   returns another one ([`ShadowRef`]). So a value stays valid for its users when the variable is
//!   freed. The memory is freed after an RCU grace period, since another CPU may have found the
//!   variable without having counted its reference yet.
//! - A value is dropped outside of the core's lock, which is held with interrupts disabled.

use crate::{bindings, fault};
use core::{
    any::TypeId,
    marker::PhantomData,
    ptr::{self, NonNull},
};
use kernel::{
    alloc::Flags,
    ffi::{c_int, c_ulong, c_void},
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        rcu,
    },
};

mod node;
mod portable;
mod registry;

pub use node::ShadowRef;
pub use portable::Portable;
pub(crate) use registry::init;
pub(crate) use registry::sweep;
pub use registry::{AnyShadow, Shadows};

use crate::function::{Pointer, Value};
use node::{Header, Node};
use registry::Link;

/// The upper half of all ids of Rust patches. It keeps them apart from the ids of C patches, which
/// usually count from 1, or are letters.
const OURS: c_ulong = 0x7461_636b << 32;

/// The structure that a variable belongs to, by its address.
///
/// The patch must free the variable when the structure is freed. Otherwise the next structure at
/// the same address gets the variable. That is wrong, but not unsafe, since the address is never
/// dereferenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(usize);

impl<P: Value> From<Pointer<'_, P>> for Key {
    fn from(pointer: Pointer<'_, P>) -> Self {
        Self(pointer.address())
    }
}

impl<T> From<&T> for Key {
    fn from(reference: &T) -> Self {
        Self(ptr::from_ref(reference).addr())
    }
}

/// A kind of shadow variable: each structure can have one variable of the kind, with a value `T`.
///
/// It is in a static, which a patch lists in the `shadows` of its
/// [`livepatch!`](crate::livepatch).
///
/// The destructor is the `Drop` of `T`. It runs in the task that drops the last reference: the one
/// that frees the variable, or the one that drops the last [`ShadowRef`].
pub struct Shadow<T: 'static> {
    link: Link,
    _value: PhantomData<T>,
}

// SAFETY: Any thread can get references to a `T`, which is `Sync`, and may drop a `T`, which is
// `Send`.
unsafe impl<T: Send + Sync> Sync for Shadow<T> {}

impl<T: Send + Sync> Shadow<T> {
    /// Creates the kind `id`, for this module alone.
    ///
    /// Its variables are freed when the module is unloaded, at the latest.
    pub const fn new(id: u32) -> Self {
        Self::with(id, false)
    }

    /// Creates the kind `id`, which is shared by all patches that create it with the same `T`.
    ///
    /// So a cumulative patch takes over the variables of the patch that it replaces. They are
    /// freed when the last of these modules is unloaded.
    pub const fn shared(id: u32) -> Self
    where
        T: Portable,
    {
        Self::with(id, true)
    }

    const fn with(id: u32, shared: bool) -> Self {
        // CAST: The value is widened.
        let id = OURS | id as c_ulong;
        Self {
            // SAFETY: The variables of this id are nodes of `T`, which `drop_all::<T>` drops.
            link: unsafe { Link::new(id, shared, TypeId::of::<T>, drop_all::<T>) },
            _value: PhantomData,
        }
    }

    /// Returns the variable of a structure, if it has one: `klp_shadow_get()`.
    ///
    /// # Context
    ///
    /// Any but an NMI: the returned reference can become the last one, whose drop frees memory.
    pub fn get(&'static self, object: impl Into<Key>) -> Option<ShadowRef<T>> {
        let key = object.into();
        let _rcu = rcu::read_lock();
        // Within the RCU read-side section: a thread that closes the kind waits for its end.
        if !self.link.is_open() {
            return None;
        }
        // SAFETY: The function only compares the address and the id.
        let data = unsafe { bindings::klp_shadow_get(key.as_ptr(), self.link.id()) };
        let data = NonNull::new(data.cast::<*mut Header>())?;
        // SAFETY: The kind is open, so this is a variable of this library, whose data is a pointer
        // to a node of `T`. The variable and the node are freed only after an RCU grace period.
        unsafe { ShadowRef::get_unless_zero(data.read()) }
    }

    /// Creates the variable of a structure: `klp_shadow_alloc()`.
    ///
    /// # Errors
    ///
    /// - `EEXIST`: the structure has a variable of this kind.
    /// - `ENOENT`: the kind is not registered, or not any more.
    /// - `ENOMEM`: there is no memory for the variable.
    /// - The error of `init`.
    ///
    /// # Context
    ///
    /// Any in which an allocation with `flags` is allowed. `init` runs in the same context, even if
    /// the structure already has a variable.
    pub fn alloc<E>(
        &'static self,
        object: impl Into<Key>,
        init: impl PinInit<T, E>,
        flags: Flags,
    ) -> Result<ShadowRef<T>>
    where
        Error: From<E>,
    {
        if !self.link.is_open() {
            return Err(ENOENT);
        }
        fault::KLP_SHADOW_ALLOC.check()?;
        let node = Node::new(init, flags)?;
        // One reference is for the variable, the other for the caller.
        let variable = node.clone().into_raw();
        let mut making = Making {
            header: variable,
            open: &self.link,
            result: Err(ENOMEM),
        };
        // The core takes raw flags. Where flags other than GFP_KERNEL are allowed, GFP_ATOMIC is
        // allowed, too.
        let gfp = if flags == GFP_KERNEL {
            kernel::bindings::GFP_KERNEL
        } else {
            kernel::bindings::GFP_ATOMIC
        };
        // SAFETY: The core calls `construct` with memory for a pointer, and with `making`, which
        // outlives the call.
        let data = unsafe {
            bindings::klp_shadow_get_or_alloc(
                object.into().as_ptr(),
                self.link.id(),
                size_of::<*mut Header>(),
                gfp,
                Some(construct),
                (&raw mut making).cast(),
            )
        };
        match making.result {
            Ok(()) => return Ok(node),
            Err(ENOMEM) if !data.is_null() => making.result = Err(EEXIST),
            Err(_) => {}
        }
        // SAFETY: The variable was not created, so its reference belongs to this function again.
        drop(unsafe { ShadowRef::<T>::from_raw(variable) });
        making.result.map(|()| node)
    }

    /// Returns the variable of a structure. If the structure has none, creates it first:
    /// `klp_shadow_get_or_alloc()`.
    ///
    /// # Errors
    ///
    /// Those of [`alloc`](Self::alloc), except for `EEXIST`.
    ///
    /// # Context
    ///
    /// Any in which an allocation with `flags` is allowed.
    pub fn get_or_alloc<E, I: PinInit<T, E>>(
        &'static self,
        object: impl Into<Key>,
        init: impl Fn() -> I,
        flags: Flags,
    ) -> Result<ShadowRef<T>>
    where
        Error: From<E>,
    {
        let key = object.into();
        loop {
            if let Some(found) = self.get(key) {
                return Ok(found);
            }
            match self.alloc(key, init(), flags) {
                // Another thread has created the variable first. It may have been freed again by
                // now, so look it up again.
                Err(EEXIST) => {}
                result => return result,
            }
        }
    }

    /// Frees the variable of a structure, if it has one: `klp_shadow_free()`.
    ///
    /// # Context
    ///
    /// Any but an NMI, if the `Drop` of `T`, which this may run, allows the context.
    pub fn free(&'static self, object: impl Into<Key>) {
        let key = object.into();
        let gone = registry::take(&self.link, |id, destructor| {
            // SAFETY: The kind is open, so `destructor` gets only variables of this library.
            unsafe { bindings::klp_shadow_free(key.as_ptr(), id, destructor) };
        });
        // SAFETY: The kind was open, so these are nodes of `T`. Each has the reference of its
        // variable.
        unsafe { drop_all::<T>(gone) };
    }

    /// Frees the variables of all structures: `klp_shadow_free_all()`.
    ///
    /// # Context
    ///
    /// As for [`free`](Self::free). Interrupts are disabled while the core searches the variables.
    pub fn free_all(&'static self) {
        let gone = registry::take(&self.link, |id, destructor| {
            // SAFETY: As in `free`.
            unsafe { bindings::klp_shadow_free_all(id, destructor) };
        });
        // SAFETY: As in `free`.
        unsafe { drop_all::<T>(gone) };
    }
}

/// Drops the references of variables that were taken from the core.
///
/// # Safety
///
/// The list at `next` holds nodes of `T`, with a reference each.
unsafe fn drop_all<T>(mut next: *mut Header) {
    while let Some(header) = NonNull::new(next) {
        // SAFETY: By the function's requirements.
        unsafe {
            next = (*header.as_ptr()).next;
            drop(ShadowRef::<T>::from_raw(header.as_ptr()));
        }
    }
}

impl Key {
    /// Returns the address as a pointer for the core, which only compares it.
    fn as_ptr(self) -> *mut c_void {
        ptr::without_provenance_mut(self.0)
    }
}

/// The argument of [`construct`]: a variable that is being created.
struct Making<'a> {
    header: *mut Header,
    open: &'a Link,
    result: Result,
}

/// The constructor of a variable. The core calls it with its lock held.
///
/// # Safety
///
/// `data` points to memory for a pointer, `making` to a [`Making`].
unsafe extern "C" fn construct(
    _object: *mut c_void,
    data: *mut c_void,
    making: *mut c_void,
) -> c_int {
    // SAFETY: By the function's requirements.
    let making = unsafe { &mut *making.cast::<Making<'_>>() };
    // Checked under the core's lock. A kind is closed before its variables are freed under the same
    // lock. So no variable is created after that.
    if !making.open.is_open() {
        making.result = Err(ENOENT);
        return ENOENT.to_errno();
    }
    // SAFETY: By the function's requirements.
    unsafe { data.cast::<*mut Header>().write(making.header) };
    making.result = Ok(());
    0
}

/// The list of nodes whose variables were taken from the core. The thread that holds the lock
/// `TAKING` of the registry empties it.
static TAKEN: Atomic<usize> = Atomic::new(0);

/// The destructor of a variable. The core calls it with its lock held.
///
/// # Safety
///
/// `data` is that of a variable of this library, and the lock `TAKING` of the registry is held.
unsafe extern "C" fn destruct(_object: *mut c_void, data: *mut c_void) {
    // SAFETY: By the function's requirements: the variable has a reference to the node.
    unsafe {
        let header = data.cast::<*mut Header>().read();
        // CAST: A pointer as a number, and back.
        (*header).next = TAKEN.load(Relaxed) as *mut Header;
        TAKEN.store(header as usize, Relaxed);
    }
}
