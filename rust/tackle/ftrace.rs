// SPDX-License-Identifier: GPL-2.0

//! Hooks: Rust code that runs at the entry of kernel functions.
//!
//! C header: [`include/linux/ftrace.h`](srctree/include/linux/ftrace.h), described in
//! `Documentation/trace/ftrace-uses.rst` of the kernel.
//!
//! All hooks on a function share one `struct ftrace_ops`. The function's entry calls the
//! trampoline of the ops; `/sys/kernel/tracing/enabled_functions` shows both. So a further hook
//! on the function costs little, and a hook on another function costs this one nothing. Other
//! users of ftrace (the function tracer, BPF, live patches) may use the same function. Then
//! ftrace's list function calls the ops of each user.

mod batch;
mod context;
mod direct;
mod divert;
#[cfg(CONFIG_FPROBE)]
mod exit;
pub(crate) mod follow;
mod group;
#[cfg(tackle_fault_inject)]
mod many;
mod ops;
mod pool;
mod redirect;
mod site;
mod sites;
mod skip;
mod slot;
mod target;
mod typed;
mod wanted;
mod within;

pub use crate::function::MAX_ARGUMENTS;
pub use batch::{disarm_all, Batch, BatchError, HookRef};
pub(crate) use context::OopsNotifier;
pub use direct::{DirectHandler, DirectHook};
pub use divert::{OverrideHandler, OverrideHook};
#[cfg(CONFIG_FPROBE)]
pub(crate) use exit::Trampolines;
#[cfg(CONFIG_FPROBE)]
pub use exit::{ExitHandler, ExitHook, Mechanism, Return, TypedExit, TypedExitHandler};
#[cfg(tackle_fault_inject)]
pub(crate) use many::{is_redirected, ManyHandler, ManyHook, Verdict};
pub use redirect::Redirect;
#[doc(hidden)]
pub use redirect::{InReplacement, Place};

use crate::bindings;
use core::marker::PhantomPinned;
use kernel::prelude::*;
use slot::{Header, Hook, Node};
pub use tackle_core::hooks::Misses;
pub use target::{Pattern, Target, Targets};
#[doc(hidden)]
pub use typed::typed_hook;
pub use typed::{Arguments, TypedEntry, TypedEntryHandler};

/// Initialises the global data of this module.
///
/// # Safety
///
/// To be called once, before [`library::ready`](crate::library::ready).
pub(crate) unsafe fn init() {
    // SAFETY: By the function's requirements.
    unsafe {
        follow::init();
        #[cfg(CONFIG_FPROBE)]
        exit::init();
    }
}

/// The length of the `call __fentry__` at a function's entry, in bytes.
pub(crate) const MCOUNT_INSN_SIZE: usize = 5;

/// One call of a hooked function, as its hook sees it at the entry.
#[repr(C)]
pub struct Call {
    arguments: [usize; MAX_ARGUMENTS],
    ip: usize,
    parent_ip: usize,
}

// SAFETY: A handler has a reference to its call only before the function's first instruction.
unsafe impl<'a> crate::function::Running<'a> for Call {}

impl Call {
    /// Creates the call of a function whose execution continues at `next_ip`, after its
    /// `call __fentry__`.
    #[inline(always)]
    fn new(arguments: [usize; MAX_ARGUMENTS], next_ip: usize, parent_ip: usize) -> Self {
        Self {
            arguments,
            ip: next_ip.wrapping_sub(MCOUNT_INSN_SIZE),
            parent_ip,
        }
    }

    /// Creates the call of the function at `ip` from its registers in `fregs`.
    ///
    /// # Safety
    ///
    /// `fregs` is what ftrace passes to a callback at a function's entry.
    #[inline(always)]
    pub(crate) unsafe fn from_regs(
        ip: usize,
        parent_ip: usize,
        fregs: *const bindings::ftrace_regs,
    ) -> Self {
        // SAFETY: `struct ftrace_regs` is the first member of `struct __arch_ftrace_regs`; the
        // architecture's own accessors rely on this, too. On x86-64 ftrace fills in the argument
        // registers also for an ops without `SAVE_REGS`. The other registers are not used.
        let regs = unsafe { &(*fregs.cast::<bindings::__arch_ftrace_regs>()).regs };
        Self {
            arguments: [regs.di, regs.si, regs.dx, regs.cx, regs.r8, regs.r9],
            ip,
            parent_ip,
        }
    }

    /// Returns the address of the hooked function's entry.
    #[inline]
    pub fn ip(&self) -> usize {
        self.ip
    }

    /// Returns the address in the caller that the function will return to.
    #[inline]
    pub fn parent_ip(&self) -> usize {
        self.parent_ip
    }

    /// Returns the register that holds argument `n`, counted from zero; `None` from
    /// [`MAX_ARGUMENTS`] on.
    ///
    /// The meaning of the register depends on the function's prototype. An argument that is
    /// narrower than the register leaves the upper bits undefined, so cut it to its type. A
    /// pointer is a number here; nothing keeps the object that it points to alive.
    #[inline]
    pub fn argument(&self, n: usize) -> Option<usize> {
        self.arguments.get(n).copied()
    }
}

