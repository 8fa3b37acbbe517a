// SPDX-License-Identifier: GPL-2.0

//! Implements fault attributes, by which users make calls of a module fail.
//!
//! A module declares an attribute and its fault points with [`fault_attr!`](crate::fault_attr), one
//! line each. While the attribute is registered, `/sys/kernel/debug/tackle/NAME` has files with the
//! same names, formats and defaults as the kernel's own fault attributes (`lib/fault-inject.c`,
//! `Documentation/fault-injection/fault-injection.rst` of the kernel). The kernel can be built
//! without fault injection. Before a call that could fail, the module passes a [`Point`], which
//! decides whether to fail instead.
//!
//! ```ignore
//! tackle::fault_attr! {
//!     /// Makes the sample fail.
//!     pub FailSample = FAIL_SAMPLE, c"fail_sample";
//!
//!     /// Memory for the table.
//!     TABLE_ALLOC = "table_alloc", ENOMEM;
//! }
//!
//! tackle::fault_point!(TABLE_ALLOC);
//! let table = KVec::with_capacity(100, GFP_KERNEL)?;
//! ```
//!
//! The library's own attribute is `fail_setup` ([`points`]):
//!
//! ```sh
//! cd /sys/kernel/debug/tackle/fail_setup
//! echo 1 > times; echo 2 > space; echo 100 > probability
//! insmod sch_rcodel.ko    # the second point that it passes fails, the others do not
//! cat points              # NAME ERRNO PASSED FAILED
//! ```
//!
//! A point that is not armed is a jump label: one instruction, which does nothing. While the
//! probability is above 0 or a task has written to `fail-nth`, a jump replaces this instruction:
//! the points are armed.
//!
//! Differences from the kernel's fault attributes:
//!
//! - `verbose_ratelimit_interval_ms` is in milliseconds, as its name and the documentation say.
//! - `fail-nth` and `make-it-fail` are files of the attribute. A write applies to the task that
//!   writes, and to this attribute only.
//! - `select` limits failures to points with these names.
//!
//! `include/tackle/fault.h` is the same interface for C modules.

mod c;
mod files;
mod log;
pub mod points;
mod random;
mod tasks;

use crate::bindings;
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    mem::MaybeUninit,
    sync::atomic::{AtomicPtr, Ordering},
};
use kernel::{
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
};
use tackle_core::fault::Attr;
use tasks::{Marks, Nth};

pub use files::Registration;
pub use points::*;

kernel::sync::global_lock! {
    // SAFETY: `Library::new` initialises it. `library::ready` fails before that.
    unsafe(uninit) static SWITCH: Mutex<()> = ();
}

/// Initialises the lock of this file.
///
/// # Safety
///
/// To be called once, before [`library::ready`](crate::library::ready).
pub(crate) unsafe fn init() {
    // SAFETY: By the function's requirements.
    unsafe { SWITCH.init() };
}

/// The static key of an attribute. The jump labels of its points refer to the key by its address.
///
/// # Invariants
///
/// The key is zeroed at first, like `STATIC_KEY_FALSE_INIT`. Only the functions for static keys
/// change it.
#[repr(transparent)]
pub struct Key(UnsafeCell<MaybeUninit<bindings::static_key_false>>);

// SAFETY: The functions for static keys may be called from any thread.
unsafe impl Sync for Key {}
// SAFETY: A key does not belong to a thread.
unsafe impl Send for Key {}

impl Key {
    const fn new() -> Self {
        // INVARIANT: The key is zeroed.
        Self(UnsafeCell::new(MaybeUninit::zeroed()))
    }

    fn as_ptr(&self) -> *mut bindings::static_key {
        self.0.get().cast()
    }
}

/// A fault attribute: its points, their settings, and the state of the decisions.
pub struct Attribute {
    #[doc(hidden)]
    pub key: Key,
    /// The key of an attribute of a C module; null for an attribute in Rust, which uses `key`.
    key_in_c: AtomicPtr<bindings::static_key>,
    name: &'static CStr,
    points: &'static [&'static State],
    pub(crate) settings: Attr,
    /// Whether points can fail: the same as the state of the key.
    is_armed: Atomic<bool>,
    log: log::Limit,
    nth: Nth,
    marks: Marks,
    /// Whether only the selected points fail.
    is_limited: Atomic<bool>,
}

