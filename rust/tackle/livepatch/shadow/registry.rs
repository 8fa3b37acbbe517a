// SPDX-License-Identifier: GPL-2.0

//! Which ids of shadow variables are in use, and with which types.

use super::{destruct, Header, Shadow, TAKEN};
use crate::{bindings, fault};
use core::{any::TypeId, cell::UnsafeCell, ptr};
use kernel::{
    ffi::c_ulong,
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, Relaxed, Release},
        rcu,
    },
};

kernel::sync::global_lock! {
    // SAFETY: `init` is called before any module can be loaded that uses the library.
    unsafe(uninit) static REGISTRY: Mutex<First> = First(ptr::null());
}

kernel::sync::global_lock! {
    // SAFETY: As above.
    unsafe(uninit) static TAKING: SpinLockIrq<()> = ();
}

/// Initialises the locks of this file.
///
/// # Safety
///
/// To be called once, before any module can be loaded that uses the library.
pub(crate) unsafe fn init() {
    // SAFETY: By the function's requirements.
    unsafe {
        REGISTRY.init();
        TAKING.init();
    }
}

/// The list of those that are registered.
struct First(*const Link);

// SAFETY: The links are static, and may be used from any thread.
unsafe impl Send for First {}

/// A kind of shadow variable in the list.
///
/// # Invariants
///
/// `next` is used with `REGISTRY` locked only. While `open` is set, this is in the list;
/// all others with its `id` there are shared, as it is, and have its type.
pub(super) struct Link {
    id: c_ulong,
    shared: bool,
    value: fn() -> TypeId,
    drop_all: unsafe fn(*mut Header),
    open: Atomic<bool>,
    next: UnsafeCell<*const Link>,
}

// SAFETY: By the type invariants `next` is guarded; the rest is atomic or does not change.
unsafe impl Sync for Link {}

impl Link {
    /// Creates the link, in no list, of the kind `id` with the type that `value` tells.
    ///
    /// # Safety
    ///
    /// `drop_all` may be called with a list of nodes of that type, to drop the reference of each.
    pub(super) const unsafe fn new(
        id: c_ulong,
        shared: bool,
        value: fn() -> TypeId,
        drop_all: unsafe fn(*mut Header),
    ) -> Self {
        // INVARIANT: It is not open.
        Self {
            id,
            shared,
            value,
            drop_all,
            open: Atomic::new(false),
            next: UnsafeCell::new(ptr::null()),
        }
    }

    pub(super) fn id(&self) -> c_ulong {
        self.id
    }

    /// Returns whether variables may be used. To rely on it takes an RCU read section that
    /// began before, `TAKING`, or the core's lock.
    pub(super) fn is_open(&self) -> bool {
        self.open.load(Acquire)
    }

    /// Whether both may be in the list.
    fn goes_with(&self, other: &Self) -> bool {
        self.id != other.id || (self.shared && other.shared && (self.value)() == (other.value)())
    }

    fn register(&'static self) -> Result {
        fault::KLP_SHADOW_REGISTER.check()?;
        let mut first = REGISTRY.lock();
        let mut place = first.0;
        // SAFETY: What is in the list is valid and does not change while it is locked.
        while let Some(link) = unsafe { place.as_ref() } {
            if ptr::eq(link, self) {
                return Err(EBUSY);
            }
            if !link.goes_with(self) {
                return Err(EEXIST);
            }
            // SAFETY: The list is locked.
            place = unsafe { *link.next.get() };
        }
        // SAFETY: As above.
        unsafe { *self.next.get() = first.0 };
        first.0 = self;
        // INVARIANT: It is in the list, and goes with all that are.
        self.open.store(true, Release);
        Ok(())
    }

    /// Takes the link out of the list, and drops the variables that go with it: those of its id,
    /// if no other link has that.
    fn unregister(&self) {
        let gone = self.take_off();
        // SAFETY: By the requirements of `new`: variables of this id are of this type.
        unsafe { (self.drop_all)(gone) };
    }

