// SPDX-License-Identifier: GPL-2.0

//! The light way to replace a kernel function: its entry goes on in another one, at once.
//!
//! What it does not do, and [`livepatch`](crate::livepatch) does: have each task change over
//! where it cannot be inside an old function, so that it never meets some functions as they
//! were and others as they are. A task that is in the function stays there until it returns,
//! while another one is in the replacement already. That is right for one function that keeps
//! nothing from call to call, and for experiments.

use super::{
    divert::{diverting, go_on_at},
    follow::{self, Single},
    ops::{self, Plain, SingleOps},
    Target,
};
use crate::{
    bindings,
    function::{Function, Replaceable, Replaced, Replacement},
    percpu::Counter,
};
use core::{
    marker::PhantomPinned,
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};
use kernel::{
    ffi::{c_ulong, c_void},
    prelude::*,
    time::{delay::fsleep, Delta},
};

/// Where a replacement finds its redirection: a static of [`redirect!`](crate::redirect).
///
/// # Invariants
///
/// Null, or a redirection that is valid for as long as a task can be in a replacement that
/// looks for it here.
#[doc(hidden)]
pub struct Place(AtomicPtr<Redirect>);

impl Place {
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// For [`Replaced::enter`]: notes that a task is in the replacement.
    ///
    /// # Safety
    ///
    /// Called in a replacement whose redirection is here.
    #[inline]
    pub unsafe fn enter(&'static self) -> InReplacement {
        // SAFETY: By the type invariants and the function's requirements.
        let redirect = unsafe { &*self.0.load(Ordering::Relaxed) };
        redirect.entered.increment();
        InReplacement(redirect)
    }

    /// For [`Replaced::old_func`].
    ///
    /// # Safety
    ///
    /// As for [`Place::enter`].
    #[inline]
    pub unsafe fn old_func(&'static self) -> *mut c_void {
        // SAFETY: As in `enter`.
        let function = unsafe { (*self.0.load(Ordering::Relaxed)).ops.address_in_use() };
        // CAST: An address.
        function as *mut c_void
    }
}

/// A redirection's being at a place, until it is given up or dropped.
///
/// # Invariants
///
/// Null, or a place that has the redirection. The place is there as long as its module.
struct Claim(AtomicPtr<Place>);

impl Claim {
    /// # Errors
    ///
    /// `EBUSY`: another one is there.
    fn new(place: &'static Place, redirect: *mut Redirect) -> Result<Self> {
        let (set, failed) = (Ordering::Release, Ordering::Relaxed);
        // INVARIANT: The redirection's `drop` returns when nobody is in the replacement.
        match place
            .0
            .compare_exchange(ptr::null_mut(), redirect, set, failed)
        {
            Ok(_) => Ok(Self(AtomicPtr::new(ptr::from_ref(place).cast_mut()))),
            Err(_) => Err(EBUSY),
        }
    }

