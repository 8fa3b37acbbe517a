// SPDX-License-Identifier: GPL-2.0

//! Implements a FIFO qdisc for tests. The length of a packet selects what the qdisc does with it.

use kernel::{
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
};
use tackle::net::{
    codel::Xstats,
    netlink::{ExtAck, Nest, Nested, Policy},
    qdisc::{Change, Dequeue, Enqueue, Outcome, Qdisc, Reset, Sch, Setup},
    DropReason, SkBuff,
};

/// The length of a packet that `dequeue` drops and counts as dropped.
pub(crate) const DROPPED: u16 = 101;
/// The length of a packet that `dequeue` frees without a call of `Dequeue::drop`.
pub(crate) const LET_GO: u16 = 103;

/// Attribute: the limit.
pub(crate) const LIMIT: u16 = 1;
/// Attribute that only a dump has: the MTU.
pub(crate) const MTU: u16 = 2;

/// The limit without options, in packets.
pub(crate) const DEFAULT_LIMIT: u32 = 5;

pub(crate) static POLICY: Policy<3> = Policy::new().u32(LIMIT);

/// The number of states that exist.
pub(crate) static STATES: Atomic<i32> = Atomic::new(0);
/// The number of resets.
pub(crate) static RESETS: Atomic<u32> = Atomic::new(0);
/// The number of packets with another note than `enqueue` has set.
pub(crate) static WRONG_NOTES: Atomic<u32> = Atomic::new(0);
/// Whether the last packet that was enqueued could be marked.
pub(crate) static MARKED: Atomic<bool> = Atomic::new(false);
/// The DS field of that packet before and after the attempt to mark it; -1 if it has none.
pub(crate) static DSFIELD: [Atomic<i32>; 2] = [const { Atomic::new(0) }; 2];

/// The state of the qdisc: the note for the next packet that is enqueued, and the note that the
/// next packet to be dequeued must have.
pub(crate) struct Fifo {
    noted: u8,
    found: u8,
}

impl Drop for Fifo {
    fn drop(&mut self) {
        STATES.fetch_sub(1, Relaxed);
    }
}

#[vtable]
impl Qdisc for Fifo {
    const ID: &'static CStr = c"kunit_fifo";
    type State<'q> = Self;
    type Config = Option<u32>;
    type Stats = Xstats;

    fn parse(options: Nested<'_>, ack: &mut ExtAck<'_>) -> Result<Option<u32>> {
        let limit = options.parse(&POLICY, ack)?.u32(LIMIT);
        if limit == Some(0) {
            ack.set(c"A queue has room for one packet at least");
            return Err(EDOM);
        }
        Ok(limit)
    }

    fn init<'q>(limit: Option<u32>, setup: &mut Setup<'_>) -> impl PinInit<Self, Error> {
        setup.set_limit(limit.unwrap_or(DEFAULT_LIMIT));
        STATES.fetch_add(1, Relaxed);
        Ok(Self { noted: 0, found: 0 })
    }

    fn enqueue<'q, 'call>(
        state: Pin<&mut Self>,
        sch: &mut Enqueue<'q, 'call>,
        mut packet: SkBuff<'call>,
    ) -> Outcome<'call> {
        if sch.qlen() >= sch.limit() {
            return sch.reject(packet, DropReason::OverLimit);
        }
        let dsfield = |packet: &mut SkBuff<'_>| packet.dsfield().map_or(-1, i32::from);
        DSFIELD[0].store(dsfield(&mut packet), Relaxed);
        MARKED.store(packet.set_ce(), Relaxed);
        DSFIELD[1].store(dsfield(&mut packet), Relaxed);

        let this = state.get_mut();
        packet.set_note([this.noted; 20]);
        this.noted = this.noted.wrapping_add(1);
        sch.push_tail(packet)
    }

    fn dequeue<'q, 'call>(
        state: Pin<&mut Self>,
        sch: &mut Dequeue<'q, 'call>,
    ) -> Option<SkBuff<'call>> {
        let this = state.get_mut();
        loop {
            let packet = sch.pop()?;
            if packet.note::<[u8; 20]>() != [this.found; 20] {
                WRONG_NOTES.fetch_add(1, Relaxed);
            }
            this.found = this.found.wrapping_add(1);
            match u16::try_from(packet.len()) {
                Ok(DROPPED) => sch.drop(packet, DropReason::Congested),
                Ok(LET_GO) => drop(packet),
                _ => return Some(packet),
            }
        }
    }

    fn change<'q>(_state: Pin<&mut Self>, sch: &mut Change<'q, '_>, limit: Option<u32>) {
        if let Some(limit) = limit {
            sch.set_limit(limit);
        }
        while sch.qlen() > sch.limit() && sch.drop_head() {}
    }

    fn reset<'q>(state: Pin<&mut Self>, _sch: &mut Reset<'q>) {
        RESETS.fetch_add(1, Relaxed);
        let this = state.get_mut();
        this.found = this.noted;
    }

    fn dump(_state: &Self, sch: &Sch, options: &mut Nest<'_>) -> Result {
        options.put_u32(LIMIT, sch.limit())?;
        options.put_u32(MTU, sch.mtu())
    }

    fn stats(_state: &Self, _sch: &Sch) -> Xstats {
        Xstats::default()
    }
}
