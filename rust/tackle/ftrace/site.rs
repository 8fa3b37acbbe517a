// SPDX-License-Identifier: GPL-2.0

//! Keeps which hooks are on which functions, and registers them with ftrace.
//!
//! ftrace calls a single ops straight from the function's entry. With a second ops on the same
//! function it calls its list function instead, which asks each ops of the system whether it
//! wants this function. So the hooks on one function share an ops, which belongs to a *site*.
//! The site's trampoline runs them one after the other, in the order in which they came.
//!
//! A site has one [`Spot`] with its chain of hooks, or several, each with hooks of its own
//! ([`Table`]). All its functions are of one part of the kernel ([`Within`]), so that it goes
//! as a whole when a module goes.

use super::{
    group::Table,
    ops::{self, Kind, Plain},
    slot::{self, Chain, Node, Pool, Slot},
    wanted::Places,
    within::Within,
    Call,
};
use crate::{bindings, fault, library};
use core::{marker::PhantomPinned, ops::Deref, ptr};
use kernel::{ffi::c_ulong, prelude::*, types::Opaque};

/// From how many spots on a site has several: below, each function gets the faster trampoline
/// that serves it alone.
const GROUP_FROM: usize = 16;

/// The hooks on all functions.
pub(super) struct Sites {
    pool: Pool,
    sites: KVec<Pin<KBox<Site>>>,
}

/// Hooks that an existing spot gets.
struct Change {
    site: usize,
    spot: usize,
    nodes: KVec<Node>,
}

/// A change that cannot fail any more.
struct Ready {
    site: usize,
    spot: usize,
    chain: Chain,
    spare: Chain,
}

/// Functions that have no spot yet, and their hooks.
struct Fresh {
    within: Within,
    spots: KVec<(KVec<usize>, KVec<Node>)>,
}

impl Sites {
    pub(super) const fn new() -> Self {
        Self {
            pool: Pool::new(),
            sites: KVec::new(),
        }
    }

    /// Puts hooks on functions; all, or on an error none.
    ///
    /// It waits for a grace period if one of the functions has a hook already.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and what ftrace returns.
    ///
    /// # Safety
    ///
    /// The hooks stay valid until [`Sites::detach`] has taken them off all functions.
    pub(super) unsafe fn attach(&mut self, hooks: KVec<(Places, Node)>) -> Result {
        let mut fresh = KVec::new();
        let mut changes = KVec::new();
        for (places, node) in hooks {
            match self.spot_of(&places) {
                Some((site, spot)) => add_change(&mut changes, site, spot, node)?,
                None => add_fresh(&mut fresh, places, node)?,
            }
        }
        let mut changes = self.prepare(changes)?;
        let before = self.sites.len();
        let result = fresh
            .into_iter()
            .try_for_each(|Fresh { within, spots }| self.register_all(&within, spots));
        if result.is_err() {
            match self.sites.len() - before {
                0 => {}
                added => self.remove_last(added),
            }
            return result;
        }
        if !changes.is_empty() {
            for change in &mut changes {
                let site = self.sites[change.site].as_mut();
                site.replace_chain(change.spot, change);
            }
            // Then the old chains, which are in `changes` now, are nobody's.
            ops::synchronize();
        }
        Ok(())
    }

    /// Takes hooks off functions. `is_meant` says for which parts of the kernel, and `is_gone`
    /// which hooks these are.
    ///
    /// When this returns, no CPU and no preempted task can still be in such a hook. It may
    /// sleep for a grace period.
    pub(super) fn detach(
        &mut self,
        is_meant: impl Fn(&Within) -> bool,
        is_gone: impl Fn(&Node) -> bool,
    ) {
        let mut changed = false;
        let mut kept = 0;
        for index in 0..self.sites.len() {
            let site = self.sites[index].as_mut();
            if !is_meant(&site.within) || !site.has(&is_gone) {
                self.sites.swap(kept, index);
                kept += 1;
            } else if !site.has(|node| !is_gone(node)) {
                // Nothing is left: it goes below.
            } else {
                site.withdraw(&is_gone);
                changed = true;
                self.sites.swap(kept, index);
                kept += 1;
            }
        }
        let empty = self.sites.len() - kept;
        if empty > 0 {
            self.remove_last(empty);
        } else if changed {
            ops::synchronize();
        }
        if self.sites.is_empty() {
            // Nobody drops a static: the library may go before the next hook comes.
            self.sites = KVec::new();
        }
    }

