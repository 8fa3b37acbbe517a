// SPDX-License-Identifier: GPL-2.0

//! Adds or removes many hooks in the time that one takes.

use super::{
    follow::{self, Hook},
    slot::Node,
    wanted::Wanted,
    EntryHandler, EntryHook, Targets,
};
#[cfg(CONFIG_FPROBE)]
use super::{ExitHandler, ExitHook};
use core::marker::PhantomData;
use kernel::prelude::*;

/// A reference to a hook of any handler, at the entry or at the exit.
#[derive(Clone, Copy)]
pub struct HookRef<'a> {
    hook: Hook,
    is_typed: bool,
    _hook: PhantomData<&'a ()>,
}

impl<T: EntryHandler> EntryHook<T> {
    /// Returns a reference to the hook, for a [`Batch`] or [`disarm_all`].
    pub fn hook(self: Pin<&Self>) -> HookRef<'_> {
        HookRef {
            hook: Hook::Shared(self.node()),
            is_typed: T::IS_TYPED,
            _hook: PhantomData,
        }
    }
}

#[cfg(CONFIG_FPROBE)]
impl<T: ExitHandler> ExitHook<T> {
    /// Returns a reference to the hook, for [`disarm_all`].
    pub fn hook(self: Pin<&Self>) -> HookRef<'_> {
        HookRef {
            hook: Hook::Single(self.get_ref()),
            is_typed: false,
            _hook: PhantomData,
        }
    }
}

/// Hooks that are added at once.
///
/// ```ignore
/// let mut batch = Batch::new();
/// for (name, hook) in &hooks {
///     batch.add(&**name, hook.as_ref().hook())?;
/// }
/// batch.arm()?;
/// ```
///
/// From 16 functions on that had no hook before, they share one `ftrace_ops`, whose
/// trampoline looks up the hooks of the called function.
pub struct Batch<'a> {
    hooks: KVec<(Wanted, Node)>,
    _hooks: PhantomData<&'a ()>,
}

/// Why a [`Batch`] was not armed.
#[derive(Debug)]
pub struct BatchError {
    /// Which hook the error is about, counted from zero; [`None`] if it is about all.
    pub index: Option<usize>,
    /// One of the errors of [`EntryHook::new`], or `EBUSY`: the hook is armed already.
    pub error: Error,
}

impl From<BatchError> for Error {
    fn from(error: BatchError) -> Self {
        error.error
    }
}

impl Default for Batch<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Batch<'a> {
    /// Creates an empty batch.
    pub const fn new() -> Self {
        Self {
            hooks: KVec::new(),
            _hooks: PhantomData,
        }
    }

    /// Adds a hook that was made by [`EntryHook::disarmed`], or was disarmed.
    ///
    /// # Errors
    ///
    /// - `EPERM`: the hook knows the prototype of its function, and is for that one only.
    /// - `EOPNOTSUPP`: it is a hook at the exit, which is on its function from the beginning.
    /// - `ENOENT`, `EINVAL`: a name is empty, or not UTF-8.
    /// - `ENOMEM`.
    pub fn add<'b>(&mut self, targets: impl Into<Targets<'b>>, hook: HookRef<'a>) -> Result {
        if hook.is_typed {
            return Err(EPERM);
        }
        let Hook::Shared(node) = hook.hook else {
            return Err(EOPNOTSUPP);
        };
        let wanted = Wanted::new(&targets.into())?;
        Ok(self.hooks.push((wanted, node), GFP_KERNEL)?)
    }

    /// Puts all hooks on their functions; on an error, none.
    ///
    /// # Errors
    ///
    /// A [`BatchError`] names the hook and one of the errors of [`EntryHook::new`].
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn arm(self) -> core::result::Result<(), BatchError> {
        // SAFETY: The hooks outlive `'a` and are pinned, and their `drop` detaches them.
        unsafe { follow::attach_all(self.hooks) }
            .map_err(|(index, error)| BatchError { index, error })
    }
}

/// Takes hooks off their functions, those that are on any. When this returns, no CPU and no
/// preempted task can still be in them, and dropping them takes no time.
///
/// # Errors
///
/// `ENOMEM`, `ENODEV` without the library: the hooks remain as they are.
///
/// # Context
///
/// May sleep for one grace period.
pub fn disarm_all<'a>(hooks: impl IntoIterator<Item = HookRef<'a>>) -> Result {
    let mut all = KVec::new();
    for hook in hooks {
        all.push(hook.hook, GFP_KERNEL)?;
    }
    follow::detach_all(&all)
}
