// SPDX-License-Identifier: GPL-2.0

//! Keeps which hooks are on which functions.
//!
//! The hooks on one function share a [`Site`]. From [`GROUP_FROM`] functions on that are hooked
//! at once, so do these functions.

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

/// From how many spots on a site has several: below, each function gets the faster trampoline
/// that serves it alone.
const GROUP_FROM: usize = 16;

/// The hooks on all functions.
pub(super) struct Sites {
    pool: Pool,
    sites: KVec<Pin<KBox<Site>>>,
}

/// Hooks that an existing spot gets.
struct MoreHooks {
    site: usize,
    spot: usize,
    nodes: KVec<Node>,
}

/// A change that cannot fail any more.
struct Ready {
    site: usize,
    spot: usize,
    /// The new chain, and then the old one.
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
                site.replace_chain(change.spot, &mut change.chain, &mut change.spare);
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
        site.slot.pooled().map(pool::index)
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
