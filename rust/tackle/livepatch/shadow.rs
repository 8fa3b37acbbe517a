// SPDX-License-Identifier: GPL-2.0

//! Shadow variables: data of a patch's own that belongs to structures of the kernel.
//!
//! Described in `Documentation/livepatch/shadow-vars.rst` of the kernel.
//!
//! # What keeps them sound
//!
//! The livepatch core finds a variable by the address of a structure and an id, and knows
//! no types. Here
//!
//! - an id belongs to one type: a [`Shadow`] is registered with its type while its module
//!   is loaded, and whoever comes with the same id and another type is refused. When the
//!   last one goes, it takes all the id's variables with it;
//! - a value outlives those who use it: the core's variable is a reference to it, and
//!   [`Shadow::get`] gives out another one ([`ShadowRef`]), so that freeing the variable
//!   takes it from under nobody. The memory goes after an RCU grace period, since someone
//!   may have found the variable and not got so far as to count;
//! - a value is dropped outside of the core's lock, which is held with interrupts off.

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

/// What variables of C patches do not have in their ids: they count from 1, or are letters.
const OURS: c_ulong = 0x7461_636b << 32;

/// The structure that a variable belongs to, by its address.
///
/// When the structure is freed, so must be the variable; else the next one in its place has
/// it. That is wrong, but not unsafe: nobody looks at the structure.
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

/// A kind of shadow variable: each structure can have one `T`.
///
/// Lives in a static, which a patch names in the `shadows` of its
/// [`livepatch!`](crate::livepatch).
///
/// The destructor is the `Drop` of `T`. It runs in the task that frees the variable, or
/// in that which drops the last [`ShadowRef`] to it.
pub struct Shadow<T: 'static> {
    link: Link,
    _value: PhantomData<T>,
}

// SAFETY: References to a `T` go to any thread, and so may a `T` itself to be dropped.
unsafe impl<T: Send + Sync> Sync for Shadow<T> {}

impl<T: Send + Sync> Shadow<T> {
    /// Creates the kind `id`, for this module alone.
    ///
    /// Its variables are freed when the module is unloaded, at the latest.
    pub const fn new(id: u32) -> Self {
        Self::with(id, false)
    }

    /// Creates the kind `id`, which all patches share that create it with the same `T`.
    ///
    /// So a cumulative patch takes over the variables of the one that it replaces. They are
    /// freed when the last of these modules is unloaded.
    pub const fn shared(id: u32) -> Self
    where
        T: Portable,
    {
        Self::with(id, true)
    }

    const fn with(id: u32, shared: bool) -> Self {
        // CAST: Widens.
        let id = OURS | id as c_ulong;
        Self {
            // SAFETY: Variables of this id are nodes of `T`.
            link: unsafe { Link::new(id, shared, TypeId::of::<T>, drop_all::<T>) },
            _value: PhantomData,
        }
    }

    /// Returns the variable of a structure, if it has one: `klp_shadow_get()`.
    ///
    /// # Context
    ///
    /// Any but an NMI: the reference can become the last one, and frees then.
    pub fn get(&'static self, object: impl Into<Key>) -> Option<ShadowRef<T>> {
        let key = object.into();
        let _rcu = rcu::read_lock();
        // Within the RCU section: whoever closes the kind waits for its end.
        if !self.link.is_open() {
            return None;
        }
        // SAFETY: Only looks it up.
        let data = unsafe { bindings::klp_shadow_get(key.as_ptr(), self.link.id()) };
        let data = NonNull::new(data.cast::<*mut Header>())?;
        // SAFETY: The kind is open, so this is a variable of ours, whose data is a pointer
        // to a node of `T`. Both are freed after an RCU grace period at the soonest.
        unsafe { ShadowRef::get_unless_zero(data.read()) }
    }

    /// Gives a structure its variable: `klp_shadow_alloc()`.
    ///
    /// # Errors
    ///
    /// - `EEXIST`: it has one.
    /// - `ENOENT`: the kind is not registered: the module is not, or no longer, loaded.
    /// - `ENOMEM`, and the error of `init`.
    ///
    /// # Context
    ///
    /// As `flags` say. `init` runs in it, even if the structure turns out to have one.
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
        // GFP_ATOMIC is right wherever anything but GFP_KERNEL is.
        let gfp = if flags == GFP_KERNEL {
            kernel::bindings::GFP_KERNEL
        } else {
            kernel::bindings::GFP_ATOMIC
        };
        // SAFETY: `construct` gets memory for a pointer, and `making`, which outlives the
        // call.
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
        // SAFETY: The variable did not come about: its reference is ours again.
        drop(unsafe { ShadowRef::<T>::from_raw(variable) });
        making.result.map(|()| node)
    }

    /// Returns the variable of a structure, and gives it one first if there is none:
    /// `klp_shadow_get_or_alloc()`.
    ///
    /// # Errors
    ///
    /// As [`alloc`](Self::alloc), but for `EEXIST`.
    ///
    /// # Context
    ///
    /// As `flags` say.
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
                // Someone else was quicker; or has freed it again by now.
                Err(EEXIST) => {}
                result => return result,
            }
        }
    }

    /// Frees the variable of a structure, if it has one: `klp_shadow_free()`.
    ///
    /// # Context
    ///
    /// Any but an NMI, as far as the `Drop` of `T` is concerned that this may run.
    pub fn free(&'static self, object: impl Into<Key>) {
        let key = object.into();
        let gone = registry::take(&self.link, |id, destructor| {
            // SAFETY: The kind is open, so `destructor` gets variables of ours.
            unsafe { bindings::klp_shadow_free(key.as_ptr(), id, destructor) };
        });
        // SAFETY: They are nodes of `T`, the kind having been open, with a reference each.
        unsafe { drop_all::<T>(gone) };
    }

    /// Frees the variables of all structures: `klp_shadow_free_all()`.
    ///
    /// # Context
    ///
    /// As [`free`](Self::free). Interrupts are off while it looks for them.
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
    /// The address as the core takes it, which only compares it.
    fn as_ptr(self) -> *mut c_void {
        ptr::without_provenance_mut(self.0)
    }
}

/// A variable that is about to be made.
struct Making<'a> {
    header: *mut Header,
    open: &'a Link,
    result: Result,
}

/// The core calls it for a new variable, with its lock held.
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
    // Under the lock: a kind is closed before all its variables are freed under it.
    if !making.open.is_open() {
        making.result = Err(ENOENT);
        return ENOENT.to_errno();
    }
    // SAFETY: By the function's requirements.
    unsafe { data.cast::<*mut Header>().write(making.header) };
    making.result = Ok(());
    0
}

/// The variables that were taken from the core, until whoever holds the registry's lock has
/// picked them up.
static TAKEN: Atomic<usize> = Atomic::new(0);

/// The core calls it for a variable that goes, with its lock held.
///
/// # Safety
///
/// `data` is that of a variable of ours, and the registry's lock is held.
unsafe extern "C" fn destruct(_object: *mut c_void, data: *mut c_void) {
    // SAFETY: By the function's requirements: the variable has a reference to the node.
    unsafe {
        let header = data.cast::<*mut Header>().read();
        // CAST: A pointer as a number, and back.
        (*header).next = TAKEN.load(Relaxed) as *mut Header;
        TAKEN.store(header as usize, Relaxed);
    }
}
