// SPDX-License-Identifier: GPL-2.0

//! Hooks on functions of modules, which come and go.
//!
//! C header: [`include/linux/module.h`](srctree/include/linux/module.h)

use super::{
    site,
    slot::Node,
    target::{in_module, Target, Targets},
};
use crate::{bindings, fault, library, symbol};
use core::{marker::PhantomPinned, num::NonZeroUsize, ptr};
use kernel::{
    error::to_result,
    ffi::{c_int, c_ulong, c_void},
    prelude::*,
    str::CString,
    types::Opaque,
};

kernel::sync::global_lock! {
    // SAFETY: `Library::new` initialises it, before which `library::ready` lets nobody take it.
    unsafe(uninit) static HOOKS: Mutex<Hooks> = Hooks {
        wanted: KVec::new(),
        tied: KVec::new(),
    };
}

/// Initialises what this file keeps.
///
/// # Safety
///
/// To be called once, before [`library::ready`].
pub(super) unsafe fn init() {
    // SAFETY: By the function's requirements.
    unsafe { HOOKS.init() };
}

struct Hooks {
    wanted: KVec<Wanted>,
    tied: KVec<Tied>,
}

/// What must let go of a function of a module when that goes.
pub(super) trait Tie: Sync {
    /// Lets go, if it has not yet done so. May sleep.
    fn disarm(&self);
}

/// What is on a function of a module, and does not come back to it.
struct Tied {
    module: KVec<u8>,
    what: *const dyn Tie,
}

// SAFETY: What is tied may be used from any thread.
unsafe impl Send for Tied {}

/// A hook on a function of a module that is named. It is on the function whenever there is
/// one.
struct Wanted {
    module: CString,
    /// `module:function`.
    name: CString,
    position: Option<NonZeroUsize>,
    node: Node,
}

impl Wanted {
    fn new(target: &Target<'_>, node: Node) -> Result<Option<Self>> {
        let (Some(module), function) = target.parts() else {
            return Ok(None);
        };
        let function = CStr::from_bytes_with_nul(function).map_err(|_| EINVAL)?;
        let name = in_module(module, function)?;
        let module = core::str::from_utf8(module).map_err(|_| EINVAL)?;
        Ok(Some(Self {
            module: CString::try_from_fmt(fmt!("{module}"))?,
            name,
            position: target.at(),
            node,
        }))
    }

    fn arm(&self) -> Result {
        let mut target = Target::new(&self.name);
        if let Some(position) = self.position {
            target = target.position(position);
        }
        // SAFETY: By the requirements of `attach`, which has made this, until `detach` has
        // taken it away.
        unsafe { site::attach(&Targets::One(target), self.node) }
    }

