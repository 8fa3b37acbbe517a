// SPDX-License-Identifier: GPL-2.0

//! Implements the overrides that a [`Controller`] and a [`Policy`] share.
//!
//! A kernel function can have one override, but both the controller and the policy decide about
//! `task_numa_work()` and `sched_setnuma()`. So the library owns the overrides. It makes those that
//! the registered controller and policy need. The handlers of the overrides call both.
//!
//! A kernel with `struct numa_balancing_ops` (`scripts/patches`) calls the policy through these
//! operations. Overrides then remain for the controller, and for `Policy::sees_bound`, which the
//! operations do not cover.

mod bound;
mod page;
mod preferred;
mod scan;
mod slot;
mod window;

#[cfg(tackle_numa_ops)]
mod ops;

use super::{task, Controller, Policy};
use crate::{
    debugfs,
    ftrace::{EntryHook, OverrideHook},
    leftover, library,
};
use bound::{OnBound, VmaPolicyMof};
use kernel::{bindings::module, ffi::c_void, fmt, prelude::*, str::CString, sync::Arc};
use page::{OnPage, ShouldNumaMigrateMemory};
pub(super) use preferred::{find as find_setnuma, set as set_preferred};
use preferred::{OnSetnuma, SchedSetnuma};
use scan::{OnWork, TaskNumaWork};
use slot::Slot;
use window::OnPolicyWindow;

/// The registered controller; empty if there is none.
static CONTROLLER: Slot<dyn Controller> = Slot::new();
/// The registered policy; empty if there is none.
static POLICY: Slot<dyn Policy> = Slot::new();

/// Whether the kernel calls the policy through `struct numa_balancing_ops`.
const HAS_OPS: bool = cfg!(tackle_numa_ops);

kernel::sync::global_lock! {
    // SAFETY: `Library::new` initialises it. `library::ready` fails before that.
    unsafe(uninit) static OVERRIDES: Mutex<Overrides> = Overrides::NONE;
}

/// Initialises the lock of this file.
///
/// # Safety
///
/// To be called once, before [`library::ready`].
pub(crate) unsafe fn init() {
    // SAFETY: By the function's requirements.
    unsafe { OVERRIDES.init() };
}

type Boxed<F, H> = Option<Pin<KBox<OverrideHook<F, H>>>>;

/// The overrides that exist, and whether a controller and a policy are registered.
struct Overrides {
    has_controller: bool,
    has_policy: bool,
    scans: Boxed<TaskNumaWork, OnWork>,
    preferences: Boxed<SchedSetnuma, OnSetnuma>,
    pages: Boxed<ShouldNumaMigrateMemory, OnPage>,
    bound: Boxed<VmaPolicyMof, OnBound>,
    windows: Option<Pin<KBox<EntryHook<OnPolicyWindow>>>>,
    file: Option<Pin<KBox<debugfs::File<Status>>>>,
    #[cfg(tackle_numa_ops)]
    ops: Option<ops::Registered>,
}

/// The data that the file `numa_policy` shows.
struct Status {
    owner: CString,
}

/// A controller or a policy, which decides about balancing.
pub(super) enum Decider {
    Controller(Arc<dyn Controller>),
    Policy(Arc<dyn Policy>),
}

/// The kinds of [`Decider`].
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Role {
    Controller,
    Policy,
}

impl Role {
    /// Returns the pointer that identifies the decider in the list of [`leftover`].
    fn key(self) -> *mut c_void {
        let slot: *const c_void = match self {
            Self::Controller => (&raw const CONTROLLER).cast(),
            Self::Policy => (&raw const POLICY).cast(),
        };
        slot.cast_mut()
    }
}

impl Overrides {
    const NONE: Self = Self {
        has_controller: false,
        has_policy: false,
        scans: None,
        preferences: None,
        pages: None,
        bound: None,
        windows: None,
        file: None,
        #[cfg(tackle_numa_ops)]
        ops: None,
    };

    fn has(&mut self, role: Role) -> &mut bool {
        match role {
            Role::Controller => &mut self.has_controller,
            Role::Policy => &mut self.has_policy,
        }
    }

