// SPDX-License-Identifier: GPL-2.0

//! Which hooks are on which function.
//!
//! ftrace calls a single ops straight from the function's entry. A second ops on the same
//! function costs the detour through its list function, which asks each ops of the system
//! whether it is interested. So the hooks on one function share an ops, that of their *site*:
//! its trampoline runs them one after the other, in the order in which they came.

use super::{
    ops::{self, Plain},
    slot::{self, Chain, Node, Pool, Slot},
    Call, Targets,
};
use crate::{bindings, fault, library};
use core::{marker::PhantomPinned, ops::Deref, ptr};
use kernel::{ffi::c_ulong, prelude::*, types::Opaque};

kernel::sync::global_lock! {
    // SAFETY: `Library::new` initialises it, before which `library::ready` lets nobody take it.
    unsafe(uninit) static SITES: Mutex<Sites> = Sites {
        pool: Pool::new(),
        sites: KVec::new(),
    };
}

/// Initialises what this file keeps.
///
/// # Safety
///
/// To be called once, before [`library::ready`].
pub(super) unsafe fn init() {
    // SAFETY: By the function's requirements.
    unsafe { SITES.init() };
}

struct Sites {
    pool: Pool,
    sites: KVec<Pin<KBox<Site>>>,
}

/// Puts the hook of `node` on the functions `targets`, if it is on none.
///
/// # Errors
///
/// `ENODEV` without the library, those of [`Targets::resolve`], and what ftrace returns.
///
/// # Safety
///
/// The hook stays valid until [`detach`] has returned.
pub(super) unsafe fn attach(targets: &Targets<'_>, node: Node) -> Result {
    library::ready()?;
    let addresses = targets.resolve()?;
    let mut sites = SITES.lock();
    let Sites { pool, sites } = &mut *sites;
    if sites.iter().any(|site| site.has(&node)) {
        return Ok(());
    }
    if let Some(site) = sites.iter_mut().find(|site| site.addresses == addresses) {
        return site.as_mut().add(node);
    }
    fault::FTRACE_SITE_ALLOC.check()?;
    sites.reserve(1, GFP_KERNEL)?;
    let slot = match pool.take() {
        Some(slot) => SiteSlot::Pool(slot),
        None => SiteSlot::Own(KBox::new(Slot::new(), GFP_KERNEL)?),
    };
    let pooled = slot.pooled();
    let site = KBox::pin_init(Site::new(addresses, slot, node), GFP_KERNEL).inspect_err(|_| {
        if let Some(slot) = pooled {
            pool.put(slot);
        }
    })?;
    Ok(sites.push_within_capacity(site)?)
}

/// Takes the hook of `node` off its functions, if [`attach`] has put it on one.
///
/// When this returns, no CPU and no preempted task can still be in the hook. It may sleep,
/// for tens of milliseconds.
pub(super) fn detach(node: Node) {
    if library::ready().is_err() {
        return;
    }
    let mut sites = SITES.lock();
    let Sites { pool, sites } = &mut *sites;
    let Some(index) = sites.iter().position(|site| site.has(&node)) else {
        return;
    };
    if sites[index].chain.hooks().len() > 1 {
        return sites[index].as_mut().remove(node);
    }
    if let Ok(site) = sites.remove(index) {
        let slot = site.slot.pooled();
        // Its trampoline is free for others when nobody is in it any more.
        drop(site);
        if let Some(slot) = slot {
            pool.put(slot);
        }
    }
    if sites.is_empty() {
        // Nobody drops a static: the library may go before the next hook comes.
        *sites = KVec::new();
    }
}

/// The number of the trampoline that runs the hook of `node`, if it is one of ours.
pub(super) fn trampoline(node: &Node) -> Option<usize> {
    library::ready().ok()?;
    let sites = SITES.lock();
    let site = sites.sites.iter().find(|site| site.has(node))?;
    site.slot.pooled().map(slot::index)
}

/// One of the pool's slots with a trampoline of ours, or else one for ftrace's.
enum SiteSlot {
    Pool(&'static Slot),
    Own(KBox<Slot>),
}

impl SiteSlot {
    fn pooled(&self) -> Option<&'static Slot> {
        match self {
            Self::Pool(slot) => Some(slot),
            Self::Own(_) => None,
        }
    }
}

impl Deref for SiteSlot {
    type Target = Slot;

    fn deref(&self) -> &Slot {
        match self {
            Self::Pool(slot) => slot,
            Self::Own(slot) => slot,
        }
    }
}

