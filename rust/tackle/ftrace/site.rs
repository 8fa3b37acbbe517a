// SPDX-License-Identifier: GPL-2.0

//! Implements a *site*: an ops that several hooks share, and the callbacks of this ops.
//!
//! If a function has a single ops, its entry calls this ops directly. With a second ops on the same
//! function it calls ftrace's list function instead, which checks for each ops of the system
//! whether the function is in its filter. So the hooks on one function share an ops, which belongs
//! to a site. The site's trampoline runs them one after the other, in the order in which they were
//! added.
//!
//! A site has one [`Spot`] with its chain of hooks, or several spots, each with hooks of its own
//! ([`Table`]). All functions of a site are of one part of the kernel ([`Within`]), so a site is
//! removed as a whole when a module is unloaded.

use super::{
    group::Table,
    ops::{self, Plain, Registered},
    pool,
    slot::{Chain, EntrySlot, Node},
    within::Within,
    Call,
};
use crate::bindings;
use core::{marker::PhantomPinned, ops::Deref, ptr};
use kernel::{ffi::c_ulong, prelude::*, types::Opaque};

/// Functions that have the same hooks.
///
/// # Invariants
///
/// `spare` has room for all hooks of `chain` but one. No CPU runs it, except for a grace
/// period after a change, during which the lock of the sites is held.
pub(super) struct Spot {
    pub(super) addresses: KVec<usize>,
    pub(super) chain: Chain,
    spare: Chain,
}

impl Spot {
    pub(super) fn new(addresses: KVec<usize>, nodes: &[Node]) -> Result<Self> {
        let mut chain = Chain::with_room(nodes.len())?;
        chain.set(nodes.iter());
        // INVARIANT: `spare` has room for as many hooks as `chain`.
        Ok(Self {
            addresses,
            chain,
            spare: Chain::with_room(nodes.len())?,
        })
    }
}

/// The slot of a site: one of the pool, with a trampoline of the library, or an allocated one, for
/// an ops with a trampoline that ftrace makes.
pub(super) enum SiteSlot {
    Pool(&'static EntrySlot),
    Own(KBox<EntrySlot>),
}

impl SiteSlot {
    pub(super) fn pooled(&self) -> Option<&'static EntrySlot> {
        match self {
            Self::Pool(slot) => Some(slot),
            Self::Own(_) => None,
        }
    }
}

impl Deref for SiteSlot {
    type Target = EntrySlot;

    fn deref(&self) -> &EntrySlot {
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
pub(super) struct Site {
    pub(super) within: Within,
    pub(super) spots: KVec<Spot>,
    pub(super) table: Option<Table>,
    pub(super) slot: SiteSlot,
    pub(super) is_registered: bool,
    /// Whether ftrace has switched itself off while it registered `ops`.
    pub(super) is_stuck: bool,
    #[pin]
    pub(super) ops: Opaque<bindings::ftrace_ops>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: ftrace's functions may be called from any thread, and the slot that the ops points at may
// be used from any thread.
unsafe impl Send for Site {}

impl Site {
    /// Creates an initialiser that hooks the functions of `spots`.
    pub(super) fn new(
        within: Within,
        spots: KVec<Spot>,
        slot: SiteSlot,
    ) -> impl PinInit<Self, Error> {
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
            is_stuck: false,
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
            // SAFETY: `ops` has memory for a `struct ftrace_ops`. If `trampoline` is set, ftrace
            // neither changes nor frees the trampoline (`arch_ftrace_update_trampoline()`).
            unsafe {
                ops.write(bindings::ftrace_ops {
                    func: Some(callback),
                    private: ptr::from_ref::<EntrySlot>(site.slot).cast_mut().cast(),
                    trampoline: site.slot.pooled().map_or(0, pool::trampoline),
                    ..pin_init::zeroed()
                })
            };
            // SAFETY: `ops` is valid and not registered; ftrace initialises its other fields. The
            // ops and the slot stay in their places until the site is removed.
            let registered = unsafe { ops::register::<Plain>(ops, &mut addresses) }?;
            // INVARIANT: Just registered.
            *site.is_registered = true;
            *site.is_stuck = registered == Registered::Stuck;
            Ok(())
        })
    }

    pub(super) fn has(&self, is: impl Fn(&Node) -> bool) -> bool {
        let mut spots = self.spots.iter();
        spots.any(|spot| spot.chain.hooks().iter().any(&is))
    }

    /// Replaces the chain of a spot by `chain`, and its spare chain by `spare`, which has as much
    /// room. The arguments get the old ones. CPUs may still run the old chain.
    pub(super) fn replace_chain(
        self: Pin<&mut Self>,
        spot: usize,
        chain: &mut Chain,
        spare: &mut Chain,
    ) {
        let site = self.project();
        let spot = &mut site.spots[spot];
        core::mem::swap(&mut spot.chain, chain);
        core::mem::swap(&mut spot.spare, spare);
        publish(site.slot, site.table.as_ref(), spot);
    }

    /// Makes the functions run no hook. They still call the trampoline. May sleep.
    pub(super) fn run_nothing(&self) {
        match &self.table {
            None => self.slot.run_many(),
            Some(table) => table.clear(),
        }
        ops::synchronize();
        if self.table.is_none() {
            self.slot.run_nothing();
            ops::synchronize();
        }
    }

    /// Takes hooks off. At least one hook of the site remains. CPUs may still run the hooks that
    /// are taken off.
    pub(super) fn withdraw(self: Pin<&mut Self>, is_gone: impl Fn(&Node) -> bool) {
        let site = self.project();
        for spot in &mut *site.spots {
            if !spot.chain.hooks().iter().any(&is_gone) {
                continue;
            }
            // By the type invariants the spare chain has room: at least one hook is left out.
            let hooks = spot.chain.hooks().iter();
            spot.spare.set(hooks.filter(|node| !is_gone(node)));
            core::mem::swap(&mut spot.chain, &mut spot.spare);
            publish(site.slot, site.table.as_ref(), spot);
            if spot.chain.hooks().is_empty() {
                // SAFETY: By the type invariants `ops` is valid. Another spot has hooks, and its
                // functions remain in the filter.
                //
                // An error is ignored: the functions then still call the trampoline, which runs a
                // chain without hooks.
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
fn publish(slot: &EntrySlot, table: Option<&Table>, spot: &Spot) {
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

/// Returns the slot of the site and the call, from the arguments of a callback.
///
/// # Safety
///
/// The arguments are those that ftrace passes to a callback, with the `ops` of a site.
#[inline(always)]
unsafe fn passed<'a>(
    ip: c_ulong,
    parent_ip: c_ulong,
    ops: *mut bindings::ftrace_ops,
    fregs: *mut bindings::ftrace_regs,
) -> (&'a EntrySlot, Call) {
    // SAFETY: By the invariants of `Site`, whose slot outlives the registration.
    let slot = unsafe { &*(*ops).private.cast::<EntrySlot>() };
    // SAFETY: ftrace passes the registers of the function's entry.
    (slot, unsafe { Call::from_regs(ip, parent_ip, fregs) })
}

/// Called by ftrace where it cannot use a trampoline of the library: the function has several ops,
/// or the site has a trampoline that ftrace has made.
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
