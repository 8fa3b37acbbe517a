// SPDX-License-Identifier: GPL-2.0

//! Implements the list of all hooks. When a module is loaded, it arms the hooks on the module's
//! functions. When a module is unloaded, it disarms them, and removes the hooks whose handler is
//! in the module.
//!
//! ftrace identifies functions by their addresses, and a module's memory is reused for other
//! modules. So a hook is taken off a function before the function's module is freed, and is put
//! on it again when the module is loaded again.
//!
//! C header: [`include/linux/module.h`](srctree/include/linux/module.h)

#[cfg(CONFIG_FPROBE)]
use super::exit;
use super::{
    sites::Sites,
    slot::{Header, Node},
    target::Targets,
    wanted::{sort, Places, Wanted},
    within::{Loading, Within},
};
use crate::{bindings, library};
use core::ptr;
use kernel::{
    prelude::*,
    time::{delay::fsleep, Delta},
};

kernel::sync::global_lock! {
    // SAFETY: `Library::new` initialises it. `library::ready` fails before that.
    unsafe(uninit) static HOOKS: Mutex<Hooks> = Hooks {
        sites: Sites::new(),
        followers: KVec::new(),
        loading: Loading::new(),
    };
}

/// Initialises the list of hooks.
///
/// # Safety
///
/// To be called once, before [`library::ready`].
pub(super) unsafe fn init() {
    // SAFETY: By the function's requirements.
    unsafe { HOOKS.init() };
}

struct Hooks {
    sites: Sites,
    followers: KVec<Follower>,
    loading: Loading,
}

/// A hook that does not share an ops with other hooks on its function.
pub(super) trait Single: Sync {
    /// Puts the hook on the function whose `call __fentry__` is at `address`, unless it is on a
    /// function already.
    fn arm(&self, address: usize) -> Result;

    /// Takes the hook off, if it is on a function. When this returns, no task executes the code
    /// that the hook calls, except for the tasks that [`Single::wait`] waits for. May sleep.
    fn disarm(&self);

    /// Returns the address of a hook at the exit, by which [`exit::detach`] finds it; [`None`] for
    /// other hooks.
    fn exit(&self) -> Option<*const Header> {
        None
    }

    /// Waits for tasks that sleep in the code that the hook has called. Called after
    /// [`Single::disarm`], without the lock of the list.
    fn wait(&self) {}
}

/// A hook.
#[derive(Clone, Copy)]
pub(super) enum Hook {
    /// A hook that shares sites with other hooks.
    Shared(Node),
    /// A hook of any other kind, which arms itself.
    Single(*const dyn Single),
}

impl Hook {
    /// Returns the address of the hook, which is unique.
    fn address(&self) -> usize {
        match self {
            Self::Shared(node) => node.address(),
            Self::Single(hook) => hook.cast::<u8>().addr(),
        }
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Shared(a), Self::Shared(b)) => a.is(b),
            (Self::Single(a), Self::Single(b)) => ptr::addr_eq(*a, *b),
            _ => false,
        }
    }
}

/// The result of [`Hooks::start_leaving`].
enum Leaving {
    /// No hook has to be taken off.
    None,
    /// Another thread has taken the hook off, and waits for tasks that sleep in its code.
    Waiting,
    /// The hook was taken off.
    Started(*const dyn Single),
}

/// A hook, and the functions that it is for.
///
/// # Invariants
///
/// The hook stays valid while this is in the list of hooks.
struct Follower {
    wanted: Wanted,
    hook: Hook,
    /// For a [`Hook::Single`] that is on a function: the part of the kernel that has the function.
    within: Option<Within>,
    /// For a [`Hook::Single`]: whether a thread waits for tasks that sleep in its code.
    is_leaving: bool,
    /// The address of a function that the hook calls. The hook is removed before the module that
    /// contains this function is freed.
    code: usize,
}

// SAFETY: Hooks may be used from any thread: a `Node` is `Send`, and a `Single` is `Sync`.
unsafe impl Send for Follower {}

impl Follower {
    fn is_single(&self) -> bool {
        matches!(self.hook, Hook::Single(_))
    }