/// A function with hooks, or several that have the same hooks.
///
/// # Invariants
///
/// - `ops` is registered with ftrace for the functions at `addresses`; its `private` points at
///   `slot`.
/// - `slot` runs `chain`, which has the hooks. Nobody runs `spare`, which has room for all of
///   them but one.
#[pin_data(PinnedDrop)]
struct Site {
    addresses: KVec<usize>,
    slot: SiteSlot,
    chain: Chain,
    spare: Chain,
    #[pin]
    ops: Opaque<bindings::ftrace_ops>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: ftrace's functions may be called from any thread; what the ops points at may be
// used from any.
unsafe impl Send for Site {}

impl Site {
    /// Creates an initialiser that hooks the functions at `addresses`.
    fn new(addresses: KVec<usize>, slot: SiteSlot, node: Node) -> impl PinInit<Self, Error> {
        let chain = || -> Result<Chain> {
            let mut chain = Chain::new();
            chain.reserve(1)?;
            chain.set([&node].into_iter());
            slot.set(&chain);
            Ok(chain)
        };
        let chain = chain();
        // INVARIANT: On success the ops is registered. It and the slot stay in their places.
        try_pin_init!(Self {
            addresses,
            chain: chain?,
            spare: Chain::new(),
            ops <- Opaque::try_ffi_init({
                let private = ptr::from_ref::<Slot>(&slot);
                let trampoline = slot.pooled().map_or(0, slot::trampoline);
                move |ops: *mut bindings::ftrace_ops| {
                    // SAFETY: `ops` points at uninitialised memory for a `struct ftrace_ops`.
                    // With a trampoline that is not its own, ftrace neither changes nor frees
                    // it (`arch_ftrace_update_trampoline()`).
                    unsafe {
                        ops.write(bindings::ftrace_ops {
                            func: Some(callback),
                            private: private.cast_mut().cast(),
                            trampoline,
                            ..pin_init::zeroed()
                        })
                    };
                    // SAFETY: `ops` is valid and not registered; ftrace initialises the rest
                    // of it by itself. It stays in its place until `PinnedDrop`.
                    unsafe { ops::register::<Plain>(ops, addresses) }
                }
            }),
            slot,
            _pin: PhantomPinned,
        })
    }

    fn has(&self, node: &Node) -> bool {
        self.chain.hooks().iter().any(|other| other.is(node))
    }

    /// Adds a hook behind the others.
    fn add(self: Pin<&mut Self>, node: Node) -> Result {
        let site = self.project();
        fault::FTRACE_SITE_ALLOC.check()?;
        site.spare.reserve(site.chain.hooks().len() + 1)?;
        let hooks = site.chain.hooks().iter();
        site.spare.set(Iterator::chain(hooks, [&node]));
        Self::swap(site.slot, site.chain, site.spare);
        Ok(())
    }

    /// Removes one of several hooks.
    fn remove(self: Pin<&mut Self>, node: Node) {
        let site = self.project();
        let hooks = site.chain.hooks().iter();
        // There is room, by the type invariants.
        site.spare.set(hooks.filter(|other| !other.is(&node)));
        Self::swap(site.slot, site.chain, site.spare);
    }

    /// Has `spare` be run in the place of `chain`, and waits until nobody runs that.
    fn swap(slot: &Slot, chain: &mut Chain, spare: &mut Chain) {
        slot.set(spare);
        ops::synchronize();
        core::mem::swap(chain, spare);
    }
}

#[pinned_drop]
impl PinnedDrop for Site {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants the ops is registered.
        unsafe { ops::unregister::<Plain>(self.ops.get()) };
    }
}

/// What ftrace calls where it cannot call the trampoline: the function has other ops, or the
/// trampoline is ftrace's own.
///
/// # Safety
///
/// Called by ftrace alone, with the `ops` of a site.
unsafe extern "C" fn callback(
    ip: c_ulong,
    parent_ip: c_ulong,
    ops: *mut bindings::ftrace_ops,
    fregs: *mut bindings::ftrace_regs,
) {
    // SAFETY: By the invariants of `Site`, whose slot outlives the registration.
    let slot = unsafe { &*(*ops).private.cast::<Slot>() };
    // SAFETY: ftrace passes the registers of the function's entry.
    let call = unsafe { Call::from_regs(ip, parent_ip, fregs) };
    // SAFETY: Called in the place of the trampoline.
    unsafe { slot.run(&call) };
}
