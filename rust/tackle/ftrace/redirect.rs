// SPDX-License-Identifier: GPL-2.0

//! Implements redirections: they replace a kernel function at once, by making its entry continue
//! in a Rust function.
//!
//! A redirection is lighter than a live patch ([`livepatch`](crate::livepatch)), but less
//! consistent. A live patch switches each task while the task is in none of the old functions, so
//! no task sees a mix of old and new functions. With a redirection, tasks that are in the old
//! function finish it, while other tasks already run the replacement. That is right for a single
//! function that keeps no state from call to call, and for experiments.

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

/// The static by which a replacement finds its redirection. [`redirect!`](crate::redirect) defines
/// it.
///
/// # Invariants
///
/// Null, or a redirection that is valid as long as a task can execute a replacement that reads
/// this place.
#[doc(hidden)]
pub struct Place(AtomicPtr<Redirect>);

impl Place {
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Implements [`Replaced::enter`]: counts that a call has entered the replacement.
    ///
    /// # Safety
    ///
    /// Called in a replacement whose redirection is at this place.
    #[inline]
    pub unsafe fn enter(&'static self) -> InReplacement {
        // SAFETY: By the type invariants and the function's requirements.
        let redirect = unsafe { &*self.0.load(Ordering::Relaxed) };
        redirect.entered.increment();
        InReplacement(redirect)
    }

    /// Implements [`Replaced::old_func`].
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

/// The exclusive use of a [`Place`] by a redirection, until it is given up or dropped.
///
/// # Invariants
///
/// Null, or a place that has the redirection. The place is valid until its module is freed.
struct Claim(AtomicPtr<Place>);

impl Claim {
    /// # Errors
    ///
    /// `EBUSY`: another redirection is at the place.
    fn new(place: &'static Place, redirect: *mut Redirect) -> Result<Self> {
        let (set, failed) = (Ordering::Release, Ordering::Relaxed);
        // INVARIANT: The redirection's `drop` returns only when no task is in the replacement.
        match place
            .0
            .compare_exchange(ptr::null_mut(), redirect, set, failed)
        {
            Ok(_) => Ok(Self(AtomicPtr::new(ptr::from_ref(place).cast_mut()))),
            Err(_) => Err(EBUSY),
        }
    }

    /// Removes the redirection from the place. Called when no task is in the replacement any more.
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

/// A call of a replacement, from its entry until it is left. Dropping this counts that the call
/// has left.
#[doc(hidden)]
pub struct InReplacement(*const Redirect);

impl Drop for InReplacement {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: The redirection stays valid until all calls that have entered have left: its
        // `wait` waits for this increment.
        unsafe { (*self.0).left.increment() };
    }
}

/// A kernel function's redirection, from when it is initialised until it is dropped.
///
/// [`redirect!`](crate::redirect) makes it.
///
/// It has an `ftrace_ops` of its own, with `FTRACE_OPS_FL_IPMODIFY`: a function can have one such
/// ops, live patches included. While it is registered, ftrace cannot be switched off. Calls
/// are redirected wherever they come from, handlers and the replacement itself included.
///
/// It follows the function's module ([`Targets`](crate::ftrace::Targets)).
///
/// Dropping it returns only when no task is in the replacement any more, however long the
/// replacement sleeps. It logs that it waits, after one second and then every ten seconds. So the
/// replacement must not drop its own redirection. The drop never returns if a call never returns
/// from the replacement, because the function ends tasks (`do_exit()`) or the replacement has
/// oopsed. It never returns either if ftrace has switched itself off after a fault of its own.
///
/// # Invariants
///
/// - While `ops` is registered, it makes its function continue in a replacement, which finds
///   this redirection at the place of `claim`.
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
    /// Implements [`redirect!`](crate::redirect).
    ///
    /// # Safety
    ///
    /// `S` finds its redirection at `place`, and nothing else uses `place`.
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
            // finds this redirection, which is pinned.
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

    /// When this returns, `entered` has been incremented for each call of the replacement, and no
    /// further call enters it.
    fn disarm(&self) {
        self.ops.disarm();
    }

    fn wait(&self) {
        // No further call enters, so `entered` does not change any more. The sum of `left` can only
        // be too small, by calls that leave while it is computed. So when both are equal, all
        // calls have left.
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
        // A task increments `left` before its last instructions in the replacement: wait for these.
        ops::synchronize();
        // The place is in the module of the replacement, which may be freed after this.
        self.claim.give_up();
    }
}

#[pinned_drop]
impl PinnedDrop for Redirect {
    fn drop(self: Pin<&mut Self>) {
        follow::detach_single(self.as_ref().get_ref());
    }
}

/// Makes the function of an ops continue in its replacement.
///
/// # Safety
///
/// Called by ftrace alone, with an ops whose `private` is a function of the same type as the
/// hooked function.
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
/// The function is a [`Function`](crate::function::Function). The replacement is a
/// [`Replacement`](crate::function::Replacement), as in a live patch. It can call the function
/// that it replaces.
///
/// ```ignore
/// let redirect = KBox::pin_init(tackle::redirect!(CmdlineProcShow => cmdline), GFP_KERNEL)?;
/// ```
///
/// # Errors
///
/// - `EBUSY`: a live patch or another `IPMODIFY` hook redirects the function already, or the
///   redirection that the same `redirect!` has made before still exists.
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

        // Outside of the `unsafe` block, since the caller's expression must not run in one.
        let replacement = $replacement;
        // SAFETY: `Here` uses `PLACE`, and nothing else does.
        unsafe { $crate::ftrace::Redirect::new::<$function, Here, _>(&PLACE, replacement) }
    }};
}