/// Returns the reason why a function was not hooked, for a log line that names the function.
pub fn reason(error: Error) -> &'static str {
    match error {
        ENOENT => "there is no such kernel function",
        EINVAL => "this cannot be traced",
        EBUSY => "another user redirects this function, or calls directly from it",
        ENOMEM => "no memory for the hook",
        ENODEV => "ftrace is switched off",
        ENOTUNIQ => "there are several functions of this name: choose one by its position",
        _ => "the hook was refused",
    }
}

/// The handler of a hook at a function's entry: a type that implements this trait, or a closure
/// that takes a [`Call`].
pub trait EntryHandler: Send + Sync + 'static {
    /// Whether the handler is for one function only, whose prototype it knows.
    #[doc(hidden)]
    const IS_TYPED: bool = false;

    /// Called at each entry of the function, before its first instruction.
    ///
    /// # Context
    ///
    /// The context of the function's caller, which can be any: a system call, an interrupt, an
    /// NMI, with or without locks held, on many CPUs at once. So a handler must not sleep,
    /// allocate, or take a lock that the function's callers could hold. It may change atomic
    /// variables. Preemption is disabled, and RCU is watching. No handler runs within another
    /// handler of the same context (task, softirq, hardirq, NMI). So functions that a handler
    /// calls run without their hooks, and each of these hooks counts the call as missed
    /// ([`EntryHook::missed`]).
    fn entry(&self, call: &Call);
}

impl<C: Fn(&Call) + Send + Sync + 'static> EntryHandler for C {
    #[inline]
    fn entry(&self, call: &Call) {
        self(call)
    }
}

/// A hook on kernel functions, from when it is initialised until it is dropped.
///
/// Dropping the hook returns only when no CPU and no preempted task can still execute the
/// trampoline or the handler. It may sleep, for tens of milliseconds. [`disarm_all`] removes
/// many hooks in the time that one takes.
///
/// If the hook is never dropped (`mem::forget`), the library removes it when the module that
/// contains its handler is unloaded.
#[pin_data(PinnedDrop)]
pub struct EntryHook<T: EntryHandler> {
    #[pin]
    hook: Hook<T>,
    #[pin]
    _pin: PhantomPinned,
}

impl<T: EntryHandler> EntryHook<T> {
    /// Creates an initialiser that hooks the kernel functions `targets`.
    ///
    /// Hooks with the same targets share an ops and its trampoline. Hooks whose targets overlap
    /// but differ have an ops each. At the functions that both are on, ftrace calls them through
    /// its list function.
    ///
    /// # Errors
    ///
    /// - `ENOENT`: there is no function of this name, or none at this position.
    /// - `EINVAL`: the function cannot be traced: it is `notrace`, or the symbol is not a function.
    /// - `ENOTUNIQ`: several functions have this name, and no position was given.
    /// - `ENOMEM`: there is no memory for the filter or the trampoline.
    /// - `ENODEV`: ftrace has switched itself off after a fault of its own.
    ///
    /// [`reason`] returns a message for each.
    ///
    /// # Context
    ///
    /// The initialiser may sleep.
    pub fn new<'a>(
        targets: impl Into<Targets<'a>> + 'a,
        handler: T,
    ) -> impl PinInit<Self, Error> + 'a {
        Self::disarmed(handler).pin_chain(|this| {
            // SAFETY: `this` is pinned, and its `drop` detaches it, so the hook stays valid until
            // `detach` has returned.
            unsafe { follow::attach(&targets.into(), this.node()) }
        })
    }

    /// Creates an initialiser of a hook that is on no function yet. A [`Batch`] arms many such
    /// hooks at once.
    pub fn disarmed(handler: T) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            hook: Hook {
                header: Header::new(),
                handler,
            },
            _pin: PhantomPinned,
        })
    }

    fn node(&self) -> Node {
        Node::new(&self.hook)
    }

    /// Returns the handler.
    pub fn handler(&self) -> &T {
        &self.hook.handler
    }

    /// Returns the number of calls for which the handler was not run.
    pub fn missed(&self) -> Misses {
        Misses::by_recursion(self.hook.header.missed.get())
    }

    /// Returns the number of the library's trampoline that the function's entry calls while no
    /// other user of ftrace uses the function. The symbol of the trampoline is
    /// `tackle_ftrace_trampoline_NUMBER`. [`None`] if all of the library's trampolines were in use
    /// when the function was hooked: then the entry calls a trampoline that ftrace has made.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn trampoline(&self) -> Option<usize> {
        follow::trampoline(&self.node())
    }
}

#[pinned_drop]
impl<T: EntryHandler> PinnedDrop for EntryHook<T> {
    fn drop(self: Pin<&mut Self>) {
        follow::detach(self.node());
    }
}