    /// Gives the place up. Nobody is in the replacement any more.
    fn give_up(&self) {
        let place = self.0.swap(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: By the type invariants.
        if let Some(place) = unsafe { place.as_ref() } {
            place.0.store(ptr::null_mut(), Ordering::Release);
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// A task's being in a replacement.
#[doc(hidden)]
pub struct InReplacement(*const Redirect);

impl Drop for InReplacement {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: The redirection waits for this before it goes.
        unsafe { (*self.0).left.increment() };
    }
}

/// A kernel function's redirection, from when it is initialised until it is dropped.
///
/// [`redirect!`](crate::redirect) makes it.
///
/// It has an `ftrace_ops` of its own, with `FTRACE_OPS_FL_IPMODIFY`: there can be one such on
/// a function, live patches included. While it is there, ftrace cannot be switched off. Calls
/// are redirected wherever they come from, handlers and the replacement itself included.
///
/// It follows the function's module ([`Targets`](crate::ftrace::Targets)).
///
/// Dropping it returns only when no task is in the replacement any more, however long that
/// sleeps. It logs after a second, and then each ten seconds, that it waits. So the replacement
/// itself must not be what drops it. The drop never returns if a task does not come back from the
/// replacement: the function ends tasks (`do_exit()`), or the replacement oopsed. Nor does it if
/// ftrace has switched itself off after a fault of its own.
///
/// # Invariants
///
/// - While `ops` is registered, it makes its function go on in a replacement, which looks for
///   this at the place of `claim`.
/// - A task increments `entered` in the replacement before it can sleep there. When it has
///   incremented `left`, it does not sleep before it has left the replacement.
#[pin_data(PinnedDrop)]
pub struct Redirect {
    // Dropped in this order.
    #[pin]
    ops: SingleOps<Plain>,
    claim: Claim,
    name: &'static CStr,
    entered: Counter,
    left: Counter,
    #[pin]
    _pin: PhantomPinned,
}

impl Redirect {
    /// For [`redirect!`](crate::redirect).
    ///
    /// # Safety
    ///
    /// `S` is for `place` alone.
    #[doc(hidden)]
    pub unsafe fn new<F: Replaceable, S: Replaced, H: Replacement<F, S>>(
        place: &'static Place,
        _replacement: H,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(&this in Self {
            entered: Counter::new()?,
            left: Counter::new()?,
            claim: Claim::new(place, this.as_ptr())?,
            name: <F as Function>::NAME,
            // SAFETY: The replacement has the type of `F`, by the requirements of `Function`. It
            // finds this, which is pinned.
            ops <- unsafe { SingleOps::idle(diverting(callback, H::ENTRY)) },
            _pin: PhantomPinned,
        })
        .pin_chain(|this| {
            let this = this.as_ref().get_ref();
            // SAFETY: It is pinned, and `drop` detaches it.
            unsafe { follow::attach_single(Target::of::<F>(), this, H::ENTRY.addr()) }
        })
    }

    /// Returns how many calls have been redirected.
    pub fn redirected(&self) -> u64 {
        self.entered.sum()
    }
}

impl Single for Redirect {
    fn arm(&self, address: usize) -> Result {
        self.ops.arm(address)
    }

    /// When this returns, whoever will be in the replacement has incremented `entered`.
    fn disarm(&self) {
        self.ops.disarm();
    }

    fn wait(&self) {
        // All have left whose increments are seen, and nobody comes any more: a sum that is
        // too small is of those who have just left.
        let entered = self.entered.sum();
        let mut waited_ms: u64 = 0;
        while self.left.sum() != entered {
            fsleep(Delta::from_millis(1));
            waited_ms += 1;
            if waited_ms % 10_000 == 1_000 {
                let tasks = entered.wrapping_sub(self.left.sum());
                pr_warn!(
                    "{}: waiting for {tasks} calls to return from the replacement\n",
                    self.name
                );
            }
        }
        // The last ones are out of its code, too.
        ops::synchronize();
        // The place is in the module of the replacement, which may be about to go.
        self.claim.give_up();
    }
}

#[pinned_drop]
impl PinnedDrop for Redirect {
    fn drop(self: Pin<&mut Self>) {
        follow::detach_single(self.as_ref().get_ref());
    }
}

/// Has the function of an ops go on in its replacement.
///
/// # Safety
///
/// Called by ftrace alone, with an ops whose `private` is a function of the type of that which
/// is called.
unsafe extern "C" fn callback(
    _ip: c_ulong,
    _parent_ip: c_ulong,
    ops: *mut bindings::ftrace_ops,
    fregs: *mut bindings::ftrace_regs,
) {
    // SAFETY: By the function's requirements; the registers are this callback's to change
    // (`IPMODIFY`).
    unsafe { go_on_at(fregs, (*ops).private.addr()) };
}

/// Redirects a kernel function to a Rust function, at once: an initialiser of a
/// [`Redirect`](crate::ftrace::Redirect).
///
/// The function is a [`Function`](crate::function::Function), the replacement a
/// [`Replacement`](crate::function::Replacement) as in a live patch, which can call the
/// function whose place it takes.
///
/// ```ignore
/// let redirect = KBox::pin_init(tackle::redirect!(CmdlineProcShow => cmdline), GFP_KERNEL)?;
/// ```
///
/// # Errors
///
/// - `EBUSY`: the function is redirected already, by a live patch or another of these; or what
///   this very line has made before is still there.
/// - Those of [`EntryHook::new`](crate::ftrace::EntryHook::new).
///
/// # Context
///
/// The initialiser may sleep.
#[macro_export]
macro_rules! redirect {
    ($function:ty => $replacement:expr) => {{
        static PLACE: $crate::ftrace::Place = $crate::ftrace::Place::new();
        struct Here;

        // SAFETY: While the replacement below runs, its redirection is at `PLACE`.
        unsafe impl $crate::function::Replaced for Here {
            type Inside = $crate::ftrace::InReplacement;

            #[inline]
            unsafe fn enter() -> Self::Inside {
                // SAFETY: By the function's requirements.
                unsafe { PLACE.enter() }
            }

            #[inline]
            unsafe fn old_func() -> *mut $crate::__private::kernel::ffi::c_void {
                // SAFETY: As above.
                unsafe { PLACE.old_func() }
            }
        }

        // Outside of `unsafe`: it is the module's code.
        let replacement = $replacement;
        // SAFETY: `Here` is for `PLACE`.
        unsafe { $crate::ftrace::Redirect::new::<$function, Here, _>(&PLACE, replacement) }
    }};
}
