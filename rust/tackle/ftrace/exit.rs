// SPDX-License-Identifier: GPL-2.0

//! Implements hooks at the exit of kernel functions: Rust code that runs when a call begins and
//! when it returns.
//!
//! The function's entry calls a trampoline. The trampoline calls the entry handlers, then the rest
//! of the function, and then the exit handlers (`trampolines.S`). Where that is not possible, the
//! hook is an fprobe, which costs more ([`ExitHook`] lists the cases).

mod callable;
mod chain;
mod dead;
mod fprobe;
mod sites;
mod slot;
mod typed;

use super::{
    follow::{self, Single},
    slot::{Header, Hook},
    Call, Misses, Target,
};
use crate::bindings;
use chain::ExitNode;
use core::{
    marker::PhantomPinned,
    ptr,
    sync::atomic::{AtomicU8, Ordering},
};
use kernel::{prelude::*, types::Opaque};

pub(super) use sites::detach;
pub(crate) use sites::Trampolines;
pub use typed::{TypedExit, TypedExitHandler};

/// Initialises the global data of this module.
///
/// # Safety
///
/// To be called once, before [`library::ready`](crate::library::ready).
pub(super) unsafe fn init() {
    // SAFETY: By the function's requirements.
    unsafe { sites::init() };
}

/// The return of a hooked function, as its hook sees it.
pub struct Return {
    ip: usize,
    value: usize,
}

impl Return {
    /// Returns the address of the hooked function's entry, as [`Call::ip`] does.
    #[inline]
    pub fn ip(&self) -> usize {
        self.ip
    }

    /// Returns the register of the return value.
    ///
    /// The meaning of the register depends on the function's prototype. A value that is narrower
    /// than the register leaves the upper bits undefined. A function that returns no value leaves
    /// all bits undefined.
    #[inline]
    pub fn value(&self) -> usize {
        self.value
    }
}

/// The handler of a hook at a function's exit: a type that implements this trait, or a pair of
/// closures. The first closure takes a [`Call`] and returns data or [`None`]. The second closure
/// takes a [`Return`] and the data.
pub trait ExitHandler: Send + Sync + 'static {
    /// The data that is kept for a call from its entry to its exit: at most 64 bytes, with an
    /// alignment of at most 8 bytes. Both are checked at build time.
    type Data: Copy + Send;

    /// Called at each entry of the function. If this returns [`None`], [`Self::exit`] is not called
    /// for this call.
    ///
    /// # Context
    ///
    /// That of [`EntryHandler::entry`](super::EntryHandler::entry): no handler runs within
    /// another one of the same context.
    fn entry(&self, call: &Call) -> Option<Self::Data>;

    /// Called when a call has returned for which [`Self::entry`] has returned `data`. It is not
    /// called if the hook is removed while the call is in progress.
    ///
    /// # Context
    ///
    /// As for [`ExitHandler::entry`].
    fn exit(&self, ret: &Return, data: Self::Data);
}

impl<E, X, D> ExitHandler for (E, X)
where
    E: Fn(&Call) -> Option<D> + Send + Sync + 'static,
    X: Fn(&Return, D) + Send + Sync + 'static,
    D: Copy + Send,
{
    type Data = D;

    #[inline]
    fn entry(&self, call: &Call) -> Option<D> {
        (self.0)(call)
    }

    #[inline]
    fn exit(&self, ret: &Return, data: D) {
        (self.1)(ret, data)
    }
}

/// The mechanism by which an exit hook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// By the trampoline of this number: its symbol is `tackle_ftrace_exit_trampoline_NUMBER`.
    Trampoline(usize),
    /// By an fprobe, which uses the function graph tracer.
    Fprobe,
}

/// [`ExitHook::state`]: the function's module is not loaded, or the hook is removed.
const OFF: u8 = 0;
const BY_TRAMPOLINE: u8 = 1;
const BY_FPROBE: u8 = 2;

