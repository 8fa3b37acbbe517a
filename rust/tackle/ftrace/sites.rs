// SPDX-License-Identifier: GPL-2.0

//! Implements the table of all sites, which records the hooks on each function.
//!
//! The hooks on one function share a [`Site`]. If [`GROUP_FROM`] functions or more are hooked at
//! once, these functions share a site, too.

use super::{
    ops::{self, Kind, Plain},
    pool::{self, Pool},
    site::{Site, SiteSlot, Spot},
    slot::{Chain, EntrySlot, Node},
    wanted::Places,
    within::Within,
};
use crate::{fault, library};
use kernel::prelude::*;

/// The least number of spots that share a site. If there are fewer, each function gets a site of
/// its own, whose trampoline is faster since it serves one function only.
const GROUP_FROM: usize = 16;

/// The hooks on all functions.
pub(super) struct Sites {
    pool: Pool,
    sites: KVec<Pin<KBox<Site>>>,
}

/// Hooks that are added to an existing spot.
struct MoreHooks {
    site: usize,
    spot: usize,
    nodes: KVec<Node>,
}

/// A change of a spot for which all memory is allocated, so that it cannot fail.
struct Ready {
    site: usize,
    spot: usize,
    /// The new chain. After the change, the old one.
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

    /// Puts hooks on functions. If one fails, none is put on its function.
    ///
    /// It waits for a grace period if one of the functions has a hook already.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: there is no memory for a site or a chain.
    /// - The errors of ftrace.
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
                site.replace_chain(change.spot, &mut change.chain, &mut change.spare);
            }
            // The old chains are in `changes` now. No CPU runs them after this.
            ops::synchronize();
        }
        Ok(())
    }

    /// Takes hooks off functions: those that `is_gone` selects, in the parts of the kernel that
    /// `is_meant` selects.
    ///
    /// When this returns, no CPU and no preempted task can still execute the handler of such a
    /// hook. It may sleep for a grace period.
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
                // No hook is left: the site is not kept, so `remove_last` removes it below.
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
            // A static is not dropped, and the library may be unloaded next: free the memory here.
            self.sites = KVec::new();
        }
    }

    /// Returns the number of the library's trampoline that runs the hook of `node`; [`None`] if
    /// the hook has a trampoline that ftrace has made.
    pub(super) fn trampoline(&self, node: &Node) -> Option<usize> {
        let mut sites = self.sites.iter();
        let site = sites.find(|site| site.has(|other| other.is(node)))?;
        site.slot.pooled().map(pool::index)
    }

    /// Returns the indices of the site and the spot of exactly these functions.
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

    /// Allocates and fills the new chains of the spots.
    fn prepare(&self, changes: KVec<MoreHooks>) -> Result<KVec<Ready>> {
        let mut ready = KVec::with_capacity(changes.len(), GFP_KERNEL)?;
        for MoreHooks { site, spot, nodes } in changes {
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

    /// Registers sites for functions of one part of the kernel. If there are [`GROUP_FROM`] or
    /// more single functions, these share a site; otherwise each has a site of its own.
    fn register_all(&mut self, within: &Within, spots: KVec<(KVec<usize>, KVec<Node>)>) -> Result {
        // A table has one chain for each function. A spot of several functions may overlap with
        // other spots, so it is no member of the group.
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
            None => SiteSlot::Own(KBox::new(EntrySlot::new(), GFP_KERNEL)?),
        };
        let pooled = slot.pooled();
        let site =
            KBox::pin_init(Site::new(within, spots, slot), GFP_KERNEL).inspect_err(|_| {
                if let Some(slot) = pooled {
                    self.pool.put(slot);
                }
            })?;
        if site.is_stuck {
            site.run_nothing();
            library::keep();
            core::mem::forget(site);
            return Err(ENODEV);
        }
        Ok(self.sites.push_within_capacity(site)?)
    }

    /// Takes the last `count` sites off their functions, waits for one grace period, and frees
    /// them.
    fn remove_last(&mut self, count: usize) {
        let first = self.sites.len() - count;
        let mut stuck = false;
        for site in &mut self.sites[first..] {
            let site = site.as_mut().project();
            // SAFETY: By the type invariants the ops is registered. Only `remove_last` unregisters
            // it, and takes the site out of the list afterwards.
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
                // SAFETY: The ops was unregistered above, and a grace period has passed since, so
                // nothing uses the filter any more.
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
                // reboot. So the trampoline, the site and the library stay.
                library::keep();
                core::mem::forget(site);
            } else if let Some(slot) = site.slot.pooled() {
                drop(site);
                self.pool.put(slot);
            }
        }
    }
}

fn add_change(changes: &mut KVec<MoreHooks>, site: usize, spot: usize, node: Node) -> Result {
    let same = |change: &&mut MoreHooks| change.site == site && change.spot == spot;
    if let Some(change) = changes.iter_mut().find(same) {
        return Ok(change.nodes.push(node, GFP_KERNEL)?);
    }
    let mut nodes = KVec::new();
    nodes.push(node, GFP_KERNEL)?;
    Ok(changes.push(MoreHooks { site, spot, nodes }, GFP_KERNEL)?)
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