    /// The address of a hook at the exit.
    #[cfg(CONFIG_FPROBE)]
    fn exit(&self) -> Option<*const Header> {
        match self.hook {
            // SAFETY: By the type invariants.
            Hook::Single(hook) => unsafe { (*hook).exit() },
            Hook::Shared(_) => None,
        }
    }

    /// Puts a [`Hook::Single`] on the first of these functions, unless it is on a function
    /// already.
    fn arm(&mut self, hook: *const dyn Single, all: KVec<Places>) -> Result {
        let (None, Some(places)) = (&self.within, all.into_iter().next()) else {
            return Ok(());
        };
        if self.is_leaving {
            return Ok(());
        }
        let address = places.addresses.first().copied().ok_or(ENOENT)?;
        // SAFETY: By the type invariants.
        unsafe { (*hook).arm(address) }?;
        self.within = Some(places.within);
        Ok(())
    }

    /// Takes a [`Hook::Single`] off its function.
    fn disarm(&mut self, hook: *const dyn Single) {
        if self.within.take().is_some() {
            // SAFETY: By the type invariants.
            unsafe { (*hook).disarm() };
        }
    }
}

impl Hooks {
    /// Adds a hook to the list, and returns its functions. Does not put the hook on them.
    fn add(&mut self, wanted: Wanted, hook: Hook, code: usize) -> Result<KVec<Places>> {
        if self.followers.iter().any(|other| other.hook.is(&hook)) {
            return Err(EBUSY);
        }
        let mut follower = Follower {
            wanted,
            hook,
            within: None,
            is_leaving: false,
            code,
        };
        let places = follower.wanted.find(&self.loading)?;
        self.followers.push(follower, GFP_KERNEL)?;
        Ok(places)
    }

    /// Removes the last `count` hooks from the list. They are on no function.
    fn forget_last(&mut self, count: usize) {
        for _ in 0..count {
            drop(self.followers.pop());
        }
        self.shrink();
    }

    /// Puts the hook at `index` of the list on functions.
    fn arm(&mut self, index: usize, all: KVec<Places>) -> Result {
        let follower = &mut self.followers[index];
        match follower.hook {
            Hook::Shared(node) => {
                let list = with_node(all, node)?;
                // SAFETY: By the type invariants of `Follower`.
                unsafe { self.sites.attach(list) }
            }
            Hook::Single(hook) => follower.arm(hook, all),
        }
    }

    /// Takes hooks off all functions and out of the list; returns how many there were.
    fn remove(&mut self, is_gone: impl Fn(&Follower) -> bool) -> usize {
        let mut count = 0;
        // All hooks at exits together, in one grace period. The loop below then finds them
        // disarmed.
        #[cfg(CONFIG_FPROBE)]
        exit::detach(|hook| {
            self.followers
                .iter()
                .any(|follower| is_gone(follower) && follower.exit() == Some(hook))
        });
        let mut nodes = HookSet::new();
        for follower in self.followers.iter_mut() {
            if !is_gone(follower) {
                continue;
            }
            count += 1;
            match follower.hook {
                Hook::Shared(node) => {
                    if nodes.add(node.address()).is_err() {
                        // There is no memory for the set: take this hook off alone, which costs a
                        // grace period of its own.
                        self.sites.detach(|_| true, |other| other.is(&node));
                    }
                }
                Hook::Single(hook) => follower.disarm(hook),
            }
        }
        nodes.sort();
        self.sites
            .detach(|_| true, |node| nodes.has(node.address()));
        if count > 0 {
            self.followers.retain(|follower| !is_gone(follower));
            self.shrink();
        }
        count
    }

    /// Takes one [`Hook::Single`] off its function. It stays in the list: the caller waits for
    /// tasks that sleep in its code, and then removes it.
    fn start_leaving(&mut self, is_gone: impl Fn(&Follower) -> bool) -> Leaving {
        let mut result = Leaving::None;
        for follower in &mut self.followers {
            let Hook::Single(hook) = follower.hook else {
                continue;
            };
            if !is_gone(follower) {
                continue;
            }
            if follower.is_leaving {
                result = Leaving::Waiting;
                continue;
            }
            follower.disarm(hook);
            follower.is_leaving = true;
            return Leaving::Started(hook);
        }
        result
    }