    /// As [`Link::unregister`]; returns the variables, taken from the core.
    fn take_off(&self) -> *mut Header {
        let mut first = REGISTRY.lock();
        {
            let _taking = TAKING.lock();
            self.open.store(false, Release);
        }
        rcu::synchronize_rcu();
        let mut last = true;
        let mut place: *mut *const Link = &raw mut first.0;
        // SAFETY: `place` is the list's head or in a link of it, and the list is locked.
        unsafe {
            while let Some(link) = (*place).as_ref() {
                if ptr::eq(link, self) {
                    *place = *link.next.get();
                } else {
                    last &= link.id != self.id;
                    place = link.next.get();
                }
            }
        }
        if !last {
            return ptr::null_mut();
        }
        // The list is locked still: nobody has come with the id meanwhile, and nobody who
        // had it makes variables any more, since that looks at `open` with the core's lock
        // held, which this takes.
        let _taking = TAKING.lock();
        // SAFETY: All variables of the id are ours.
        unsafe { bindings::klp_shadow_free_all(self.id, Some(destruct)) };
        taken()
    }
}

/// Has `free` take variables from the core, and returns the list of them; none if the kind
/// is closed. `free` gets the id and the destructor.
pub(super) fn take(
    link: &Link,
    free: impl FnOnce(c_ulong, bindings::klp_shadow_dtor_t),
) -> *mut Header {
    let _taking = TAKING.lock();
    if link.is_open() {
        free(link.id, Some(destruct));
    }
    taken()
}

/// Returns what `destruct` has collected while `TAKING` was locked.
fn taken() -> *mut Header {
    // CAST: What `destruct` has put there.
    TAKEN.xchg(0, Relaxed) as *mut Header
}

/// A [`Shadow`] of any type.
pub trait AnyShadow: Sync + sealed::Sealed {
    #[doc(hidden)]
    fn register(&'static self) -> Result;
    #[doc(hidden)]
    fn unregister(&'static self);
}

mod sealed {
    pub trait Sealed {}
    impl<T: Send + Sync> Sealed for super::Shadow<T> {}
}

impl<T: Send + Sync> AnyShadow for Shadow<T> {
    fn register(&'static self) -> Result {
        self.link.register()
    }

    fn unregister(&'static self) {
        self.link.unregister();
    }
}

/// Kinds of shadow variables that are registered, until this is dropped.
///
/// A patch made with [`livepatch!`](crate::livepatch) has this done for it.
pub struct Shadows(&'static [&'static dyn AnyShadow]);

impl Shadows {
    /// Registers `shadows`.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: one is registered already.
    /// - `EEXIST`: its id is taken by one of another type, or that is not shared.
    ///
    /// # Context
    ///
    /// May sleep. So does the drop, for an RCU grace period; it may run the `Drop` of any
    /// value.
    pub fn register(shadows: &'static [&'static dyn AnyShadow]) -> Result<Self> {
        for (i, shadow) in shadows.iter().enumerate() {
            if let Err(error) = shadow.register() {
                drop(Self(&shadows[..i]));
                return Err(error);
            }
        }
        Ok(Self(shadows))
    }
}

impl Drop for Shadows {
    fn drop(&mut self) {
        self.0.iter().for_each(|shadow| shadow.unregister());
    }
}

/// Unregisters the kinds of `module` that are registered still (`mem::forget`), and drops their
/// variables; returns how many kinds there were.
///
/// To be called when the exit function of `module` has returned, and its memory is still there.
pub(crate) fn sweep(module: *const kernel::bindings::module) -> usize {
    let mut count = 0;
    while let Some(link) = first_of(module) {
        // SAFETY: It is in a static of the module.
        unsafe { (*link).unregister() };
        count += 1;
    }
    count
}

/// Returns a kind in the list that is in `module`.
fn first_of(module: *const kernel::bindings::module) -> Option<*const Link> {
    let first = REGISTRY.lock();
    let mut place = first.0;
    // SAFETY: What is in the list is valid and does not change while it is locked. The module is
    // there.
    unsafe {
        while let Some(link) = place.as_ref() {
            if bindings::within_module(place.addr(), module) {
                return Some(place);
            }
            place = *link.next.get();
        }
    }
    None
}