    /// Returns the number of the trampoline that runs the hook of `node`, if it is ours.
    pub(super) fn trampoline(&self, node: &Node) -> Option<usize> {
        let mut sites = self.sites.iter();
        let site = sites.find(|site| site.has(|other| other.is(node)))?;
        site.slot.pooled().map(slot::index)
    }

    /// Finds the spot of exactly these functions, and its site.
    fn spot_of(&self, places: &Places) -> Option<(usize, usize)> {
        self.sites.iter().enumerate().find_map(|(index, site)| {
            if site.within != places.within {
                return None;
            }
            let is_it =
                |spot: &Spot| spot.addresses == places.addresses && !spot.chain.hooks().is_empty();
            Some((index, site.spots.iter().position(is_it)?))
        })
    }

    /// Makes the chains that the spots get.
    fn prepare(&self, changes: KVec<Change>) -> Result<KVec<Ready>> {
        let mut ready = KVec::with_capacity(changes.len(), GFP_KERNEL)?;
        for Change { site, spot, nodes } in changes {
            fault::FTRACE_SITE_ALLOC.check()?;
            let old = self.sites[site].spots[spot].chain.hooks();
            let room = old.len() + nodes.len();
            let mut chain = Chain::with_room(room)?;
            chain.set(Iterator::chain(old.iter(), &nodes));
            let ready_one = Ready {
                site,
                spot,
                chain,
                spare: Chain::with_room(room)?,
            };
            ready.push(ready_one, GFP_KERNEL)?;
        }
        Ok(ready)
    }

    /// Registers sites for functions of one part of the kernel: one for all, or when there are
    /// few, one for each.
    fn register_all(&mut self, within: &Within, spots: KVec<(KVec<usize>, KVec<Node>)>) -> Result {
        // In a table each function has one chain. Those of several functions may overlap.
        let is_one = |(addresses, _): &&(KVec<usize>, KVec<Node>)| addresses.len() == 1;
        let is_group = spots.iter().filter(is_one).count() >= GROUP_FROM;
        let mut group = KVec::new();
        for (addresses, nodes) in spots {
            let is_member = is_group && addresses.len() == 1;
            let spot = Spot::new(addresses, &nodes)?;
            if is_member {
                group.push(spot, GFP_KERNEL)?;
                continue;
            }
            let mut alone = KVec::new();
            alone.push(spot, GFP_KERNEL)?;
            self.register(within.try_clone()?, alone)?;
        }
        if !group.is_empty() {
            self.register(within.try_clone()?, group)?;
        }
        Ok(())
    }

    /// Registers a site.
    fn register(&mut self, within: Within, spots: KVec<Spot>) -> Result {
        fault::FTRACE_SITE_ALLOC.check()?;
        self.sites.reserve(1, GFP_KERNEL)?;
        let slot = match self.pool.take() {
            Some(slot) => SiteSlot::Pool(slot),
            None => SiteSlot::Own(KBox::new(Slot::new(), GFP_KERNEL)?),
        };
        let pooled = slot.pooled();
        let site =
            KBox::pin_init(Site::new(within, spots, slot), GFP_KERNEL).inspect_err(|_| {
                if let Some(slot) = pooled {
                    self.pool.put(slot);
                }
            })?;
        Ok(self.sites.push_within_capacity(site)?)
    }

    /// Takes the last `count` sites off their functions, waits for one grace period, and frees
    /// them.
    fn remove_last(&mut self, count: usize) {
        let first = self.sites.len() - count;
        let mut stuck = false;
        for site in &mut self.sites[first..] {
            let site = site.as_mut().project();
            // SAFETY: By the type invariants it is registered. `remove_last` is the only one
            // that takes it off, and then forgets it.
            let result = unsafe {
                match site.slot {
                    SiteSlot::Pool(_) => ops::unregister_without_waiting(site.ops.get()),
                    SiteSlot::Own(_) => Plain::unregister(site.ops.get()),
                }
            };
            *site.is_registered = result.is_err();
            if result.is_err() {
                stuck = true;
                match site.table {
                    None => site.slot.run_many(),
                    Some(table) => table.clear(),
                }
            }
        }
        ops::synchronize();
        for site in &self.sites[first..] {
            if !site.is_registered {
                // SAFETY: It was unregistered above, and nobody uses it any more.
                unsafe { ops::free_filter(site.ops.get()) };
            } else if site.table.is_none() {
                site.slot.run_nothing();
            }
        }
        if stuck {
            ops::synchronize();
        }
        for _ in 0..count {
            let Some(site) = self.sites.pop() else {
                return;
            };
            if site.is_registered {
                // ftrace has switched itself off: the functions call the trampoline until
                // reboot. It and the site stay, and so does the library.
                library::keep();
                core::mem::forget(site);
            } else if let Some(slot) = site.slot.pooled() {
                drop(site);
                self.pool.put(slot);
            }
        }
    }
}

