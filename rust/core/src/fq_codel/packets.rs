// SPDX-License-Identifier: GPL-2.0

//! Defines the operations on packets that the scheduler needs.
//!
//! One type can implement all traits, or there can be one type for each call of a qdisc, since
//! each call drops packets in a different way.

use crate::codel::{Queue, Time};

/// The data that the scheduler stores in each packet while it is in a flow.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Note {
    /// The time at which the packet was put in the flow.
    pub at: Time,
    /// The number of bytes of memory for which it is charged.
    pub memory: u32,
}

/// Operations on packets.
///
/// The implementation counts the queued packets and their bytes, and the dropped ones.
pub trait Packets {
    /// An owned packet, which is in no flow.
    type Packet;
    /// The packets of a flow, first in, first out.
    type List;

    /// Returns the current time.
    fn now(&self) -> Time;

    /// Returns the number of packets in all flows, including a packet that was peeked at.
    fn qlen(&self) -> u32;

    /// Removes the packet at the head of a flow, and subtracts it from the counts of queued
    /// packets.
    fn pop(&mut self, list: &mut Self::List) -> Option<Self::Packet>;

    /// Drops a packet that [`Packets::pop`] has returned, and counts it.
    fn drop(&mut self, packet: Self::Packet);

    /// Returns the length of a packet in bytes. It must be above 0, and must not change while the
    /// packet is in a flow.
    fn len(packet: &Self::Packet) -> u32;

    /// Returns the data that [`Enqueue::set_note`] has stored in a packet.
    fn note(packet: &Self::Packet) -> Note;
}

/// The operations that [`FqCodel::enqueue`](super::FqCodel::enqueue) needs.
///
/// Packets that it [drops](Packets::drop) are over a limit.
pub trait Enqueue: Packets {
    /// Puts a packet at the tail of a flow, and adds it to the counts of queued packets.
    fn push(&mut self, list: &mut Self::List, packet: Self::Packet);

    /// Returns the number of bytes of memory for which a packet is charged: its `truesize`, or 0
    /// if its socket is charged already.
    fn memory(packet: &Self::Packet) -> u32;

    /// Stores data in a packet, which must be kept while the packet is in a flow.
    fn set_note(packet: &mut Self::Packet, note: Note);
}

/// The operations that [`FqCodel::dequeue`](super::FqCodel::dequeue) needs.
///
/// Packets that it [drops](Packets::drop) are dropped by CoDel.
pub trait Dequeue: Packets {
    /// Returns the number of bytes of the packets in [`Packets::qlen`].
    fn backlog(&self) -> u32;

    /// Marks a packet with ECN CE. Returns true if the packet has that mark now, and false if it
    /// cannot be marked.
    fn mark(&mut self, packet: &mut Self::Packet) -> bool;

    /// Returns the DS field of the IP header with the ECN bits, if there is one.
    fn dsfield(&mut self, packet: &mut Self::Packet) -> Option<u8>;
}

/// The operations that [`FqCodel::trim`](super::FqCodel::trim) needs.
pub trait Trim: Dequeue {
    /// Removes the packet that was peeked at and so is in front of all flows, and subtracts it
    /// from the counts of queued packets.
    fn pop_parked(&mut self) -> Option<Self::Packet>;

    /// Drops a packet above a limit, and counts it.
    fn discard(&mut self, packet: Self::Packet);
}

/// The queue of a flow for CoDel.
pub(super) struct InFlow<'a, P: Dequeue> {
    pub(super) packets: &'a mut P,
    pub(super) list: &'a mut P::List,
    /// The number of bytes in the flow.
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