impl Attribute {
    /// For [`fault_attr!`](crate::fault_attr).
    #[doc(hidden)]
    pub const fn new(name: &'static CStr, points: &'static [&'static State]) -> Self {
        Self {
            key: Key::new(),
            key_in_c: AtomicPtr::new(core::ptr::null_mut()),
            name,
            points,
            settings: Attr::new(),
            is_armed: Atomic::new(false),
            log: log::Limit::new(),
            nth: Nth::new(),
            marks: Marks::new(),
            is_limited: Atomic::new(false),
        }
    }

    /// Returns whether points can fail. For kernels without jump labels.
    #[doc(hidden)]
    #[inline]
    pub fn is_armed(&self) -> bool {
        self.is_armed.load(Relaxed)
    }

    /// Arms or disarms all points after a change of the settings. May sleep.
    pub(crate) fn refresh(&self) {
        let _switch = SWITCH.lock();
        let is_probable = self.settings.probability.load(Ordering::Relaxed) != 0;
        self.switch(is_probable || self.nth.is_used());
    }

    /// Arms or disarms all points. The caller has locked [`SWITCH`], or no other code uses the
    /// attribute.
    fn switch(&self, on: bool) {
        let key = match self.key_in_c.load(Ordering::Relaxed) {
            key if key.is_null() => self.key.as_ptr(),
            key => key,
        };
        self.is_armed.store(on, Relaxed);
        // SAFETY: `key` is a static key, by the type invariants of `Key` or by the requirements of
        // `tackle_fault_register()`. The caller may sleep.
        unsafe { bindings::fault_switch(key, on) };
    }

    /// Decides whether the point fails.
    #[cold]
    fn decide(&self, point: &State) -> Result {
        if self.is_limited.load(Relaxed) && !point.is_selected.load(Relaxed) {
            return Ok(());
        }
        let stack_allows = || self.settings.stack_allows(save_stack);
        // SAFETY: The helper only reads the preemption count.
        let in_task = unsafe { bindings::fault_in_task() };
        let nth = in_task.then(|| self.nth.of_current()).flatten();
        let failure = match nth {
            Some(left) => {
                point.passed.fetch_add(1, Relaxed);
                self.settings.should_fail_nth(left, stack_allows())
            }
            None if self.settings.probability.load(Ordering::Relaxed) == 0 => return Ok(()),
            None => {
                point.passed.fetch_add(1, Relaxed);
                let is_marked = in_task && self.marks.has_current();
                self.settings
                    .should_fail(1, is_marked, stack_allows, random::below_100)
            }
        };
        let Some(failure) = failure else {
            return Ok(());
        };
        point.failed.fetch_add(1, Relaxed);
        self.log.failure(self.name, point.name, &failure);
        Err(point.error)
    }
}

/// Writes the return addresses of the current stack, and returns how many there are.
fn save_stack(entries: &mut [usize]) -> usize {
    // SAFETY: `entries` has room for `len` addresses.
    // CAST: The numbers are at most `MAX_STACK_DEPTH`.
    unsafe { bindings::stack_trace_save(entries.as_mut_ptr(), entries.len() as u32, 1) as usize }
}

/// The type of an attribute's points, made by [`fault_attr!`](crate::fault_attr).
///
/// # Safety
///
/// `is_on` is a branch on the key of the attribute that `attribute` returns.
pub unsafe trait Attributed: 'static {
    /// Returns whether points can fail.
    #[doc(hidden)]
    fn is_on() -> bool;

    /// Returns the attribute.
    fn attribute() -> &'static Attribute;
}

/// A fault point: a place in a module's code that can be made to fail.
pub struct Point<A: Attributed = FailSetup> {
    state: State,
    _attribute: PhantomData<fn() -> A>,
}

/// The name, the error and the counts of a point.
#[doc(hidden)]
pub struct State {
    name: &'static str,
    error: Error,
    passed: Atomic<u64>,
    failed: Atomic<u64>,
    is_selected: Atomic<bool>,
}

impl State {
    const fn new(name: &'static str, error: Error) -> Self {
        Self {
            name,
            error,
            passed: Atomic::new(0),
            failed: Atomic::new(0),
            is_selected: Atomic::new(false),
        }
    }
}

impl<A: Attributed> Point<A> {
    /// For [`fault_attr!`](crate::fault_attr).
    #[doc(hidden)]
    pub const fn new(name: &'static str, error: Error) -> Self {
        Self {
            state: State::new(name, error),
            _attribute: PhantomData,
        }
    }