/// A hook on the entries and exits of one kernel function, from when it is initialised until
/// it is dropped.
///
/// It follows the function's module ([`Targets`](super::Targets)).
///
/// # Mechanism
///
/// A trampoline calls the function. All exit hooks on a function share a trampoline, and there are
/// 256 trampolines. Each is a direct call of ftrace, and a function has one direct call at most.
/// The hook is an fprobe instead if
///
/// - the prototype is not known: the kernel has no type information (BTF) of the function, and
///   the hook was not made by [`ExitHook::typed`];
/// - an argument is passed on the stack, or the function is variadic;
/// - the function is known never to return, such as `do_exit()`;
/// - the function has another direct call: a BPF program or a [`DirectHook`](super::DirectHook);
/// - all trampolines are in use, or the hooks on the function have more than 256 bytes of data
///   and IDs (8 bytes each).
///
/// # Removal
///
/// Dropping the hook returns only when no CPU can still execute the handler. It may sleep, for tens
/// of milliseconds. It does not wait for tasks that sleep in the function. Until these tasks have
/// returned from the function or ended, the library cannot be unloaded. If such a task oopses, the
/// library stays loaded until reboot.
///
/// # Invariants
///
/// `state` is `BY_TRAMPOLINE` while the hook is on a function in [`sites`], `BY_FPROBE` while
/// `probe` is registered, and `OFF` otherwise.
#[pin_data(PinnedDrop)]
pub struct ExitHook<T: ExitHandler> {
    #[pin]
    hook: Hook<T>,
    /// Whether the prototype is known to have no argument on the stack.
    is_typed: bool,
    /// For an fprobe: the ID in its records.
    id: u64,
    /// Changed only under the lock of the hooks. Not the kernel's atomic type, whose loads are
    /// calls.
    state: AtomicU8,
    #[pin]
    probe: Opaque<bindings::fprobe>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: The functions of ftrace and fprobe may be called from any thread, and `T` is `Send`.
unsafe impl<T: ExitHandler> Send for ExitHook<T> {}
// SAFETY: A shared reference gives access to the handler, which is `Sync`, and to counters. The
// other fields are used under the lock of the hooks.
unsafe impl<T: ExitHandler> Sync for ExitHook<T> {}

impl<T: ExitHandler> ExitHook<T> {
    /// Creates an initialiser that hooks the kernel function `target`.
    ///
    /// # Errors
    ///
    /// The errors of [`EntryHook::new`](super::EntryHook::new) and of `register_fprobe_ips()`.
    ///
    /// # Context
    ///
    /// The initialiser may sleep.
    pub fn new<'a>(
        target: impl Into<Target<'a>> + 'a,
        handler: T,
    ) -> impl PinInit<Self, Error> + 'a {
        Self::with(target.into(), handler, false)
    }

    fn with(target: Target<'_>, handler: T, is_typed: bool) -> impl PinInit<Self, Error> + '_ {
        // INVARIANT: It is on no function.
        try_pin_init!(Self {
            hook: Hook {
                header: Header::new(),
                handler,
            },
            is_typed,
            id: chain::new_id(),
            state: AtomicU8::new(OFF),
            // The fields of an fprobe may be zero.
            probe: Opaque::new(pin_init::zeroed()),
            _pin: PhantomPinned,
        } ? Error)
        .pin_chain(move |this| {
            let this = this.as_ref().get_ref();
            let code = T::exit as *const () as usize;
            // SAFETY: `this` is pinned, and `drop` detaches it.
            unsafe { follow::attach_single(target, this, code) }
        })
    }

    /// Returns the handler.
    pub fn handler(&self) -> &T {
        &self.hook.handler
    }

    /// Returns the number of entries and exits for which the handler was not run.
    pub fn missed(&self) -> Misses {
        Misses {
            recursion: self.hook.header.missed.get(),
            no_room: self.fprobe_missed(),
        }
    }

    /// Returns the mechanism by which the hook is called; [`None`] while the function's module is
    /// not loaded.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn mechanism(&self) -> Option<Mechanism> {
        match self.state.load(Ordering::Relaxed) {
            BY_TRAMPOLINE => sites::trampoline(&self.hook.header).map(Mechanism::Trampoline),
            BY_FPROBE => Some(Mechanism::Fprobe),
            _ => None,
        }
    }

    /// Hooks the function at `address` by a trampoline. Returns false if the hook has to be an
    /// fprobe.
    fn arm_by_trampoline(&self, address: usize) -> Result<bool> {
        if !callable::is_callable(address, self.is_typed)? {
            return Ok(false);
        }
        // SAFETY: `is_callable` says that a trampoline can call the function. `disarm` detaches the
        // hook before it is freed.
        match unsafe { sites::attach(address, ExitNode::new(&self.hook)) } {
            Ok(()) => Ok(true),
            Err(EBUSY | ENOSPC) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl<T: ExitHandler> Single for ExitHook<T> {
    fn arm(&self, address: usize) -> Result {
        if self.state.load(Ordering::Relaxed) != OFF {
            return Ok(());
        }
        let state = if self.arm_by_trampoline(address)? {
            BY_TRAMPOLINE
        } else {
            // SAFETY: By the type invariants the fprobe is not registered. `disarm` unregisters it.
            unsafe { self.register_fprobe(address) }?;
            BY_FPROBE
        };
        // INVARIANT: The state is that of the registration.
        self.state.store(state, Ordering::Relaxed);
        Ok(())
    }

    fn exit(&self) -> Option<*const Header> {
        Some(&self.hook.header)
    }

    fn disarm(&self) {
        match self.state.load(Ordering::Relaxed) {
            BY_TRAMPOLINE => detach(|hook| ptr::eq(hook, &self.hook.header)),
            // SAFETY: By the type invariants.
            BY_FPROBE => unsafe { self.unregister_fprobe() },
            _ => {}
        }
        // INVARIANT: It is on no function.
        self.state.store(OFF, Ordering::Relaxed);
    }
}

#[pinned_drop]
impl<T: ExitHandler> PinnedDrop for ExitHook<T> {
    fn drop(self: Pin<&mut Self>) {
        follow::detach_single(self.as_ref().get_ref());
    }
}