    /// Makes the overrides that the registered deciders need, and drops all others.
    ///
    /// # Errors
    ///
    /// Those of [`OverrideHook::new`] and of [`EntryHook::new`]. Dropping cannot fail.
    fn adjust(&mut self) -> Result {
        let by_hooks = self.has_policy && !HAS_OPS;
        let either = self.has_controller || by_hooks;
        make(&mut self.scans, either, || OverrideHook::new(OnWork))?;
        make(&mut self.preferences, either, || {
            OverrideHook::new(OnSetnuma)
        })?;
        make(&mut self.pages, by_hooks, || OverrideHook::new(OnPage))?;
        make(&mut self.bound, self.has_policy, || {
            OverrideHook::new(OnBound)
        })?;
        if !by_hooks {
            self.windows = None;
        } else if self.windows.is_none() {
            let hook = EntryHook::new(OnPolicyWindow::FUNCTION, OnPolicyWindow::new()?);
            self.windows = Some(KBox::pin_init(hook, GFP_KERNEL)?);
        }
        #[cfg(tackle_numa_ops)]
        if !self.has_policy {
            self.ops = None;
        } else if self.ops.is_none() {
            self.ops = Some(ops::Registered::new()?);
        }
        Ok(())
    }
}

/// Makes a hook if it is needed and missing; drops it if it is not needed.
fn make<H, I: PinInit<H, Error>>(
    hook: &mut Option<Pin<KBox<H>>>,
    is_needed: bool,
    new: impl FnOnce() -> I,
) -> Result {
    if !is_needed {
        *hook = None;
    } else if hook.is_none() {
        *hook = Some(KBox::pin_init(new(), GFP_KERNEL)?);
    }
    Ok(())
}

/// Makes the file that shows the module of the registered policy, and how the kernel calls it.
fn status(owner: &CStr) -> Result<Pin<KBox<debugfs::File<Status>>>> {
    fn show(status: &Status, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owner = status.owner.to_str().map_err(|_| fmt::Error)?;
        let mechanism = if HAS_OPS { "ops" } else { "hooks" };
        writeln!(f, "module={owner} mechanism={mechanism}")
    }
    let owner = CString::try_from(owner)?;
    let root = debugfs::root()?;
    let status = Status { owner };
    let file = root.read_callback_file(c"numa_policy", status, &show);
    KBox::pin_init(file, GFP_KERNEL)
}

/// Registers a decider of the module `owner`.
///
/// # Errors
///
/// - `EBUSY`: a decider of this kind is registered already, or another user redirects a function
///   that is to be overridden.
/// - `ENODEV`: the library is not loaded.
/// - `ENOMEM`: there is no memory for the overrides.
/// - Those of [`EntryHook::new`].
///
/// # Context
///
/// May sleep.
///
/// # Safety
///
/// `owner` is the module that contains the code of `decider`.
pub(super) unsafe fn add(owner: *const module, decider: Decider) -> Result {
    library::ready()?;
    task::find_groups();
    let role = match decider {
        Decider::Controller(_) => Role::Controller,
        Decider::Policy(_) => Role::Policy,
    };
    let mut overrides = OVERRIDES.lock();
    if *overrides.has(role) {
        return Err(EBUSY);
    }
    // SAFETY: `withdraw` may be called from `leftover::registered` on. `remove` first removes the
    // decider from the list of `leftover`, so that `withdraw` is not called any more. `free` has
    // nothing to free.
    unsafe { leftover::add(owner, role.key(), withdraw, |_| ()) }?;
    *overrides.has(role) = true;
    let published = overrides.adjust().and_then(|()| {
        if role == Role::Policy {
            // SAFETY: The module `owner` is calling this function, so it exists.
            overrides.file = Some(status(unsafe { tackle_base::going::name_of(owner) })?);
        }
        match decider {
            Decider::Controller(controller) => CONTROLLER.set(controller),
            Decider::Policy(policy) => POLICY.set(policy),
        }
    });
    if let Err(error) = published {
        *overrides.has(role) = false;
        if role == Role::Policy {
            overrides.file = None;
        }
        // The call only drops overrides, which cannot fail.
        let _ = overrides.adjust();
        leftover::remove(role.key());
        return Err(error);
    }
    leftover::registered(role.key());
    Ok(())
}

/// Removes the registered decider of this kind. Afterwards no CPU executes its code.
///
/// # Context
///
/// May sleep.
pub(super) fn remove(role: Role) {
    // First: once the decider is removed, another decider of this kind can be registered with the
    // same key.
    leftover::remove(role.key());
    take(role);
}

/// # Safety
///
/// `key` is the key of a registered decider.
unsafe fn withdraw(key: *mut c_void) {
    let controller = key == Role::Controller.key();
    take(if controller {
        Role::Controller
    } else {
        Role::Policy
    });
}

fn take(role: Role) {
    let mut overrides = OVERRIDES.lock();
    *overrides.has(role) = false;
    match role {
        Role::Controller => drop(CONTROLLER.take()),
        Role::Policy => {
            overrides.file = None;
            drop(POLICY.take());
        }
    }
    // The call only drops overrides, which cannot fail.
    let _ = overrides.adjust();
}