    fn shrink(&mut self) {
        if self.followers.is_empty() {
            // A static is not dropped: free its memory here.
            self.followers = KVec::new();
        }
    }

    /// Puts hooks on the functions of a module that is being loaded.
    fn come(&mut self, module: &CStr) -> Result {
        self.loading.add(module)?;
        for index in 0..self.followers.len() {
            let result = match self.followers[index].wanted.find_in(module, &self.loading) {
                Ok(places) if places.is_empty() => Ok(()),
                Ok(places) => self.arm(index, places),
                Err(error) => Err(error),
            };
            if let Err(error) = result {
                let name = self.followers[index].wanted.name();
                pr_warn!("{module}:{name}: {}\n", super::reason(error));
            }
        }
        Ok(())
    }

    /// Takes hooks off the functions of parts of the kernel that are about to be freed.
    fn leave(&mut self, is_freed: impl Fn(&Within) -> bool) {
        self.sites.detach(&is_freed, |_| true);
        for follower in &mut self.followers {
            if let Hook::Single(hook) = follower.hook {
                if follower.within.as_ref().is_some_and(&is_freed) {
                    follower.disarm(hook);
                }
            }
        }
    }
}

/// Pairs each element of `all` with `node`.
fn with_node(all: KVec<Places>, node: Node) -> Result<KVec<(Places, Node)>> {
    let mut list = KVec::with_capacity(all.len(), GFP_KERNEL)?;
    for places in all {
        list.push((places, node), GFP_KERNEL)?;
    }
    Ok(list)
}

/// A set of hooks, by their addresses.
struct HookSet(KVec<usize>);

impl HookSet {
    fn new() -> Self {
        Self(KVec::new())
    }

    fn add(&mut self, address: usize) -> Result {
        Ok(self.0.push(address, GFP_KERNEL)?)
    }

    /// To be called before [`HookSet::has`].
    fn sort(&mut self) {
        sort(&mut self.0);
    }

    fn has(&self, address: usize) -> bool {
        self.0.binary_search(&address).is_ok()
    }
}

/// Puts the hook of `node` on `targets`.
///
/// # Errors
///
/// - `EBUSY`: the hook is in the list already.
/// - The errors of [`library::ready`], [`Wanted::new`] and [`Wanted::find`].
/// - The errors of ftrace.
///
/// # Safety
///
/// The hook stays valid until [`detach`] has returned.
pub(super) unsafe fn attach(targets: &Targets<'_>, node: Node) -> Result {
    // SAFETY: By the function's requirements.
    unsafe { attach_hook(targets, Hook::Shared(node), node.code()) }
}

/// Puts `hook` on the function `target`. `code` is the address of a function of the hook.
///
/// # Errors
///
/// As [`attach`].
///
/// # Safety
///
/// The hook stays valid until [`detach_single`] has returned.
pub(super) unsafe fn attach_single(
    target: super::Target<'_>,
    hook: *const dyn Single,
    code: usize,
) -> Result {
    // SAFETY: By the function's requirements.
    unsafe { attach_hook(&target.into(), Hook::Single(hook), code) }
}

/// # Safety
///
/// As for [`attach`].
unsafe fn attach_hook(targets: &Targets<'_>, hook: Hook, code: usize) -> Result {
    library::ready()?;
    let wanted = Wanted::new(targets)?;
    // While this lock is held, the module notifier blocks, so no module is loaded or unloaded.
    let hooks = &mut *HOOKS.lock();
    let places = hooks.add(wanted, hook, code)?;
    let index = hooks.followers.len() - 1;
    hooks
        .arm(index, places)
        .inspect_err(|_| hooks.forget_last(1))
}

/// Puts several hooks on their functions at once. If one fails, none is armed. The error has the
/// index of the hook that failed, if it is about a single hook.
///
/// # Errors
///
/// As [`attach`].
///
/// # Safety
///
/// As for [`attach`].
pub(super) unsafe fn attach_all(
    list: KVec<(Wanted, Node)>,
) -> core::result::Result<(), (Option<usize>, Error)> {
    library::ready().map_err(|error| (None, error))?;
    let hooks = &mut *HOOKS.lock();
    let mut all = KVec::new();
    let mut added = 0;
    let mut add = |hooks: &mut Hooks, wanted, node: Node| -> Result {
        let places = hooks.add(wanted, Hook::Shared(node), node.code())?;
        added += 1;
        for pair in with_node(places, node)? {
            all.push(pair, GFP_KERNEL)?;
        }
        Ok(())
    };
    for (index, (wanted, node)) in list.into_iter().enumerate() {
        if let Err(error) = add(hooks, wanted, node) {
            hooks.forget_last(added);
            return Err((Some(index), error));
        }
    }
    // SAFETY: By the function's requirements.
    unsafe { hooks.sites.attach(all) }.map_err(|error| {
        hooks.forget_last(added);
        (None, error)
    })
}