fn add_change(changes: &mut KVec<Change>, site: usize, spot: usize, node: Node) -> Result {
    let same = |change: &&mut Change| change.site == site && change.spot == spot;
    if let Some(change) = changes.iter_mut().find(same) {
        return Ok(change.nodes.push(node, GFP_KERNEL)?);
    }
    let mut nodes = KVec::new();
    nodes.push(node, GFP_KERNEL)?;
    Ok(changes.push(Change { site, spot, nodes }, GFP_KERNEL)?)
}

fn add_fresh(fresh: &mut KVec<Fresh>, places: Places, node: Node) -> Result {
    let Places { within, addresses } = places;
    let index = match fresh.iter().position(|other| other.within == within) {
        Some(index) => index,
        None => {
            let spots = KVec::new();
            fresh.push(Fresh { within, spots }, GFP_KERNEL)?;
            fresh.len() - 1
        }
    };
    let spots = &mut fresh[index].spots;
    if let Some((_, nodes)) = spots.iter_mut().find(|(other, _)| *other == addresses) {
        return Ok(nodes.push(node, GFP_KERNEL)?);
    }
    let mut nodes = KVec::new();
    nodes.push(node, GFP_KERNEL)?;
    Ok(spots.push((addresses, nodes), GFP_KERNEL)?)
}

/// Functions that have the same hooks.
///
/// # Invariants
///
/// `spare` has room for all hooks of `chain` but one. Nobody runs it, except for a grace
/// period after a change, during which the lock of the sites is held.
struct Spot {
    addresses: KVec<usize>,
    chain: Chain,
    spare: Chain,
}

impl Spot {
    fn new(addresses: KVec<usize>, nodes: &[Node]) -> Result<Self> {
        let mut chain = Chain::with_room(nodes.len())?;
        chain.set(nodes.iter());
        // INVARIANT: There is room for as many.
        Ok(Self {
            addresses,
            chain,
            spare: Chain::with_room(nodes.len())?,
        })
    }
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

/// An ops, and the functions that it is on.
///
/// # Invariants
///
/// - `ops` is registered with ftrace while `is_registered`, and its `private` points at `slot`.
///   Its filter has the functions of all spots with hooks.
/// - `slot` runs the chain of the only spot, or `table`, which has the chains of all spots.
#[pin_data]
struct Site {
    within: Within,
    spots: KVec<Spot>,
    table: Option<Table>,
    slot: SiteSlot,
    is_registered: bool,
    #[pin]
    ops: Opaque<bindings::ftrace_ops>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: ftrace's functions may be called from any thread; what the ops points at may be
// used from any.
unsafe impl Send for Site {}

impl Site {
    /// Creates an initialiser that hooks the functions of `spots`.
    fn new(within: Within, spots: KVec<Spot>, slot: SiteSlot) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            within,
            table: match &spots[..] {
                [spot] => {
                    slot.run_chain(&spot.chain);
                    None
                }
                _ => {
                    let table = table(&spots)?;
                    Some(table)
                }
            },
            spots,
            slot,
            is_registered: false,
            ops: Opaque::uninit(),
            _pin: PhantomPinned,
        } ? Error)
        .pin_chain(|this| {
            let site = this.project();
            if let Some(table) = site.table {
                site.slot.run_table(table);
            }
            let callback: Callback = match site.table {
                Some(_) => grouped_callback,
                None => callback,
            };
            let mut addresses = KVec::new();
            for spot in &*site.spots {
                addresses.extend_from_slice(&spot.addresses, GFP_KERNEL)?;
            }
            let ops = site.ops.get();
            // SAFETY: It has memory for a `struct ftrace_ops`. With a trampoline that is not
            // its own, ftrace neither changes nor frees it (`arch_ftrace_update_trampoline()`).
            unsafe {
                ops.write(bindings::ftrace_ops {
                    func: Some(callback),
                    private: ptr::from_ref::<Slot>(site.slot).cast_mut().cast(),
                    trampoline: site.slot.pooled().map_or(0, slot::trampoline),
                    ..pin_init::zeroed()
                })
            };
            // SAFETY: `ops` is valid and not registered; ftrace initialises the rest of it by
            // itself. It and the slot stay in their places until the site is removed.
            unsafe { ops::register::<Plain>(ops, &mut addresses) }?;
            // INVARIANT: Just registered.
            *site.is_registered = true;
            Ok(())
        })
    }

    fn has(&self, is: impl Fn(&Node) -> bool) -> bool {
        let mut spots = self.spots.iter();
        spots.any(|spot| spot.chain.hooks().iter().any(&is))
    }

    /// Gives a spot its new chain, and the change its old one, which CPUs may still run.
    fn replace_chain(self: Pin<&mut Self>, spot: usize, change: &mut Ready) {
        let site = self.project();
        let spot = &mut site.spots[spot];
        core::mem::swap(&mut spot.chain, &mut change.chain);
        core::mem::swap(&mut spot.spare, &mut change.spare);
        publish(site.slot, site.table.as_ref(), spot);
    }

    /// Takes hooks off, but not the last ones. CPUs may still run them.
    fn withdraw(self: Pin<&mut Self>, is_gone: impl Fn(&Node) -> bool) {
        let site = self.project();
        for spot in &mut *site.spots {
            if !spot.chain.hooks().iter().any(&is_gone) {
                continue;
            }
            // There is room, by the type invariants.
            let hooks = spot.chain.hooks().iter();
            spot.spare.set(hooks.filter(|node| !is_gone(node)));
            core::mem::swap(&mut spot.chain, &mut spot.spare);
            publish(site.slot, site.table.as_ref(), spot);
            if spot.chain.hooks().is_empty() {
                // SAFETY: By the type invariants; another spot has hooks, and its functions
                // are in the filter. If it fails, the functions go on to run a chain without
                // hooks.
                let _ = unsafe { ops::change_filter(site.ops.get(), &mut spot.addresses, true) };
            }
        }
    }
}

