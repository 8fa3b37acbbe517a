// SPDX-License-Identifier: GPL-2.0

//! Implements [`Batch`] and [`disarm_all`], which add or remove many hooks in the time that one
//! hook takes.

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
/// If the batch has 16 functions or more of vmlinux, or of one module, that had no hook before,
/// these share one `ftrace_ops`.
/// Its trampoline looks up the hooks of the called function.
pub struct Batch<'a> {
    hooks: KVec<(Wanted, Node)>,
    _hooks: PhantomData<&'a ()>,
}

/// Why a [`Batch`] was not armed.
#[derive(Debug)]
pub struct BatchError {
    /// The index of the hook that failed, counted from zero; [`None`] if the error is not about a
    /// single hook.
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

    /// Adds a hook that was made by [`EntryHook::disarmed`], or that [`disarm_all`] has disarmed.
    ///
    /// # Errors
    ///
    /// - `EPERM`: the hook is typed, so it is for the one function whose prototype it knows.
    /// - `EOPNOTSUPP`: the hook is an `ExitHook`, which is armed when it is initialised.
    /// - `ENOENT`, `EINVAL`: a name is empty, or not UTF-8.
    /// - `ENOMEM`: there is no memory for the list.
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

    /// Puts all hooks on their functions. If one fails, none is armed.
    ///
    /// # Errors
    ///
    /// A [`BatchError`] has the index of the hook and the error.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn arm(self) -> core::result::Result<(), BatchError> {
        // SAFETY: A `HookRef` comes from a pinned hook, whose `drop` detaches it. So the hook stays
        // valid until `detach` has returned.
        unsafe { follow::attach_all(self.hooks) }
            .map_err(|(index, error)| BatchError { index, error })
    }
}

/// Takes hooks off their functions; hooks that are on no function are left alone. When this
/// returns, no CPU and no preempted task can still execute their handlers. Dropping the hooks then
/// takes no time.
///
/// # Errors
///
/// On an error the hooks remain as they are.
///
/// - `ENOMEM`: there is no memory for the list of hooks.
/// - `ENODEV`: the library is not initialised.
///
/// # Context
///
/// May sleep for two grace periods: one for entries, one for exits.
pub fn disarm_all<'a>(hooks: impl IntoIterator<Item = HookRef<'a>>) -> Result {
    let mut all = KVec::new();
    for hook in hooks {
        all.push(hook.hook, GFP_KERNEL)?;
    }
    follow::detach_all(&all)
}