/// Takes the hook of `node` off its functions, if it is on any. When this returns, no CPU and
/// no preempted task can still execute its handler. May sleep for a grace period.
pub(super) fn detach(node: Node) {
    if library::ready().is_ok() {
        HOOKS
            .lock()
            .remove(|follower| follower.hook.is(&Hook::Shared(node)));
    }
}

/// As [`detach`], for several hooks. It takes one grace period for the hooks at entries, and one
/// for the hooks at exits.
///
/// # Errors
///
/// On an error the hooks remain as they are.
///
/// - `ENOMEM`: there is no memory for the set of hooks.
/// - The errors of [`library::ready`].
pub(super) fn detach_all(list: &[Hook]) -> Result {
    library::ready()?;
    let mut hooks = HookSet::new();
    for hook in list {
        hooks.add(hook.address())?;
    }
    hooks.sort();
    HOOKS
        .lock()
        .remove(|follower| hooks.has(follower.hook.address()));
    Ok(())
}

/// As [`detach`], for `hook`. Also waits for tasks that sleep in its code.
pub(super) fn detach_single(hook: *const dyn Single) {
    if library::ready().is_ok() {
        remove_single(|follower| follower.hook.is(&Hook::Single(hook)));
    }
}

/// Takes one [`Hook::Single`] off its function, waits for tasks that sleep in its code, and removes
/// it from the list. Returns whether there was one.
fn remove_single(is_gone: impl Fn(&Follower) -> bool) -> bool {
    loop {
        let leaving = HOOKS.lock().start_leaving(&is_gone);
        match leaving {
            Leaving::None => return false,
            Leaving::Waiting => fsleep(Delta::from_millis(1)),
            Leaving::Started(hook) => {
                // SAFETY: By the type invariants of `Follower`: the hook is still in the list.
                unsafe { (*hook).wait() };
                HOOKS
                    .lock()
                    .remove(|follower| follower.hook.is(&Hook::Single(hook)));
                return true;
            }
        }
    }
}

/// Returns the number of the library's trampoline that runs the hook of `node`; [`None`] if the
/// hook has a trampoline that ftrace has made.
pub(super) fn trampoline(node: &Node) -> Option<usize> {
    library::ready().ok()?;
    HOOKS.lock().sites.trampoline(node)
}

/// Puts hooks on the functions of a module that is being loaded.
pub(crate) fn come(module: &CStr) {
    if let Err(error) = HOOKS.lock().come(module) {
        pr_warn!(
            "{module}: hooks do not follow this module: {}\n",
            super::reason(error)
        );
    }
}

/// Takes hooks off the init functions of a module, which are about to be freed.
pub(crate) fn init_is_over(module: &CStr) {
    let hooks = &mut *HOOKS.lock();
    hooks.loading.remove(module);
    hooks.leave(|within| within.is_init_of(module));
}

/// Takes hooks off the functions of `module`, called `name`, and removes the hooks that are the
/// module's own; returns how many these were. Nothing here can fail.
pub(crate) fn go(name: &CStr, module: *const kernel::bindings::module) -> usize {
    let mut hooks = HOOKS.lock();
    hooks.loading.remove(name);
    hooks.leave(|within| within.is_of(name));
    let is_its = |follower: &Follower| {
        // SAFETY: The module notifier calls this, and the module exists during that call.
        unsafe { bindings::within_module(follower.code, module) }
    };
    let mut count = hooks.remove(|follower| !follower.is_single() && is_its(follower));
    drop(hooks);
    // Without the lock, since tasks that sleep in a replacement may take it.
    while remove_single(is_its) {
        count += 1;
    }
    count
}
