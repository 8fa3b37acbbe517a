// SPDX-License-Identifier: GPL-2.0

//! Implements the registry of shadow variables: the ids that are in use, and their types.

use super::{destruct, Header, Shadow, TAKEN};
use crate::{bindings, fault};
use core::{any::TypeId, ptr};
use kernel::{
    ffi::c_ulong,
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, Relaxed, Release},
        rcu,
    },
    time::{delay::fsleep, Delta},
};

kernel::sync::global_lock! {
    // SAFETY: `init` is called before any module can be loaded that uses the library.
    unsafe(uninit) static REGISTRY: Mutex<Kinds> = Kinds { list: KVec::new(), next: 1 };
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

/// Drops the references of a list of nodes.
type DropAll = unsafe fn(*mut Header);

/// The kinds that are registered.
struct Kinds {
    list: KVec<Registered>,
    /// The number of the next [`Shadows`].
    next: u64,
}

/// A kind that is registered.
///
/// # Invariants
///
/// `link` is valid: it is removed from the list before its module is freed ([`sweep`]).
struct Registered {
    link: *const Link,
    /// The number of the [`Shadows`] that it belongs to.
    owner: u64,
    /// Whether a thread is dropping its variables. That runs code of its module, so the kind stays
    /// in the list until it is done.
    is_leaving: bool,
}

/// The result of [`Kinds::start_leaving`].
enum Leaving {
    /// No kind has to be unregistered.
    None,
    /// Another thread is unregistering the kind.
    Waiting,
    /// The kind is closed, and these are its variables.
    Started(*const Link, *mut Header),
}

// SAFETY: Links may be used by any thread.
unsafe impl Send for Registered {}

impl Registered {
    fn link(&self) -> &Link {
        // SAFETY: By the type invariants. The caller holds the lock of the list, so the kind is not
        // removed from it.
        unsafe { &*self.link }
    }
}

impl Kinds {
    /// Adds a kind to the list.
    fn add(&mut self, link: &'static Link, owner: u64) -> Result {
        fault::KLP_SHADOW_REGISTER.check()?;
        for other in &self.list {
            if ptr::eq(other.link, link) {
                return Err(EBUSY);
            }
            if !other.link().goes_with(link) {
                return Err(EEXIST);
            }
        }
        let registered = Registered {
            link,
            owner,
            is_leaving: false,
        };
        self.list.push(registered, GFP_KERNEL)?;
        // INVARIANT: The link is in the list, and is compatible with all others there.
        link.open.store(true, Release);
        Ok(())
    }

    /// Closes one kind. If no other kind in the list has its id, takes all variables of this id
    /// from the core. The kind stays in the list until the caller has dropped the variables.
    fn start_leaving(&mut self, is_it: impl Fn(&Registered) -> bool) -> Leaving {
        let start = |one: &Registered| is_it(one) && !one.is_leaving;
        let Some(index) = self.list.iter().position(start) else {
            return match self.list.iter().any(is_it) {
                true => Leaving::Waiting,
                false => Leaving::None,
            };
        };
        {
            let _taking = TAKING.lock();
            self.list[index].link().open.store(false, Release);
        }
        rcu::synchronize_rcu();
        self.list[index].is_leaving = true;
        let (link, id) = (self.list[index].link, self.list[index].link().id);
        let mut gone = ptr::null_mut();
        let has_id = |other: &Registered| other.link().id == id && !other.is_leaving;
        if !self.list.iter().any(has_id) {
            // The list is still locked, so no other kind with this id has been registered since. No
            // thread creates variables of the closed kind any more: `construct` checks `open` under
            // the core's lock, which `klp_shadow_free_all()` takes.
            let _taking = TAKING.lock();
            // SAFETY: All variables of this id belong to this library.
            unsafe { bindings::klp_shadow_free_all(id, Some(destruct)) };
            gone = taken();
        }
        Leaving::Started(link, gone)
    }

    fn remove(&mut self, link: *const Link) {
        self.list.retain(|other| !ptr::eq(other.link, link));
        if self.list.is_empty() {
            // A static is not dropped: free its memory here.
            self.list = KVec::new();
        }
    }
}

/// Unregisters the kinds that `is_it` selects, and drops their variables if no other kind has the
/// same id. Returns the number of these kinds. If another thread is unregistering one of them, this
/// waits for it.
fn unregister(is_it: impl Fn(&Registered) -> bool) -> usize {
    let mut count = 0;
    loop {
        // The lock is released before the variables are dropped: the `Drop` of a value may take it.
        let leaving = REGISTRY.lock().start_leaving(&is_it);
        match leaving {
            Leaving::None => return count,
            Leaving::Waiting => fsleep(Delta::from_millis(1)),
            Leaving::Started(link, gone) => {
                // SAFETY: The kind is still in the list, so `link` is valid. By the requirements of
                // `Link::new`, `drop_all` may be called with the variables of this id.
                unsafe { ((*link).drop_all)(gone) };
                REGISTRY.lock().remove(link);
                count += 1;
            }
        }
    }
}

/// Unregisters the kinds of `module` that are still registered, since their [`Shadows`] were never
/// dropped (`mem::forget`), and drops their variables. Returns the number of these kinds.
///
/// Called when the exit function of `module` has returned, and before its memory is freed.
pub(crate) fn sweep(module: *const kernel::bindings::module) -> usize {
    unregister(|registered| {
        // The module is found by the address of code, since a kind need not be in a static.
        // CAST: An address.
        let code = registered.link().drop_all as *const () as usize;
        // SAFETY: The memory of the module is not freed yet.
        unsafe { bindings::within_module(code, module) }
    })
}

/// The entry of a kind of shadow variable for the registry.
///
/// # Invariants
///
/// While `open` is set, this is in the list. If the list has other links with the same `id`, all of
/// them are shared, and have the same type.
pub struct Link {
    id: c_ulong,
    shared: bool,
    value: fn() -> TypeId,
    drop_all: DropAll,
    open: Atomic<bool>,
}

impl Link {
    /// Creates the link of the kind `id` with the type that `value` returns. It is in no list.
    ///
    /// # Safety
    ///
    /// `drop_all` may be called with a list of nodes of that type, and drops one reference of each.
    /// It is code of the module that has the type.
    pub(super) const unsafe fn new(
        id: c_ulong,
        shared: bool,
        value: fn() -> TypeId,
        drop_all: DropAll,
    ) -> Self {
        // INVARIANT: `open` is not set.
        Self {
            id,
            shared,
            value,
            drop_all,
            open: Atomic::new(false),
        }
    }

    pub(super) fn id(&self) -> c_ulong {
        self.id
    }

    /// Returns whether variables may be used. The result is reliable only in an RCU read-side
    /// section that began before the call, or with `TAKING` or the core's lock held.
    pub(super) fn is_open(&self) -> bool {
        self.open.load(Acquire)
    }

    /// Returns whether both may be in the list at the same time.
    fn goes_with(&self, other: &Self) -> bool {
        self.id != other.id || (self.shared && other.shared && (self.value)() == (other.value)())
    }
}

/// Calls `free`, which takes variables from the core, and returns the list of their nodes. If the
/// kind is closed, `free` is not called, and the list is empty. `free` gets the id and the
/// destructor.
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

/// Returns the list of nodes that `destruct` has collected. Called with `TAKING` locked.
fn taken() -> *mut Header {
    // CAST: `destruct` has stored a pointer.
    TAKEN.xchg(0, Relaxed) as *mut Header
}

/// A [`Shadow`] of any type.
pub trait AnyShadow: Sync + sealed::Sealed {
    #[doc(hidden)]
    fn link(&'static self) -> &'static Link;
}

mod sealed {
    pub trait Sealed {}
    impl<T: Send + Sync> Sealed for super::Shadow<T> {}
}

impl<T: Send + Sync> AnyShadow for Shadow<T> {
    fn link(&'static self) -> &'static Link {
        &self.link
    }
}

/// Kinds of shadow variables that are registered, until this is dropped.
///
/// [`livepatch!`](crate::livepatch) does this for a patch.
pub struct Shadows {
    /// The number that the kinds of this registration have as their `owner`.
    number: u64,
}

impl Shadows {
    /// Registers `shadows`.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: one of `shadows` is registered already.
    /// - `EEXIST`: the id of one of `shadows` belongs to a kind of another type, or one of both is
    ///   not shared.
    /// - `ENOMEM`: there is no memory for the list.
    ///
    /// # Context
    ///
    /// May sleep. The drop sleeps for an RCU grace period, and may run the `Drop` of values.
    pub fn register(shadows: &'static [&'static dyn AnyShadow]) -> Result<Self> {
        let this = {
            let kinds = &mut *REGISTRY.lock();
            let number = kinds.next;
            kinds.next += 1;
            Self { number }
        };
        for shadow in shadows {
            // On an error `this` is dropped.
            REGISTRY.lock().add(shadow.link(), this.number)?;
        }
        Ok(this)
    }
}

impl Drop for Shadows {
    /// Unregisters the kinds, except for those that `sweep` has unregistered with their module.
    fn drop(&mut self) {
        unregister(|registered| registered.owner == self.number);
    }
}
