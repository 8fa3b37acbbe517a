// SPDX-License-Identifier: GPL-2.0

//! What the scheduler needs to be able to do with packets.
//!
//! One type can do it all, or one for each call of a qdisc: what is dropped goes another
//! way in each.

use crate::codel::{Queue, Time};

/// What the scheduler notes on each packet while it is in a flow.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Note {
    /// When the packet was put in the flow.
    pub at: Time,
    /// The bytes of memory that it is charged for.
    pub memory: u32,
}

/// Packets, in flows and on their way.
///
/// Whoever implements it counts the packets and bytes that wait, and those that were
/// dropped.
pub trait Packets {
    /// A packet that is in no flow, owned.
    type Packet;
    /// The packets of a flow, first in, first out.
    type List;

    /// The current time.
    fn now(&self) -> Time;

    /// The packets that wait in all flows, and that which was peeked at, if any.
    fn qlen(&self) -> u32;

    /// Takes the packet at the head out of a flow, and off the counts of what waits.
    fn pop(&mut self, list: &mut Self::List) -> Option<Self::Packet>;

    /// Drops a packet that [`Packets::pop`] gave out, and counts it.
    fn drop(&mut self, packet: Self::Packet);

    /// The length of a packet in bytes: more than 0, and not changed while it is in a flow.
    fn len(packet: &Self::Packet) -> u32;

    /// What was noted on a packet with [`Enqueue::set_note`].
    fn note(packet: &Self::Packet) -> Note;
}

/// What [`FqCodel::enqueue`](super::FqCodel::enqueue) needs.
///
/// What it [drops](Packets::drop) is over the limit.
pub trait Enqueue: Packets {
    /// Puts a packet at the tail of a flow, and on the counts of what waits.
    fn push(&mut self, list: &mut Self::List, packet: Self::Packet);

    /// The bytes of memory that a packet is to be charged for: its `truesize`, or 0 if its
    /// socket is charged already.
    fn memory(packet: &Self::Packet) -> u32;

    /// Notes something on a packet for as long as it is in a flow.
    fn set_note(packet: &mut Self::Packet, note: Note);
}

/// What [`FqCodel::dequeue`](super::FqCodel::dequeue) needs.
///
/// What it [drops](Packets::drop) is what CoDel wants to go.
pub trait Dequeue: Packets {
    /// The bytes that wait, of the packets in [`Packets::qlen`].
    fn backlog(&self) -> u32;

    /// Marks a packet with ECN CE; true when it bears that mark now, false when it cannot.
    fn mark(&mut self, packet: &mut Self::Packet) -> bool;

    /// The DS field of the IP header with the ECN bits, if there is one.
    fn dsfield(&mut self, packet: &mut Self::Packet) -> Option<u8>;
}

/// What [`FqCodel::trim`](super::FqCodel::trim) needs.
pub trait Trim: Dequeue {
    /// Takes the packet that was peeked at, and so waits in front of all flows; and takes
    /// it off the counts of what waits.
    fn pop_parked(&mut self) -> Option<Self::Packet>;

    /// Drops a packet that is too many, and counts it.
    fn discard(&mut self, packet: Self::Packet);
}

/// A flow, as CoDel sees it.
pub(super) struct InFlow<'a, P: Dequeue> {
    pub(super) packets: &'a mut P,
    pub(super) list: &'a mut P::List,
    /// The bytes in the flow.
    pub(super) backlog: &'a mut u32,
    pub(super) memory_usage: &'a mut u32,
}

impl<P: Dequeue> Queue for InFlow<'_, P> {
    type Packet = P::Packet;

    #[inline]
    fn now(&self) -> Time {
        self.packets.now()
    }

    #[inline]
    fn pop(&mut self) -> Option<P::Packet> {
        let packet = self.packets.pop(self.list)?;
        *self.backlog = self.backlog.wrapping_sub(P::len(&packet));
        *self.memory_usage = self.memory_usage.wrapping_sub(P::note(&packet).memory);
        Some(packet)
    }

    #[inline]
    fn backlog(&self) -> u32 {
        self.packets.backlog()
    }

    #[inline]
    fn len(packet: &P::Packet) -> u32 {
        P::len(packet)
    }

    #[inline]
    fn enqueued_at(packet: &P::Packet) -> Time {
        P::note(packet).at
    }

    #[inline]
    fn drop(&mut self, packet: P::Packet) {
        self.packets.drop(packet);
    }

    #[inline]
    fn mark(&mut self, packet: &mut P::Packet) -> bool {
        self.packets.mark(packet)
    }

    #[inline]
    fn dsfield(&mut self, packet: &mut P::Packet) -> Option<u8> {
        self.packets.dsfield(packet)
    }
}