/// Makes the table of the chains of `spots`.
fn table(spots: &[Spot]) -> Result<Table> {
    let mut table = Table::new(spots.iter().map(|spot| spot.addresses.len()).sum())?;
    for spot in spots {
        for &address in &spot.addresses {
            table.add(address, &spot.chain);
        }
    }
    Ok(table)
}

/// Makes the functions of `spot` run its chain.
fn publish(slot: &Slot, table: Option<&Table>, spot: &Spot) {
    match table {
        None => slot.run_chain(&spot.chain),
        Some(table) => {
            for &address in &spot.addresses {
                table.set(address, &spot.chain);
            }
        }
    }
}

type Callback =
    unsafe extern "C" fn(c_ulong, c_ulong, *mut bindings::ftrace_ops, *mut bindings::ftrace_regs);

/// Reads what ftrace passes to a callback: the slot of the site, and the call.
///
/// # Safety
///
/// These are what ftrace passes, with the `ops` of a site.
#[inline(always)]
unsafe fn passed<'a>(
    ip: c_ulong,
    parent_ip: c_ulong,
    ops: *mut bindings::ftrace_ops,
    fregs: *mut bindings::ftrace_regs,
) -> (&'a Slot, Call) {
    // SAFETY: By the invariants of `Site`, whose slot outlives the registration.
    let slot = unsafe { &*(*ops).private.cast::<Slot>() };
    // SAFETY: ftrace passes the registers of the function's entry.
    (slot, unsafe { Call::from_regs(ip, parent_ip, fregs) })
}

/// What ftrace calls where it cannot call the trampoline: the function has other ops, or the
/// trampoline is ftrace's own.
///
/// # Safety
///
/// Called by ftrace alone, with the `ops` of a site without a table.
unsafe extern "C" fn callback(
    ip: c_ulong,
    parent_ip: c_ulong,
    ops: *mut bindings::ftrace_ops,
    fregs: *mut bindings::ftrace_regs,
) {
    // SAFETY: By the function's requirements.
    let (slot, call) = unsafe { passed(ip, parent_ip, ops, fregs) };
    // SAFETY: Called in the place of the trampoline.
    unsafe { slot.run(&call) };
}

/// As [`callback`], for a site with a table.
///
/// # Safety
///
/// Called by ftrace alone, with the `ops` of a site with a table.
unsafe extern "C" fn grouped_callback(
    ip: c_ulong,
    parent_ip: c_ulong,
    ops: *mut bindings::ftrace_ops,
    fregs: *mut bindings::ftrace_regs,
) {
    // SAFETY: By the function's requirements.
    let (slot, call) = unsafe { passed(ip, parent_ip, ops, fregs) };
    // SAFETY: Called in the place of the trampoline.
    unsafe { slot.run_grouped(&call) };
}