    /// For [`fault_attr!`](crate::fault_attr).
    #[doc(hidden)]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Passes the point. If the attribute decides that the point fails, this logs the failure and
    /// returns the point's error.
    ///
    /// Call this before the call that is to fail, and leave out that call if this fails.
    ///
    /// While no point of the attribute can fail, the point does not count. It then costs one
    /// instruction, which does nothing, and three more in a caller that tests the result.
    /// [`fault_point!`](crate::fault_point) does not need these three.
    ///
    /// # Errors
    ///
    /// The error with which the point was declared.
    ///
    /// # Context
    ///
    /// Any, including NMI. Takes no lock, except for the locks of the log.
    #[inline(always)]
    pub fn check(&self) -> Result {
        if self.is_armed() {
            return self.decide();
        }
        Ok(())
    }

    /// Returns whether points of the attribute can fail. This is one instruction.
    #[inline(always)]
    pub fn is_armed(&self) -> bool {
        A::is_on()
    }

    /// As [`Point::check`]. To be called if [`Point::is_armed`] returns true.
    ///
    /// # Errors
    ///
    /// The error with which the point was declared.
    #[inline(always)]
    pub fn decide(&self) -> Result {
        A::attribute().decide(&self.state)
    }

    /// Returns how often the point was passed while armed, and how often it failed.
    pub fn counts(&self) -> (u64, u64) {
        (
            self.state.passed.load(Relaxed),
            self.state.failed.load(Relaxed),
        )
    }
}

/// Declares a fault attribute and its points.
///
/// The first line has the name of a type for the attribute, the name of its static, and the name of
/// its directory. Each further line declares a point as a static: its name in the file `points`,
/// and the errno with which it fails.
///
/// ```ignore
/// tackle::fault_attr! {
///     /// Makes the sample fail.
///     pub FailSample = FAIL_SAMPLE, c"fail_sample";
///
///     /// Memory for the table.
///     TABLE_ALLOC = "table_alloc", ENOMEM;
/// }
/// ```
#[macro_export]
macro_rules! fault_attr {
    (
        $(#[$meta:meta])*
        $vis:vis $type:ident = $attribute:ident, $name:expr;
        $($(#[$point_meta:meta])* $point:ident = $point_name:literal, $error:expr;)*
    ) => {
        $(#[$meta])*
        $vis enum $type {}

        $(#[$meta])*
        $vis static $attribute: $crate::fault::Attribute =
            $crate::fault::Attribute::new($name, &[$($point.state()),*]);

        // SAFETY: The branch is on the key of this attribute.
        unsafe impl $crate::fault::Attributed for $type {
            #[inline(always)]
            fn is_on() -> bool {
                $crate::__fault_branch!($attribute)
            }

            #[inline(always)]
            fn attribute() -> &'static $crate::fault::Attribute {
                &$attribute
            }
        }

        $(
            $(#[$point_meta])*
            $vis static $point: $crate::fault::Point<$type> =
                $crate::fault::Point::new($point_name, $error);
        )*
    };
}

/// Passes a point. If the point fails, returns its error from the function, like `POINT.check()?`.
/// A point that is not armed costs one instruction, which does nothing.
///
/// ```ignore
/// tackle::fault_point!(TABLE_ALLOC);
/// let table = KVec::with_capacity(100, GFP_KERNEL)?;
/// ```
#[macro_export]
macro_rules! fault_point {
    ($point:path) => {
        if $point.is_armed() {
            $point.decide()?;
        }
    };
}

/// Branches on the key of an attribute with a jump label.
#[cfg(CONFIG_JUMP_LABEL)]
#[doc(hidden)]
#[macro_export]
macro_rules! __fault_branch {
    ($attribute:path) => {
        // SAFETY: The field `key` is a static key. Its address is the address of the static plus
        // the offset of the field.
        unsafe {
            $crate::__private::kernel::jump_label::arch_static_branch! {
                $attribute, $crate::fault::Attribute, key, false
            }
        }
    };
}

/// Branches on the settings of an attribute. For kernels without jump labels.
#[cfg(not(CONFIG_JUMP_LABEL))]
#[doc(hidden)]
#[macro_export]
macro_rules! __fault_branch {
    ($attribute:path) => {
        $attribute.is_armed()
    };
}