    /// Whether its module is loaded.
    fn is_loaded(&self) -> Result<bool> {
        // Each module has this, and kernels that can be patched live know where.
        let name = in_module(self.module.to_bytes(), c"__this_module")?;
        match symbol::lookup(&name) {
            Ok(_) => Ok(true),
            Err(ENOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Puts the hook of `node` on `targets`.
///
/// # Errors
///
/// Those of [`site::attach`].
///
/// # Safety
///
/// The hook stays valid until [`detach`] has returned.
pub(super) unsafe fn attach(targets: &Targets<'_>, node: Node) -> Result {
    library::ready()?;
    let wanted = match targets {
        Targets::One(target) => Wanted::new(target, node)?.map(|wanted| (target, wanted)),
        _ => None,
    };
    let Some((target, wanted)) = wanted else {
        // SAFETY: By the function's requirements.
        return unsafe { site::attach(targets, node) };
    };
    // With the lock held: the module can neither come nor go meanwhile.
    let all = &mut HOOKS.lock().wanted;
    all.reserve(1, GFP_KERNEL)?;
    match wanted.arm() {
        Err(ENOENT) if target.may_wait() && !wanted.is_loaded()? => {}
        result => result?,
    }
    Ok(all.push_within_capacity(wanted)?)
}

/// Takes the hook of `node` off its functions, if it is on any, as [`site::detach`].
pub(super) fn detach(node: Node) {
    if library::ready().is_err() {
        return;
    }
    let all = &mut HOOKS.lock().wanted;
    all.retain(|wanted| !wanted.node.is(&node));
    if all.is_empty() {
        // Nobody drops a static.
        *all = KVec::new();
    }
    site::detach(node);
}

/// Calls `arm`, which puts `what` on the function at `address`, and sees to it that it is
/// taken off again if that is a module's and the module goes.
///
/// # Errors
///
/// `ENODEV` without the library, `ENOMEM`, and those of `arm`.
///
/// # Safety
///
/// `what` stays valid until [`untie`] has returned.
pub(super) unsafe fn tie(
    address: usize,
    what: *const dyn Tie,
    arm: impl FnOnce() -> Result,
) -> Result {
    library::ready()?;
    let module = symbol::module_of(address)?;
    // With the lock held: the module cannot go meanwhile.
    let all = &mut HOOKS.lock().tied;
    if module.is_empty() {
        return arm();
    }
    all.reserve(1, GFP_KERNEL)?;
    arm()?;
    Ok(all.push_within_capacity(Tied { module, what })?)
}

/// Forgets what [`tie`] was told of. When this returns, nobody disarms `what` any more.
pub(super) fn untie(what: *const dyn Tie) {
    if library::ready().is_err() {
        return;
    }
    let all = &mut HOOKS.lock().tied;
    all.retain(|tied| !ptr::addr_eq(tied.what, what));
    if all.is_empty() {
        // Nobody drops a static.
        *all = KVec::new();
    }
}

/// Hears of modules that come and go.
///
/// # Invariants
///
/// Once initialised, `block` is registered.
#[pin_data(PinnedDrop)]
pub(crate) struct Notifier {
    #[pin]
    block: Opaque<bindings::notifier_block>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: The functions for notifiers may be called from any thread.
unsafe impl Send for Notifier {}
// SAFETY: A shared reference gives access to nothing.
unsafe impl Sync for Notifier {}

impl Notifier {
    /// Creates an initialiser that begins to listen.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // INVARIANT: It is registered on success.
            block <- Opaque::try_ffi_init(|block: *mut bindings::notifier_block| {
                fault::REGISTER_MODULE_NOTIFIER.check()?;
                // SAFETY: `block` points at uninitialised memory for one, which stays in its
                // place until `PinnedDrop`.
                unsafe {
                    block.write(bindings::notifier_block {
                        notifier_call: Some(notify),
                        ..pin_init::zeroed()
                    });
                    to_result(bindings::register_module_notifier(block))
                }
            }),
            _pin: PhantomPinned,
        })
    }
}

#[pinned_drop]
impl PinnedDrop for Notifier {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants.
        unsafe { bindings::unregister_module_notifier(self.block.get()) };
    }
}

/// # Safety
///
/// Called by the module loader alone, with the module in `data`.
unsafe extern "C" fn notify(
    _block: *mut bindings::notifier_block,
    action: c_ulong,
    data: *mut c_void,
) -> c_int {
    // SAFETY: By the function's requirements; a module's name ends with a NUL.
    let name =
        unsafe { CStr::from_char_ptr((*data.cast::<kernel::bindings::module>()).name.as_ptr()) };
    // CAST: An enumeration of small numbers.
    let action = action as u32;
    let all = HOOKS.lock();
    if action == bindings::module_state_MODULE_STATE_GOING {
        for tied in all
            .tied
            .iter()
            .filter(|tied| tied.module[..] == *name.to_bytes())
        {
            // SAFETY: By the requirements of `tie`.
            unsafe { (*tied.what).disarm() };
        }
    }
    for wanted in all.wanted.iter().filter(|wanted| *wanted.module == *name) {
        match action {
            bindings::module_state_MODULE_STATE_COMING => {
                if let Err(error) = wanted.arm() {
                    pr_warn!("{}: {}\n", &*wanted.name, super::reason(error));
                }
            }
            bindings::module_state_MODULE_STATE_GOING => site::detach(wanted.node),
            _ => {}
        }
    }
    // NOTIFY_DONE
    0
}
