// SPDX-License-Identifier: GPL-2.0

//! Which ids of shadow variables are in use, and with which types.

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
/// `link` is valid: it goes from the list before its module does ([`sweep`]).
struct Registered {
    link: *const Link,
    /// The number of the [`Shadows`] that it belongs to.
    owner: u64,
    /// Somebody drops its variables, which is code of its module.
    is_leaving: bool,
}

/// What came of a search for a kind to unregister.
enum Leaving {
    /// There is none.
    None,
    /// Others are at it.
    Waiting,
    /// It is closed; these are its variables.
    Started(*const Link, *mut Header),
}

// SAFETY: Links may be used by any thread.
unsafe impl Send for Registered {}

impl Registered {
    fn link(&self) -> &Link {
        // SAFETY: By the type invariants; who asks has the lock of the list.
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
        // INVARIANT: It is in the list, and goes with all that are.
        link.open.store(true, Release);
        Ok(())
    }

    /// Closes a kind, and takes the variables that go with it from the core: those of its id, if no
    /// other kind in the list has that. It stays in the list until they are dropped.
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
            // The list is locked still: nobody has come with the id meanwhile, and nobody who
            // had it makes variables any more, since that looks at `open` with the core's lock
            // held, which this takes.
            let _taking = TAKING.lock();
            // SAFETY: All variables of the id are ours.
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

/// Unregisters kinds, and drops the variables that go with them; returns how many kinds there
/// were. If others are at it, this waits for them.
fn unregister(is_it: impl Fn(&Registered) -> bool) -> usize {
    let mut count = 0;
    loop {
        // Without the lock: a value's `Drop` may take it.
        let leaving = REGISTRY.lock().start_leaving(&is_it);
        match leaving {
            Leaving::None => return count,
            Leaving::Waiting => fsleep(Delta::from_millis(1)),
            Leaving::Started(link, gone) => {
                // SAFETY: It is in the list. By the requirements of `Link::new` variables of this
                // id are of this type.
                unsafe { ((*link).drop_all)(gone) };
                REGISTRY.lock().remove(link);
                count += 1;
            }
        }
    }
}

/// Unregisters the kinds of `module` that are registered still (`mem::forget`), and drops their
/// variables; returns how many kinds there were.
///
/// To be called when the exit function of `module` has returned, and its memory is still there.
pub(crate) fn sweep(module: *const kernel::bindings::module) -> usize {
    unregister(|registered| {
        // By the code: a kind need not be in a static.
        // CAST: An address.
        let code = registered.link().drop_all as *const () as usize;
        // SAFETY: The module is there.
        unsafe { bindings::within_module(code, module) }
    })
}

/// What a kind of shadow variable is known by.
///
/// # Invariants
///
/// While `open` is set, this is in the list; all others with its `id` there are shared, as it is,
/// and have its type.
pub struct Link {
    id: c_ulong,
    shared: bool,
    value: fn() -> TypeId,
    drop_all: DropAll,
    open: Atomic<bool>,
}

impl Link {
    /// Creates the link, in no list, of the kind `id` with the type that `value` tells.
    ///
    /// # Safety
    ///
    /// `drop_all` may be called with a list of nodes of that type, to drop the reference of each.
    /// It is code of the module that has the type.
    pub(super) const unsafe fn new(
        id: c_ulong,
        shared: bool,
        value: fn() -> TypeId,
        drop_all: DropAll,
    ) -> Self {
        // INVARIANT: It is not open.
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

    /// Returns whether variables may be used. To rely on it takes an RCU read section that
    /// began before, `TAKING`, or the core's lock.
    pub(super) fn is_open(&self) -> bool {
        self.open.load(Acquire)
    }

    /// Whether both may be in the list.
    fn goes_with(&self, other: &Self) -> bool {
        self.id != other.id || (self.shared && other.shared && (self.value)() == (other.value)())
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
/// A patch made with [`livepatch!`](crate::livepatch) has this done for it.
pub struct Shadows {
    /// Of the kinds in the list that are these.
    number: u64,
}

impl Shadows {
    /// Registers `shadows`.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: one is registered already.
    /// - `EEXIST`: its id is taken by one of another type, or that is not shared.
    /// - `ENOMEM`.
    ///
    /// # Context
    ///
    /// May sleep. So does the drop, for an RCU grace period; it may run the `Drop` of any
    /// value.
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
    /// Those that were swept with their module are not there any more.
    fn drop(&mut self) {
        unregister(|registered| registered.owner == self.number);
    }
}
